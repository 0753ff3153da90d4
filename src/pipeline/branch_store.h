// Keeps the finished branches of a round in .work/, in journal format, so that a killed run does
// not generate them again. A power cut may cost those of the last second.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "thoughtrank/core/journal.h"
#include "thoughtrank/data/records.h"

namespace thoughtrank {

class BranchStore {
 public:
  // Opens the file or makes it. Rows of other weights than `model_sha256` are not reused.
  BranchStore(const std::filesystem::path& file, std::string model_sha256);
  [[nodiscard]] bool has(const std::string& prompt_id, int64_t branch) const;
  // Stores the row before it returns.
  void add(OutputRow row);
  [[nodiscard]] int64_t count() const { return static_cast<int64_t>(rows_.size()); }
  // Gives the rows of a prompt in branch order.
  [[nodiscard]] std::vector<OutputRow> rows_of(const std::string& prompt_id) const;

 private:
  std::string model_sha256_;
  std::map<std::pair<std::string, int64_t>, OutputRow> rows_;
  Journal journal_;
};

}  // namespace thoughtrank
