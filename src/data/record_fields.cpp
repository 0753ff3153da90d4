#include "data/record_fields.h"

#include <spdlog/fmt/ranges.h>

namespace thoughtrank {
namespace {

double number_of(const Json& value, const std::string& where) {
  if (!value.is_number()) {
    fail(ExitCode::kBadData, "{}: expected a number, found {}", where, dump_json(value));
  }
  return value.get<double>();
}

}  // namespace

const Json& Place::list() const {
  const Json& json = value();
  if (!json.is_array()) {
    fail(ExitCode::kBadData, "{}: '{}' must be a list, found {}", where, key, json.type_name());
  }
  return json;
}

void read_value(const Place& place, std::string& value) {
  value = require_string(place.row, place.key, place.where);
  if (value.empty() && !place.rule.may_be_empty) {
    fail(ExitCode::kBadData, "{}: '{}' must not be empty", place.where, place.key);
  }
}

void read_value(const Place& place, int64_t& value) {
  value = require_int(place.row, place.key, place.rule.lowest, place.rule.highest, place.where);
}

void read_value(const Place& place, double& value) {
  const bool is_nan = place.rule.may_be_nan && place.value().is_null();
  value = is_nan ? std::numeric_limits<double>::quiet_NaN()
                 : require_number(place.row, place.key, place.where);
}

void read_value(const Place& place, bool& value) {
  value = require_bool(place.row, place.key, place.where);
}

void read_value(const Place& place, std::optional<double>& value) {
  value.reset();
  if (!place.value().is_null()) value = require_number(place.row, place.key, place.where);
}

void read_value(const Place& place, std::vector<int64_t>& values) {
  values = require_ints(place.row, place.key, place.rule.lowest, place.rule.highest, place.where);
}

void read_value(const Place& place, std::vector<double>& values) {
  const Json& list = place.list();
  values.clear();
  for (size_t i = 0; i < list.size(); ++i) values.push_back(number_of(list[i], place.item(i)));
}

void read_value(const Place& place, std::vector<std::string>& values) {
  const Json& list = place.list();
  values.clear();
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_string()) {
      fail(ExitCode::kBadData, "{} must be text, found {}", place.item(i), list[i].type_name());
    }
    values.push_back(list[i].get<std::string>());
  }
}

void read_value(const Place& place, std::vector<Span>& spans) {
  constexpr int64_t kHighest = std::numeric_limits<int32_t>::max();
  const Json& list = place.list();
  spans.clear();
  for (size_t i = 0; i < list.size(); ++i) {
    const Json& triple = list[i];
    const std::string where = place.item(i);
    if (!triple.is_array() || triple.size() != 3) {
      fail(ExitCode::kBadData, "{} must be [from, to, weight], found {}", where, dump_json(triple));
    }
    Span span;
    span.from = checked_int(triple[0], 0, kHighest, where);
    span.to = checked_int(triple[1], span.from, kHighest, where);
    span.weight = number_of(triple[2], where);
    spans.push_back(span);
  }
}

void read_value(const Place& place, std::vector<RankedItem>& items) {
  const Json& list = place.list();
  items.clear();
  for (size_t i = 0; i < list.size(); ++i) {
    items.push_back(from_json<RankedItem>(list[i], place.item(i)));
  }
}

void refuse_word(const Place& place,
                 const std::string& found,
                 const std::vector<std::string>& words) {
  fail(ExitCode::kBadData,
       "{}: '{}' must be one of {}, found '{}'",
       place.where,
       place.key,
       fmt::join(words, "|"),
       found);
}

void require_known_keys(const Json& json,
                        const std::vector<std::string_view>& known,
                        const std::string& where) {
  if (!json.is_object()) {
    fail(ExitCode::kBadData, "{}: expected a JSON object, found {}", where, json.type_name());
  }
  for (const auto& [key, value] : json.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      fail(ExitCode::kBadData, "{}: unknown key '{}'", where, key);
    }
  }
}

}  // namespace thoughtrank
