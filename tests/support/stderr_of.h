// stderr in a string.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace thoughtrank {

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
