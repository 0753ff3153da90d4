// What the tests of the llm room share, and those of the judge room with them: a clock without
// time, a folder for the ledger.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "support/expect_error.h"
#include "support/fake_clock.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/llm/server_options.h"

namespace thoughtrank {

class LlmTest : public testing::Test {
 protected:
  void SetUp() override {
    show_progress(false);
    start_log(LogFormat::text, LogLevel::error);
  }

  [[nodiscard]] std::filesystem::path ledger() const { return folder_ / "judge.jsonl"; }

  // A server called mock.
  [[nodiscard]] static ServerOptions server_at(const std::string& base_url) {
    ServerOptions options;
    options.base_url = base_url;
    options.model = "mock";
    options.timeout_s = 20;
    options.concurrency = 8;
    return options;
  }

  TemporaryFolder folder_;
  FakeClock clock_;
  StopFlag stop_;
};

}  // namespace thoughtrank
