// The anchors: the base model's own answers to the held-out prompts, which round 0 leaves in
// eval.jsonl.
#pragma once

#include <string>
#include <vector>

#include "pipeline/session.h"

namespace thoughtrank {

// The anchor of each held-out prompt, in the prompts' order. A fork may have prompts that did not
// fit when its source began: Error(kConfig) for one without an anchor. Error(kMissingInput) before
// round 0 was evaluated, which `run` alone does.
[[nodiscard]] std::vector<std::string> read_anchors(const Session& session);

}  // namespace thoughtrank
