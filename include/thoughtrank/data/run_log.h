// journal.jsonl of a run: what happened, in order, and what follows from it: which stages are
// finished with which files, and which checkpoints were purged on purpose.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "thoughtrank/core/journal.h"
#include "thoughtrank/data/stage.h"

namespace thoughtrank {

class RunLog {
 public:
  // Opens for appending.
  explicit RunLog(const std::filesystem::path& journal);
  // Reads only: append() is an error.
  static RunLog read_only(const std::filesystem::path& journal);

  void append(const Json& record);
  // The last stage_finished record; null when the stage has not finished.
  [[nodiscard]] const Json* finished(int64_t round, Stage stage) const;
  // The last stage_failed record since the stage was started last; null when it has none.
  [[nodiscard]] const Json* failed(int64_t round, Stage stage) const;
  [[nodiscard]] bool has_started(int64_t round, Stage stage) const;
  [[nodiscard]] bool is_purged(int64_t round) const { return purged_.contains(round); }

 private:
  RunLog() = default;
  void take(const Json& record);
  std::unique_ptr<Journal> journal_;
  std::map<std::pair<int64_t, Stage>, Json> finished_, failed_;
  std::set<std::pair<int64_t, Stage>> started_;
  std::set<int64_t> purged_;
};

}  // namespace thoughtrank
