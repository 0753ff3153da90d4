// Packed sequences as micro-batches that fit into memory: when one runs out of it, all become half
// as large for the rest of the round. The loss of a step is a sum over its rows, so it stays.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "train/step_plan.h"

namespace thoughtrank {

class MicroBatches {
 public:
  // Each `rows_per_unit` neighbours of a sequence stay in one micro-batch.
  explicit MicroBatches(int64_t rows_per_unit = 1) : rows_per_unit_(rows_per_unit) {}

  // Calls `begin`, then `body` with each micro-batch, in order. When one of them throws
  // c10::OutOfMemoryError, each sequence is cut into twice as many micro-batches and all begins
  // again, outside the handler (the error holds on to memory). Error(kDevice) when every
  // micro-batch is one unit already.
  void run(const std::vector<Sequence>& sequences,
           const std::function<void()>& begin,
           const std::function<void(const Sequence&)>& body);

  // Micro-batches that a sequence is cut into, at most one per unit: 1, 2, 4, …
  [[nodiscard]] int64_t parts() const { return parts_; }
  void set_parts(int64_t parts) { parts_ = parts; }

 private:
  int64_t rows_per_unit_;
  int64_t parts_ = 1;
};

// The sequence in min(parts, units) pieces of consecutive units, of about as many tokens each.
[[nodiscard]] std::vector<Sequence> cut_sequence(const Sequence& sequence,
                                                 int64_t parts,
                                                 int64_t rows_per_unit = 1);

}  // namespace thoughtrank
