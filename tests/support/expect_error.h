// The Error that a call throws: its exit code, and what its message must hold.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

// The Error that `call` throws; an Error(kDone) when it throws none.
inline Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ExitCode::kDone, "no error"};
}

// One text, or several in braces.
struct MessageParts {
  MessageParts(const char* text) : texts{text} {}
  MessageParts(std::string_view text) : texts{std::string(text)} {}
  MessageParts(const std::string& text) : texts{text} {}
  MessageParts(std::initializer_list<std::string> several) : texts(several) {}
  MessageParts(std::vector<std::string> several) : texts(std::move(several)) {}
  std::vector<std::string> texts;
};

// `call` must throw an Error with this code whose message holds every one of `parts`.
inline void expect_error(const std::function<void()>& call,
                         ExitCode code,
                         const MessageParts& parts = {}) {
  const Error error = error_of(call);
  EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
  for (const std::string& part : parts.texts) {
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos)
        << "message: " << error.what() << "\nshould hold: " << part;
  }
}

}  // namespace thoughtrank
