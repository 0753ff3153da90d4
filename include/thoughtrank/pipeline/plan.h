// `plan`: everything that can be known before any work, and what the work will take. Writes
// nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/bench/peak_rates.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/judge/estimate.h"
#include "thoughtrank/pipeline/config.h"
#include "thoughtrank/pipeline/model_setup.h"
#include "thoughtrank/train/memory.h"

namespace thoughtrank {

struct RunPlan {
  ComputeSetup compute;
  std::string chat_template;
  int64_t parameters = 0;
  int64_t prompts_found = 0;
  int64_t prompts_left_out = 0;  // of those looked at: too long for the model's context
  int64_t holdout = 0;
  int64_t rounds = 0;
  int64_t prompts_per_round = 0;
  int64_t branches = 0;        // per prompt
  int64_t longest_prompt = 0;  // tokens
  int64_t longest_shown = 0;   // tokens of the longest prompt with worked examples in front
  std::vector<std::string>
      example_lines;                    // what is shown and what is trained on; none: no examples
  std::vector<std::string> task_lines;  // what evaluate.tasks ask, a line each
  double steps = 0;                     // optimizer steps of round 1 if every prompt has a winner
  int64_t generated_tokens_worst = 0;   // per round
  uint64_t decode_bytes = 0;            // weights and KV cache at the worst
  TrainingMemory training;              // at the longest micro-batch
  TrainingSize training_size;           // that micro-batch
  uint64_t disk_bytes = 0;              // checkpoints kept + training state
  uint64_t disk_free = 0;
  uint64_t memory_available = 0;
  int64_t special_text_prompts =
      0;                  // prompts with special-token text: apply_chat_template would differ
  JudgeEstimate judging;  // whole run
  std::optional<Error> judge_problem;  // why the judge could not even be asked
  std::string judge_probe;             // "": not probed or fine; else the reason
  bool is_probed = false;
};

// What a round takes where every branch goes to its limit and every prompt has a winner. Judging
// and the held-out answers are not counted.
struct RoundTimes {
  double generate_s = 0;
  double train_s = 0;
};

// Operations and bytes over `rates`, those of the plan's machine, at the shares of them that were
// measured on a CPU (tests/benchmarks/README.md), for want of others on a GPU too.
[[nodiscard]] RoundTimes estimate_times(const RunPlan& plan,
                                        const RunConfig& config,
                                        const PeakRates& rates);

// Error for whatever would stop the run before its first token. `probe`: also asks the judge once.
[[nodiscard]] RunPlan make_plan(const RunConfig& config,
                                bool probe,
                                Clock& clock,
                                const StopFlag& stop);

}  // namespace thoughtrank
