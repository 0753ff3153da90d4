// A decoder without a model, for the tests of what stands above it: the next token is a pure
// function of the ids so far. Runs branches in an order of its own, as slots would.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

class ScriptedDecoder {
 public:
  // Best token after `ids`, of `allowed` unless that is empty; the error of a branch that breaks
  // goes to `error`.
  using Choose = std::function<TokenChoice(
      const std::vector<int64_t>& ids, const std::vector<int64_t>& allowed, std::string& error)>;
  explicit ScriptedDecoder(Choose choose) : choose_(std::move(choose)) {}

  FinishedBranch run(const std::vector<int64_t>& shared_ids, BranchStart start) const {
    FinishedBranch finished;
    finished.branch = start.branch;
    finished.token_ids = start.head_ids;
    std::vector<int64_t> allowed = start.first_of;
    std::vector<int64_t> forced;
    while (true) {
      TokenChoice token{.is_forced = !forced.empty()};
      if (token.is_forced) {
        token.id = forced.front();
        forced.erase(forced.begin());
      } else {
        std::vector<int64_t> ids = shared_ids;
        ids.insert(ids.end(), finished.token_ids.begin(), finished.token_ids.end());
        token = choose_(ids, std::exchange(allowed, {}), finished.error);
        if (!finished.error.empty()) break;
      }
      const BranchStep step = start.rule->on_token(token);
      if (!step.drops_token) finished.token_ids.push_back(token.id);
      if (step.kind == BranchStep::Kind::stop) break;
      if (step.kind == BranchStep::Kind::force) forced = step.forced;
    }
    finished.rule = std::move(start.rule);
    return finished;
  }

 private:
  Choose choose_;
};

}  // namespace thoughtrank
