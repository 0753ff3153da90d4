#include "train/micro_batches.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <optional>
#include <string>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

int64_t size_of(const TrainingRow& row) { return std::ssize(row.input_ids); }

// What was asked for when memory ran out, or nothing when all went well.
std::optional<std::string> run_once(const std::vector<Sequence>& micro_batches,
                                    const std::function<void()>& begin,
                                    const std::function<void(const Sequence&)>& body) {
  try {
    begin();
    for (const Sequence& micro_batch : micro_batches) body(micro_batch);
  } catch (const c10::OutOfMemoryError& error) {
    return error.what_without_backtrace();
  }
  return std::nullopt;
}

}  // namespace

std::vector<Sequence> cut_sequence(const Sequence& sequence, int64_t parts) {
  const int64_t pieces = std::min(parts, std::ssize(sequence));
  int64_t tokens = 0, done = 0;
  for (const TrainingRow* row : sequence) tokens += size_of(*row);
  std::vector<Sequence> cut(1);
  for (int64_t n = 0; n < std::ssize(sequence); ++n) {
    const int64_t opened = std::ssize(cut), left = std::ssize(sequence) - n;
    const bool is_full = done * pieces >= tokens * opened || left <= pieces - opened;
    if (!cut.back().empty() && is_full && opened < pieces) cut.emplace_back();
    cut.back().push_back(sequence[static_cast<size_t>(n)]);
    done += size_of(*sequence[static_cast<size_t>(n)]);
  }
  return cut;
}

void MicroBatches::run(const std::vector<Sequence>& sequences,
                       const std::function<void()>& begin,
                       const std::function<void(const Sequence&)>& body) {
  int64_t most_rows = 1;
  for (const Sequence& sequence : sequences) most_rows = std::max(most_rows, std::ssize(sequence));
  while (true) {
    std::vector<Sequence> micro_batches;
    for (const Sequence& sequence : sequences) {
      for (Sequence& piece : cut_sequence(sequence, parts_)) {
        micro_batches.push_back(std::move(piece));
      }
    }
    const std::optional<std::string> shortage = run_once(micro_batches, begin, body);
    if (!shortage) return;
    if (parts_ >= most_rows) {
      fail(ExitCode::kDevice,
           "out of memory at one training row a micro-batch ({}): choose a smaller tier with "
           "train.checkpointing or train.optimizer_state, or leave out rows as long as this",
           *shortage);
    }
    parts_ *= 2;
    log_warning("train: out of memory; sequences are cut into {} micro-batches from now on",
                parts_);
  }
}

}  // namespace thoughtrank
