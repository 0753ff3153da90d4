// Names of everything in a run folder (`thoughtrank help run-folder` has the list).
#pragma once

#include <filesystem>
#include <string>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path root) : root_(std::move(root)) {}
  [[nodiscard]] const std::filesystem::path& root() const { return root_; }
  [[nodiscard]] std::filesystem::path journal() const { return root_ / "journal.jsonl"; }
  [[nodiscard]] std::filesystem::path ledger() const { return root_ / "ledger.jsonl"; }
  [[nodiscard]] std::filesystem::path frozen() const { return root_ / "run.json"; }
  [[nodiscard]] std::filesystem::path round(int64_t n) const {
    return root_ / fmt::format("round-{:02}", n);
  }
  [[nodiscard]] std::filesystem::path file(int64_t n, const std::string& name) const {
    return round(n) / name;
  }
  [[nodiscard]] std::filesystem::path work(int64_t n) const { return round(n) / ".work"; }
  [[nodiscard]] std::filesystem::path checkpoint(int64_t n) const {
    return round(n) / "checkpoint";
  }

 private:
  std::filesystem::path root_;
};

}  // namespace thoughtrank
