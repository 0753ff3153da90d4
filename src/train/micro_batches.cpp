#include "train/micro_batches.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

int64_t tokens_of(std::span<const TrainingRow* const> rows) {
  int64_t tokens = 0;
  for (const TrainingRow* row : rows) tokens += std::ssize(row->input_ids);
  return tokens;
}

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

std::vector<Sequence> cut_sequence(const Sequence& sequence, int64_t parts, int64_t rows_per_unit) {
  const int64_t units = std::ssize(sequence) / rows_per_unit, pieces = std::min(parts, units);
  const auto unit_rows = static_cast<size_t>(rows_per_unit);
  const int64_t tokens = tokens_of(sequence);
  int64_t done = 0;
  std::vector<Sequence> cut(1);
  for (int64_t n = 0; n < units; ++n) {
    const auto unit = std::span(sequence).subspan(static_cast<size_t>(n) * unit_rows, unit_rows);
    const int64_t opened = std::ssize(cut), left = units - n;
    const bool is_full = done * pieces >= tokens * opened || left <= pieces - opened;
    if (!cut.back().empty() && is_full && opened < pieces) cut.emplace_back();
    cut.back().insert(cut.back().end(), unit.begin(), unit.end());
    done += tokens_of(unit);
  }
  return cut;
}

void MicroBatches::run(const std::vector<Sequence>& sequences,
                       const std::function<void()>& begin,
                       const std::function<void(const Sequence&)>& body) {
  int64_t most_units = 1;
  for (const Sequence& sequence : sequences) {
    most_units = std::max(most_units, std::ssize(sequence) / rows_per_unit_);
  }
  while (true) {
    std::vector<Sequence> micro_batches;
    for (const Sequence& sequence : sequences) {
      for (Sequence& piece : cut_sequence(sequence, parts_, rows_per_unit_)) {
        micro_batches.push_back(std::move(piece));
      }
    }
    const std::optional<std::string> shortage = run_once(micro_batches, begin, body);
    if (!shortage) return;
    if (parts_ >= most_units) {
      fail(ExitCode::kDevice,
           "out of memory at one training {} a micro-batch ({}): choose a smaller tier with "
           "train.checkpointing or train.optimizer_state, or leave out rows as long as this",
           rows_per_unit_ == 1 ? "row" : "pair",
           *shortage);
    }
    parts_ *= 2;
    log_warning("train: out of memory; sequences are cut into {} micro-batches from now on",
                parts_);
  }
}

}  // namespace thoughtrank
