#include "decode/checks.h"

#include "thoughtrank/core/error.h"

namespace thoughtrank {

void require_known_ids(const std::vector<int64_t>& ids,
                       const LlamaConfig& config,
                       const std::string& what) {
  for (const int64_t id : ids) {
    if (id < 0 || id >= config.vocab_size) {
      fail(ExitCode::kBadData,
           "{} holds token id {}, the model knows 0 to {}: does the tokenizer belong to it?",
           what,
           id,
           config.vocab_size - 1);
    }
  }
}

void require_length(int64_t shared,
                    int64_t more,
                    const LlamaConfig& config,
                    const std::string& what) {
  if (shared == 0) fail(ExitCode::kBadData, "{} has no shared token to begin with", what);
  if (shared + more > config.max_position_embeddings) {
    fail(ExitCode::kBadData,
         "{} needs {} shared tokens and up to {} more, the model's context is {}: shorten the "
         "prompt or lower the token budgets",
         what,
         shared,
         more,
         config.max_position_embeddings);
  }
}

void require_group_fits(const BranchGroup& group, const LlamaConfig& config) {
  const std::string what = fmt::format("group {}", group.group);
  require_known_ids(group.shared_ids, config, what);
  require_length(std::ssize(group.shared_ids), 0, config, what);
  for (const BranchStart& start : group.branches) {
    const std::string branch = fmt::format("group {}, branch {}", group.group, start.branch);
    require_known_ids(start.head_ids, config, branch);
    require_known_ids(start.first_of, config, branch);
    require_length(std::ssize(group.shared_ids), start.max_tokens, config, branch);
  }
}

}  // namespace thoughtrank
