// One list of fields per record (kFields<Row> in records.cpp) that both writes and reads it: key,
// member, rule. write_row() puts the keys in list order; read_row() checks type and rule of each,
// and that no other key is there. Errors are Error(kBadData) and begin with `where`
// ("outputs.jsonl:12").
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/data/records.h"

namespace thoughtrank {

// What a field's value must satisfy beyond its type.
struct Rule {
  int64_t lowest = std::numeric_limits<int64_t>::min();   // integers
  int64_t highest = std::numeric_limits<int64_t>::max();  // integers
  bool may_be_empty = true;                               // texts
  bool may_be_nan = false;  // numbers: a value that is not finite is null in the file
};

template <class Row, class Value>
struct Field {
  const char* key;
  Value Row::*member;
  Rule rule = {};
};
template <class Row, class Value>
Field(const char*, Value Row::*, Rule = {}) -> Field<Row, Value>;

// The fields of a record, in the order of its keys; specialised for each record.
template <class Row>
inline constexpr std::tuple<> kFields;

template <class Row>
Json write_row(const Row& row);
template <class Row>
Row read_row(const Json& json, const std::string& where);

// A record inside a record; the public header declares the others.
template <>
RankedItem from_json<RankedItem>(const Json& json, const std::string& where);

// The words of a member that is an enum.
template <class Enum>
inline constexpr int kWords = 0;
template <>
inline constexpr auto kWords<ThoughtEnd> = kThoughtEnds;
template <>
inline constexpr auto kWords<Finish> = kFinishes;
template <>
inline constexpr auto kWords<VerdictStage> = kVerdictStages;
template <>
inline constexpr auto kWords<SelectionStatus> = kSelectionStatuses;
template <>
inline constexpr auto kWords<AnswerForm> = kAnswerForms;

template <class Value>
concept IsEnum = std::is_enum_v<Value>;

// Writing: one overload per type of member.

template <class Value>
Json write_value(const Value& value, const char* /*key*/, const Rule& /*rule*/) {
  return Json(value);  // texts, integers, booleans and lists of them
}

template <IsEnum Enum>
Json write_value(const Enum& value, const char* /*key*/, const Rule& /*rule*/) {
  return Json(word_of(value, kWords<Enum>));
}

inline Json write_value(double value, const char* key, const Rule& rule) {
  if (std::isfinite(value)) return Json(value);
  if (rule.may_be_nan) return Json(nullptr);
  fail(ExitCode::kInternal, "the value of '{}' must be finite to be written, it is {}", key, value);
}

inline Json write_value(const std::optional<double>& value, const char* key, const Rule& rule) {
  return value ? write_value(*value, key, rule) : Json(nullptr);
}

inline Json write_value(const std::vector<double>& values, const char* key, const Rule& rule) {
  Json list = Json::array();
  for (double value : values) list.push_back(write_value(value, key, rule));
  return list;
}

inline Json write_value(const std::vector<Span>& spans, const char* key, const Rule& rule) {
  Json list = Json::array();
  for (const Span& span : spans) {
    list.push_back(Json::array({span.from, span.to, write_value(span.weight, key, rule)}));
  }
  return list;
}

inline Json write_value(const std::vector<RankedItem>& items,
                        const char* /*key*/,
                        const Rule& /*rule*/) {
  Json list = Json::array();
  for (const RankedItem& item : items) list.push_back(write_row(item));
  return list;
}

template <class Row>
Json write_row(const Row& row) {
  Json json = Json::object();
  std::apply(
      [&](const auto&... field) {
        ((json[field.key] = write_value(row.*field.member, field.key, field.rule)), ...);
      },
      kFields<Row>);
  return json;
}

// Reading: where a value stands, for one overload per type of member.
struct Place {
  const Json& row;
  const char* key;
  const Rule& rule;
  const std::string& where;

  [[nodiscard]] const Json& value() const { return require(row, key, where); }
  // The value as a list; its items are named "outputs.jsonl:12: items[3]".
  [[nodiscard]] const Json& list() const;
  [[nodiscard]] std::string item(size_t index) const {
    return fmt::format("{}: {}[{}]", where, key, index);
  }
};

void read_value(const Place& place, std::string& value);
void read_value(const Place& place, int64_t& value);
void read_value(const Place& place, double& value);
void read_value(const Place& place, bool& value);
void read_value(const Place& place, std::optional<double>& value);
void read_value(const Place& place, std::vector<int64_t>& values);
void read_value(const Place& place, std::vector<double>& values);
void read_value(const Place& place, std::vector<std::string>& values);
void read_value(const Place& place, std::vector<Span>& spans);
void read_value(const Place& place, std::vector<RankedItem>& items);

// Error(kBadData): the word of a closed set that `place` holds is none of `words`.
[[noreturn]] void refuse_word(const Place& place,
                              const std::string& found,
                              const std::vector<std::string>& words);

template <IsEnum Enum>
void read_value(const Place& place, Enum& value) {
  const std::string word = require_string(place.row, place.key, place.where);
  const std::optional<Enum> found = value_of(word, kWords<Enum>);
  if (!found) {
    std::vector<std::string> words;
    for (const EnumWord<Enum>& entry : kWords<Enum>) words.emplace_back(entry.word);
    refuse_word(place, word, words);
  }
  value = *found;
}

// Error unless `json` is an object whose keys are all among `known`.
void require_known_keys(const Json& json,
                        const std::vector<std::string_view>& known,
                        const std::string& where);

template <class Row>
Row read_row(const Json& json, const std::string& where) {
  Row row;
  std::apply(
      [&](const auto&... field) {
        require_known_keys(json, {field.key...}, where);
        (read_value(Place{json, field.key, field.rule, where}, row.*field.member), ...);
      },
      kFields<Row>);
  return row;
}

}  // namespace thoughtrank
