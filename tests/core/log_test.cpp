#include "thoughtrank/core/log.h"

#include <gtest/gtest.h>

#include <cctype>

#include "support/stderr_of.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {
namespace {

class Log : public testing::Test {
 protected:
  void TearDown() override { start_log(LogFormat::text, LogLevel::info); }
};

TEST_F(Log, TextLinesHaveTimeLevelAndNoColoursInAFile) {
  start_log(LogFormat::text, LogLevel::info);
  std::string text = stderr_of([] {
    log_info("round {} begins", 1);
    log_warning("careful");
  });
  for (char& c : text) c = std::isdigit(static_cast<unsigned char>(c)) != 0 ? '0' : c;
  EXPECT_EQ(text, "00:00:00 info    round 0 begins\n00:00:00 warning careful\n");
}

TEST_F(Log, LevelsBelowAreSilent) {
  start_log(LogFormat::text, LogLevel::warning);
  EXPECT_EQ(stderr_of([] {
              log_debug("no");
              log_info("no");
            }),
            "");
  EXPECT_NE(stderr_of([] { log_line(LogLevel::error, "yes"); }).find("error   yes"),
            std::string::npos);
}

TEST_F(Log, TextCannotDriveTheTerminal) {
  start_log(LogFormat::text, LogLevel::info);
  const std::string text = stderr_of([] { log_info("{}", "\x1b[2Jx{}\r"); });
  EXPECT_NE(text.find("\\x1b[2Jx{}\\x0d"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST_F(Log, JsonLinesAreOneObjectEach) {
  start_log(LogFormat::json, LogLevel::info);
  const std::string text = stderr_of([] { log_info("a\n\"b\" \x1b \xff"); });
  const Json line = parse_json(text, "line");
  EXPECT_EQ(require_string(line, "level", "line"), "info");
  EXPECT_EQ(require_string(line, "message", "line"), "a\n\"b\" \\x1b \xEF\xBF\xBD");
  EXPECT_EQ(require_string(line, "time", "line").size(), 20u);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
}

}  // namespace
}  // namespace thoughtrank
