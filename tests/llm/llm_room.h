// What the tests of the llm room share, and those of the judge room with them: a clock without
// time, a folder for the ledger.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/llm/server_options.h"

namespace thoughtrank {

// Sleeping moves it on; nothing waits.
class FakeClock : public Clock {
 public:
  [[nodiscard]] double now_s() const override { return now_; }
  [[nodiscard]] std::string utc_time() const override { return "2026-01-31T12:00:00Z"; }
  void sleep_s(double seconds) override { now_ += seconds; }

 private:
  double now_ = 1000;
};

inline void expect_error(ExitCode code,
                         const std::function<void()>& act,
                         const std::vector<std::string>& parts) {
  try {
    act();
    ADD_FAILURE() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "'" << part << "' not in: " << error.what();
    }
  }
}

class LlmTest : public testing::Test {
 protected:
  void SetUp() override {
    show_progress(false);
    start_log(LogFormat::text, LogLevel::error);
    std::string name = testing::TempDir() + "thoughtrank-llm-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

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

  std::filesystem::path folder_;
  FakeClock clock_;
  StopFlag stop_;
};

}  // namespace thoughtrank
