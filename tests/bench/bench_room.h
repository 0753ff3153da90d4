// What the tests of the benchmarks share: the tiny models, a clock that a test sets, a report's
// keys.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/core/progress.h"

namespace thoughtrank {

inline std::string tiny_llama() {
  return (std::filesystem::path(TEST_DATA_DIR) / "tiny-llama").string();
}

// Each look at it is a second later than the last.
class TickingClock : public Clock {
 public:
  [[nodiscard]] double now_s() const override { return ++now_s_; }
  [[nodiscard]] std::string utc_time() const override { return "2026-01-31T12:00:00Z"; }
  void sleep_s(double seconds) override { now_s_ += seconds; }

 private:
  mutable double now_s_ = 0;
};

inline std::set<std::string> keys_of(const Json& report) {
  std::set<std::string> keys;
  for (const auto& [key, value] : report.items()) keys.insert(key);
  return keys;
}

// What every benchmark says of the machine.
inline void expect_machine(const Json& report, const std::string& dtype) {
  EXPECT_EQ(report.at("device"), "cpu");
  EXPECT_EQ(report.at("dtype"), dtype);
  EXPECT_EQ(report.at("threads"), 1);
  EXPECT_FALSE(report.at("cpu").get<std::string>().empty());
  EXPECT_FALSE(report.at("instruction_set").get<std::string>().empty());
  EXPECT_TRUE(report.at("peak_device_bytes").is_null());
  EXPECT_GE(report.at("peak_rss_bytes").get<int64_t>(),
            report.at("empty_rss_bytes").get<int64_t>());
  for (const char* rate : {"float32_gflops", "bfloat16_gflops", "read_gb_per_s"}) {
    EXPECT_GT(report.at("peak_rates").at(rate).get<double>(), 0) << rate;
  }
}

}  // namespace thoughtrank
