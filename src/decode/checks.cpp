#include "decode/checks.h"

#include <algorithm>

#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

std::string too_long(int64_t shared, int64_t more, const LlamaConfig& config) {
  return fmt::format(
      "{} shared tokens and up to {} more pass the model's context of {}: shorten the prompt or "
      "lower the token budgets",
      shared,
      more,
      config.max_position_embeddings);
}

}  // namespace

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
    fail(ExitCode::kBadData, "{}: {}", what, too_long(shared, more, config));
  }
}

std::string find_misfit(const BranchGroup& group, const LlamaConfig& config) {
  const std::string what = fmt::format("group {}", group.group);
  require_known_ids(group.shared_ids, config, what);
  if (group.shared_ids.empty()) fail(ExitCode::kBadData, "{} has no shared token", what);
  int64_t more = 0;
  for (const BranchStart& start : group.branches) {
    const std::string branch = fmt::format("{}, branch {}", what, start.branch);
    require_known_ids(start.head_ids, config, branch);
    require_known_ids(start.first_of, config, branch);
    more = std::max(more, start.max_tokens);
  }
  const int64_t shared = std::ssize(group.shared_ids);
  return shared + more > config.max_position_embeddings ? too_long(shared, more, config) : "";
}

}  // namespace thoughtrank
