#include "config/field_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "thoughtrank/core/shorten.h"

namespace thoughtrank {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes digits off the front; how many there were.
size_t take_digits(std::string_view& rest) {
  size_t count = 0;
  while (count < rest.size() && is_digit(rest[count])) ++count;
  rest.remove_prefix(count);
  return count;
}

// "-?(0|[1-9][0-9]*)" off the front.
bool take_whole_part(std::string_view& rest) {
  if (rest.starts_with('-')) rest.remove_prefix(1);
  const bool begins_with_zero = rest.starts_with('0');
  const size_t digits = take_digits(rest);
  return digits > 0 && (!begins_with_zero || digits == 1);
}

// The number grammar of JSON.
bool is_number(std::string_view rest) {
  if (!take_whole_part(rest)) return false;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    if (take_digits(rest) == 0) return false;
  }
  if (rest.starts_with('e') || rest.starts_with('E')) {
    rest.remove_prefix(1);
    if (rest.starts_with('+') || rest.starts_with('-')) rest.remove_prefix(1);
    if (take_digits(rest) == 0) return false;
  }
  return rest.empty();
}

bool is_plain_word(const std::string& text) {
  if (text.empty() || text == "true" || text == "false" || text == "null" || is_number(text)) {
    return false;
  }
  const auto is_safe = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '/' || c == '.' || c == '-' || c == ':';
  };
  return text.front() != '-' && text.front() != ':' && text.back() != ':' &&
         std::all_of(text.begin(), text.end(), is_safe);
}

// Insertions, deletions, substitutions and swaps of neighbours that turn a into b.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const size_t change = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

std::string range_text(const std::string& lowest, const std::string& highest) {
  if (lowest.empty() && highest.empty()) return "";
  if (highest.empty()) return " of at least " + lowest;
  if (lowest.empty()) return " of at most " + highest;
  return fmt::format(" in [{}, {}]", lowest, highest);
}

}  // namespace

std::optional<int64_t> read_integer(std::string_view text) {
  std::string_view rest = text;
  if (!take_whole_part(rest) || !rest.empty()) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<double> read_number(std::string_view text) {
  if (!is_number(text)) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  return value;
}

Json yaml_to_json(const YamlValue& value) {
  switch (value.kind) {
    case YamlValue::Kind::null:
      return nullptr;
    case YamlValue::Kind::list: {
      Json list = Json::array();
      for (const YamlValue& item : value.items) list.push_back(yaml_to_json(item));
      return list;
    }
    case YamlValue::Kind::map: {
      Json map = Json::object();
      for (const YamlValue& item : value.items) map[item.key] = yaml_to_json(item);
      return map;
    }
    case YamlValue::Kind::scalar:
      break;
  }
  if (value.is_quoted) return value.text;
  if (value.text == "true" || value.text == "false") return value.text == "true";
  if (const auto integer = read_integer(value.text)) return *integer;
  if (const auto number = read_number(value.text)) return *number;
  return value.text;
}

std::string number_text(double value) { return fmt::format("{}", value); }

std::string yaml_text(const std::string& value) {
  return is_plain_word(value) ? value : dump_json(Json(value));
}

std::string yaml_list(const std::vector<std::string>& items) {
  return fmt::format("[{}]", fmt::join(items, ", "));
}

std::string expected_integer(const IntRange& range) {
  const IntRange whole;
  return "an integer" +
         range_text(range.lowest == whole.lowest ? "" : std::to_string(range.lowest),
                    range.highest == whole.highest ? "" : std::to_string(range.highest));
}

std::string expected_number(const NumberRange& range) {
  return "a number" + range_text(std::isinf(range.lowest) ? "" : number_text(range.lowest),
                                 std::isinf(range.highest) ? "" : number_text(range.highest));
}

std::string describe(const YamlValue& value) {
  switch (value.kind) {
    case YamlValue::Kind::null:
      return "null";
    case YamlValue::Kind::list:
      return "a list";
    case YamlValue::Kind::map:
      return "a mapping";
    case YamlValue::Kind::scalar:
      break;
  }
  return fmt::format("{0}{1}{0}", value.is_quoted ? '"' : '\'', shorten(value.text, 40));
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr size_t kLongestWord = 64;
  if (word.empty() || word.size() > kLongestWord) return "";
  std::string best;
  size_t best_distance = std::min<size_t>(3, word.size() / 3 + 1) + 1;
  for (const std::string& candidate : candidates) {
    const bool is_start = word.size() >= 3 && candidate.starts_with(word);
    const size_t distance = is_start ? 1 : edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(const std::string& guess) {
  return guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess);
}

}  // namespace thoughtrank
