// Log lines on stderr through spdlog: text ("12:00:01 info  generate: …") or one JSON object per
// line. Messages pass printable(), so model text in a message cannot drive the terminal.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <string>
#include <utility>

namespace thoughtrank {

enum class LogFormat { text, json };
enum class LogLevel { debug, info, warning, error };

// Starts the log; called once, from main. Colours only where stderr is a terminal and NO_COLOR is
// not set.
void start_log(LogFormat format, LogLevel level);
void log_line(LogLevel level, const std::string& message);

template <class... Args>
void log_debug(fmt::format_string<Args...> message, Args&&... args) {
  log_line(LogLevel::debug, fmt::format(message, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> message, Args&&... args) {
  log_line(LogLevel::info, fmt::format(message, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> message, Args&&... args) {
  log_line(LogLevel::warning, fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace thoughtrank
