// What the tests of the data room share.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace thoughtrank {

inline void expect_bad_data(const std::function<void()>& call, const MessageParts& parts) {
  expect_error(call, ExitCode::kBadData, parts);
}

// A file in a folder of its own that goes with the test.
class FileTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    return folder_.write(name, bytes);
  }

  TemporaryFolder folder_;
};

}  // namespace thoughtrank
