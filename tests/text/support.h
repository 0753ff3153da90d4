// Shared by the tests of this room: the committed tokenizers, and copies of them with something
// broken.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank::test {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(TEST_DATA_DIR) / "tokenizers" / name;
}

inline Json read_json(const std::filesystem::path& file) {
  return parse_json(read_file(file), file.string());
}

inline std::vector<Json> read_golden(const std::string& name) {
  std::ifstream lines(fixture(name) / "golden.jsonl");
  std::vector<Json> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(parse_json(line, name));
  return rows;
}

}  // namespace thoughtrank::test
