// EXPECT that something ends in an Error with this exit code and these words in its message.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

template <class Work>
void expect_error(ExitCode code, const std::string& words, const Work& work) {
  try {
    work();
    ADD_FAILURE() << "accepted, expected an error with '" << words << "'";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
}

}  // namespace thoughtrank
