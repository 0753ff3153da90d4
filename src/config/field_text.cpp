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

}  // namespace thoughtrank
