// Shared by the tests of this room: the committed tokenizers, and copies of them with something
// broken.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank::test {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(TEST_DATA_DIR) / "tokenizers" / name;
}

// A folder that is removed with its owner.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "text_test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }

 private:
  std::filesystem::path path_;
};

inline Json read_json(const std::filesystem::path& file) {
  return parse_json(read_file(file), file.string());
}

inline std::vector<Json> read_golden(const std::string& name) {
  std::ifstream lines(fixture(name) / "golden.jsonl");
  std::vector<Json> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(parse_json(line, name));
  return rows;
}

// The exit code and message of what `action` throws; kDone when it throws nothing.
inline std::pair<ExitCode, std::string> error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {ExitCode::kDone, "nothing was thrown"};
}

}  // namespace thoughtrank::test
