#include "thoughtrank/core/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <time.h>

#include <cstdlib>
#include <memory>
#include <mutex>

#include "core/terminal.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

struct LevelName {
  const char* name;
  const char* colour;
};

LevelName name_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::debug:
      return {"debug", "\x1b[2m"};
    case spdlog::level::warn:
      return {"warning", "\x1b[33m"};
    case spdlog::level::err:
      return {"error", "\x1b[31m"};
    default:
      return {"info", "\x1b[32m"};
  }
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string local_time() {
  const time_t now = ::time(nullptr);
  struct tm parts {};
  ::localtime_r(&now, &parts);
  return fmt::format("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec);
}

class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  StderrSink(LogFormat format, bool has_colours) : format_(format), has_colours_(has_colours) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string text(message.payload.data(), message.payload.size());
    print_line(format_ == LogFormat::json ? json_line(message.level, text)
                                          : text_line(message.level, text));
  }
  void flush_() override {}

 private:
  static std::string json_line(spdlog::level::level_enum level, const std::string& text) {
    const Json line = {{"time", SystemClock().utc_time()},
                       {"level", name_of(level).name},
                       {"message", printable(text)}};
    return dump_json(line) + "\n";
  }

  [[nodiscard]] std::string text_line(spdlog::level::level_enum level,
                                      const std::string& text) const {
    const LevelName level_name = name_of(level);
    const std::string padded = fmt::format("{:<7}", level_name.name);
    const std::string shown =
        has_colours_ ? fmt::format("{}{}\x1b[0m", level_name.colour, padded) : padded;
    return fmt::format("{} {} {}\n", local_time(), shown, printable(text));
  }

  LogFormat format_;
  bool has_colours_;
};

std::unique_ptr<spdlog::logger> make_logger(LogFormat format, LogLevel level) {
  const bool has_colours = stderr_is_terminal() && std::getenv("NO_COLOR") == nullptr;
  auto logger = std::make_unique<spdlog::logger>("thoughtrank",
                                                 std::make_shared<StderrSink>(format, has_colours));
  logger->set_level(spdlog_level(level));
  return logger;
}

// Text at level info until main says otherwise.
std::unique_ptr<spdlog::logger>& logger() {
  static std::unique_ptr<spdlog::logger> instance = make_logger(LogFormat::text, LogLevel::info);
  return instance;
}

}  // namespace

void start_log(LogFormat format, LogLevel level) {
  logger() = make_logger(format, level);
  allow_status_line(format == LogFormat::text);
}

void log_line(LogLevel level, const std::string& message) {
  logger()->log(spdlog_level(level), spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace thoughtrank
