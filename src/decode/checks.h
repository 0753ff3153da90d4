// What a model can take: known token ids, and texts within its context.
#pragma once

#include <string>

#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

// Why the group does not fit the model's context, or "". Error(kBadData) naming it when it is empty
// or holds unknown ids: then no other group can be trusted either.
[[nodiscard]] std::string find_misfit(const BranchGroup& group, const LlamaConfig& config);

// Error(kBadData) for unknown ids; `what` names the text.
void require_known_ids(const std::vector<int64_t>& ids,
                       const LlamaConfig& config,
                       const std::string& what);

// Error(kBadData) when `shared` is empty or shared + more tokens exceed the context.
void require_length(int64_t shared,
                    int64_t more,
                    const LlamaConfig& config,
                    const std::string& what);

}  // namespace thoughtrank
