// What the tests of this room share: a folder that goes away, the Error that a call throws, stderr
// in a string.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "core_test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline void write_plainly(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// The Error that `call` throws; an Error(kDone) when it throws none.
inline Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ExitCode::kDone, "no error"};
}

inline void expect_error(const std::function<void()>& call,
                         ExitCode code,
                         std::string_view part_of_message) {
  const Error error = error_of(call);
  EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
  EXPECT_NE(std::string_view(error.what()).find(part_of_message), std::string_view::npos)
      << "message: " << error.what() << "\nshould hold: " << part_of_message;
}

// What `call` writes to stderr; what it throws is thrown on.
inline std::string stderr_of(const std::function<void()>& call) {
  testing::internal::CaptureStderr();
  try {
    call();
  } catch (...) {
    (void)testing::internal::GetCapturedStderr();
    throw;
  }
  return testing::internal::GetCapturedStderr();
}

}  // namespace thoughtrank
