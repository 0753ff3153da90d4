// What the tests of the data room share.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

// `act` must throw Error(code) whose message holds every one of `parts`.
inline void expect_error(ExitCode code,
                         const std::function<void()>& act,
                         const std::vector<std::string>& parts) {
  try {
    act();
    ADD_FAILURE() << "expected an Error that names " << parts.back();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    const std::string message = error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' not in: " << message;
    }
  }
}

inline void expect_bad_data(const std::function<void()>& act,
                            const std::vector<std::string>& parts) {
  expect_error(ExitCode::kBadData, act, parts);
}

// A file in a folder of its own that goes with the test.
class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "thoughtrank-data-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  std::filesystem::path folder_;
};

}  // namespace thoughtrank
