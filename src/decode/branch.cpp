#include "decode/branch.h"

#include <utility>

namespace thoughtrank {

Branch::Branch(int64_t group, BranchStart start)
    : finished_{.group = group,
                .branch = start.branch,
                .token_ids = std::move(start.head_ids),
                .rule = std::move(start.rule),
                .error = ""},
      first_of_(std::move(start.first_of)),
      max_tokens_(start.max_tokens),
      is_finished_(std::ssize(finished_.token_ids) >= max_tokens_) {}

void Branch::add(const TokenChoice& choice) {
  first_of_.clear();
  std::deque<int64_t> forced;
  add_one(choice, forced);
  while (!is_finished_ && !forced.empty()) {
    const int64_t id = forced.front();
    forced.pop_front();
    add_one({.id = id, .is_forced = true}, forced);
  }
}

void Branch::add_one(const TokenChoice& token, std::deque<int64_t>& forced) {
  const BranchStep step = finished_.rule->on_token(token);
  if (!step.drops_token) finished_.token_ids.push_back(token.id);
  if (step.kind == BranchStep::Kind::force) {
    forced.insert(forced.begin(), step.forced.begin(), step.forced.end());
  }
  is_finished_ =
      step.kind == BranchStep::Kind::stop || std::ssize(finished_.token_ids) >= max_tokens_;
}

void Branch::break_off(std::string error) {
  finished_.error = std::move(error);
  is_finished_ = true;
}

}  // namespace thoughtrank
