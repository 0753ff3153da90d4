// Reading tokenizer files: nothing in them is skipped silently.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "thoughtrank/core/json.h"

namespace thoughtrank {

// Objects with 100,000 keys need a sorted map (core's Json keeps the order and searches linearly).
using BigJson = nlohmann::json;

// Parses a tokenizer file. Error(kBadData) for duplicate keys, deep nesting, and what is not JSON.
[[nodiscard]] BigJson parse_big_json(std::string_view text, const std::string& where);

// Error(kBadData) naming the first key of `object` that is not in `known`, or when it is no object.
void check_keys(const Json& object,
                std::initializer_list<std::string_view> known,
                const std::string& where);
// The value of `key`, or `otherwise` where the key is missing or null.
[[nodiscard]] bool bool_or(const Json& object,
                           std::string_view key,
                           bool otherwise,
                           const std::string& where);
// Error(kBadData) unless `key` is missing, null, or equal to `expected`.
void expect_value(const Json& object,
                  std::string_view key,
                  const Json& expected,
                  const std::string& where);
// Error(kBadData) naming a part of a file that thoughtrank does not understand.
[[noreturn]] void fail_unknown(const std::string& where, const Json& found);

}  // namespace thoughtrank
