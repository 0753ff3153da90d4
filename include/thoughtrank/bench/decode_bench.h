// `bench decode`: how fast a model decodes on made-up tokens, beside what the machine could do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/model/compute.h"

namespace thoughtrank {

struct DecodeWorkload {
  int64_t prompt_tokens = 512;  // that the branches share
  int64_t new_tokens = 128;     // of each branch
  int64_t branches = 62;        // of the one prompt
  bool copies_prefix = false;   // each branch has keys and values of the prompt of its own
};

struct DecodeBenchOptions {
  std::string model;  // Hugging Face folder; its tokenizer is not needed
  ComputeOptions compute = {.device = "cpu", .dtype = {}, .train_dtype = {}, .threads = {}};
  DecodeWorkload work;
  std::optional<int64_t> slots = {};      // nullopt: chosen from memory
  bool is_eager = false;                  // on CUDA: no graph
  std::vector<std::string> without = {};  // on CUDA: of step_kernel_names()
};

// Loads the model, times the work after a warm-up, measures the machine, and reports all of it:
// the object that the command prints. Loading and warm-up are not timed.
[[nodiscard]] Json bench_decode(const DecodeBenchOptions& options,
                                const Clock& clock,
                                const StopFlag& stop);

}  // namespace thoughtrank
