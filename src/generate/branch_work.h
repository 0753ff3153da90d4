// Prompts into groups of branches, finished branches into rows: all of generation but the decoder.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "generate/heads.h"
#include "generate/thought_rule.h"
#include "thoughtrank/data/records.h"
#include "thoughtrank/decode/decoder.h"
#include "thoughtrank/generate/generate.h"

namespace thoughtrank {

class BranchWork {
 public:
  // `vocab_size` is the model's. Error(kConfig) as Generator says.
  BranchWork(Generator::Setup setup, int64_t vocab_size);
  BranchWork(const BranchWork&) = delete;  // rules refer to its plan
  BranchWork& operator=(const BranchWork&) = delete;

  [[nodiscard]] const HeadFamily& branches() const { return branches_; }
  [[nodiscard]] const HeadFamily& greedy(bool with_thought) const {
    return with_thought ? open_ : direct_;
  }

  // The group of a prompt with those heads of the family that `is_wanted`; nullopt when none is.
  // What a branch is given does not depend on which others are wanted.
  [[nodiscard]] std::optional<BranchGroup> make_group(
      const PromptRow& prompt,
      const HeadFamily& family,
      const std::function<bool(int64_t branch)>& is_wanted) const;

  [[nodiscard]] OutputRow make_row(const PromptRow& prompt,
                                   const HeadFamily& family,
                                   const FinishedBranch& finished) const;

 private:
  [[nodiscard]] BranchStart make_start(const PromptRow& prompt,
                                       int64_t branch,
                                       const HeadFamily& family,
                                       TokenIds head_ids) const;
  [[nodiscard]] Sampling sampling_of(const PromptRow& prompt, int64_t branch) const;

  Generator::Setup setup_;
  HeadFamily branches_, open_, direct_;
  ThoughtPlan plan_;
};

}  // namespace thoughtrank
