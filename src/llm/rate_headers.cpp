#include "thoughtrank/llm/rate_headers.h"

#include <time.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>

namespace thoughtrank {
namespace {

constexpr double kMost = 1e12;

// The number at the start of `text`, which moves behind it.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value) || value < 0 || value > kMost) return {};
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

// "2026-01-31T12:00:07Z" as seconds of UTC.
std::optional<double> date_s(const std::string& text) {
  tm date{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &date);
  if (end == nullptr || (*end != 'Z' && *end != '.')) return std::nullopt;
  return static_cast<double>(::timegm(&date));
}

std::string_view trimmed_value(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace

double duration_s(std::string_view text) {
  if (text.empty()) return -1;
  double sum = 0;
  while (!text.empty()) {
    const std::optional<double> value = take_number(text);
    if (!value) return -1;
    const std::string_view unit = text.substr(0, text.find_first_of("0123456789."));
    text.remove_prefix(unit.size());
    if (unit == "h") {
      sum += *value * 3600;
    } else if (unit == "m") {
      sum += *value * 60;
    } else if (unit == "s" || unit.empty()) {
      sum += *value;
    } else if (unit == "ms") {
      sum += *value / 1000;
    } else {
      return -1;
    }
  }
  return sum;
}

void read_rate_header(std::string_view line, double utc_s, RateHeaders& rates) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  const auto names = [&](const char* word) { return name.find(word) != std::string::npos; };
  if (!names("ratelimit-") || names("input") || names("output")) return;
  if (names("requests") == names("tokens")) return;
  RateWindow& window = names("requests") ? rates.requests : rates.tokens;
  std::string_view value = trimmed_value(line.substr(colon + 1));
  if (names("reset")) {
    const std::optional<double> date = date_s(std::string(value));
    const double seconds = date ? std::max(0.0, *date - utc_s) : duration_s(value);
    if (seconds >= 0) window.reset_s = seconds;
    return;
  }
  const std::optional<double> number = take_number(value);
  if (!number || !value.empty()) return;
  if (names("remaining")) {
    window.remaining = *number;
  } else {
    window.limit = *number;
  }
}

}  // namespace thoughtrank
