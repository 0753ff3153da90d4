// What a model can take: known token ids, and texts within its context.
#pragma once

#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

// Error(kBadData) naming the group when it is empty, holds unknown ids, or is too long.
void require_group_fits(const BranchGroup& group, const LlamaConfig& config);

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
