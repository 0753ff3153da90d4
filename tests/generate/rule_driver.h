// Drives a ThoughtRule as a decoder would: the model's tokens come from a script, forced ones from
// the rule.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "generate/thought_rule.h"

namespace thoughtrank {

class RuleDriver {
 public:
  RuleDriver(const ThoughtPlan& plan, ThoughtStart start) : rule_(plan, std::move(start)) {}

  // Chooses `ids` one after the other, each followed by what the rule forces; stops where it stops.
  // Every chosen token has log-probability -1 and margin 0.5. Returns how many were chosen.
  size_t choose(const std::vector<int64_t>& ids) {
    size_t chosen = 0;
    for (const int64_t id : ids) {
      if (is_stopped_) break;
      ++chosen;
      apply(id, rule_.on_token({.id = id, .log_probability = -1, .margin = 0.5}), true);
    }
    return chosen;
  }

  [[nodiscard]] const std::vector<int64_t>& kept() const { return kept_; }
  [[nodiscard]] bool is_stopped() const { return is_stopped_; }
  [[nodiscard]] const ThoughtResult& result() const { return rule_.result(); }

 private:
  void apply(int64_t id, const BranchStep& step, bool is_chosen) {
    if (step.drops_token) {
      EXPECT_TRUE(is_chosen) << "a forced token cannot be dropped";
      EXPECT_NE(step.kind, BranchStep::Kind::go_on);
    } else {
      kept_.push_back(id);
    }
    is_stopped_ = step.kind == BranchStep::Kind::stop;
    EXPECT_EQ(step.forced.empty(), step.kind != BranchStep::Kind::force);
    for (const int64_t forced : step.forced) {
      EXPECT_FALSE(is_stopped_) << "stopped before the last forced token";
      apply(forced, rule_.on_token({.id = forced, .is_forced = true}), false);
    }
  }

  ThoughtRule rule_;
  std::vector<int64_t> kept_;
  bool is_stopped_ = false;
};

}  // namespace thoughtrank
