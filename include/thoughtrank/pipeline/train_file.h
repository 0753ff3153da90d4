// `train --data FILE --out DIR`: a checkpoint from any file of training rows, made as a round's
// train stage makes its own.
#pragma once

#include <cstdint>
#include <filesystem>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/pipeline/config.h"

namespace thoughtrank {

// What the training leaves, all beside each other; a checkpoint holds nothing but itself.
struct TrainFileTarget {
  std::filesystem::path checkpoint;  // DIR
  std::filesystem::path metrics;     // DIR.metrics.jsonl
  std::filesystem::path quarantine;  // DIR.quarantine.jsonl, if steps were skipped
  std::filesystem::path work;        // .work-DIR, until the checkpoint is there
};
[[nodiscard]] TrainFileTarget train_file_target(const std::filesystem::path& out);

struct TrainFileResult {
  int64_t rows = 0;
  int64_t steps = 0;
  double loss_before = 0;
  double loss_after = 0;
};

// Trains the config's model on the rows of `data` (pairs with objective dpo_nll). The same call
// resumes what was interrupted. Error(kConfig) when `out` is there already; Error(kMissingInput)
// when train.max_heldout_worse is set and a held-out prompt of the config has no answer, which is
// said before any training; Error(kLocked) while another process trains for `out`.
TrainFileResult train_file(const RunConfig& config,
                           const std::filesystem::path& data,
                           const std::filesystem::path& out,
                           Clock& clock,
                           const StopFlag& stop);

}  // namespace thoughtrank
