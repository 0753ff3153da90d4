#include "decode/branch.h"

#include <cmath>
#include <utility>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

Branch::Branch(int64_t group, BranchStart start)
    : finished_{.group = group,
                .branch = start.branch,
                .token_ids = std::move(start.head_ids),
                .rule = std::move(start.rule),
                .cause = BreakCause::none,
                .error = ""},
      first_of_(std::move(start.first_of)),
      sampling_(start.sampling),
      max_tokens_(start.max_tokens),
      is_finished_(std::ssize(finished_.token_ids) >= max_tokens_) {}

void Branch::add(const TokenChoice& choice) {
  first_of_.clear();
  ++choices_;
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

void Branch::add_candidate(const float* logits) {
  int64_t best = first_of_.front();
  bool is_finite = true;
  for (const int64_t id : first_of_) {
    is_finite = is_finite && std::isfinite(logits[id]);
    if (logits[id] > logits[best] || (logits[id] == logits[best] && id < best)) best = id;
  }
  if (is_finite) {
    add({.id = best, .is_forced = true});
  } else {
    break_off_as_not_finite();
  }
}

void Branch::break_off_as_not_finite() {
  break_off(BreakCause::not_finite,
            fmt::format("the model's logits after token {} of the branch are not finite numbers",
                        token_ids().size()));
}

void Branch::break_off(BreakCause cause, std::string error) {
  finished_.cause = cause;
  finished_.error = std::move(error);
  is_finished_ = true;
}

}  // namespace thoughtrank
