// Strict JSON over nlohmann_json: duplicate keys, depth over kDeepestJson, invalid UTF-8, trailing
// text are errors that name `where`. Key order is kept, so that the same record always gives the
// same bytes.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

using Json = nlohmann::ordered_json;

// How many lists and objects of a text may stand in one another: [[1]] is two deep.
inline constexpr int kDeepestJson = 64;

// Parses one document. Throws Error(code) whose message begins with `where` (a path, or
// "path:line").
[[nodiscard]] Json parse_json(std::string_view text,
                              const std::string& where,
                              ExitCode code = ExitCode::kBadData);

// One line, no newline at the end; invalid UTF-8 in strings becomes U+FFFD. Never throws on text.
[[nodiscard]] std::string dump_json(const Json& value);

// Typed access: missing key, wrong type or value out of range is Error(kBadData) naming `where` and
// the key.
[[nodiscard]] const Json& require(const Json& object,
                                  std::string_view key,
                                  const std::string& where);
[[nodiscard]] int64_t require_int(const Json& object,
                                  std::string_view key,
                                  int64_t lowest,
                                  int64_t highest,
                                  const std::string& where);
[[nodiscard]] double require_number(const Json& object,
                                    std::string_view key,
                                    const std::string& where);
[[nodiscard]] bool require_bool(const Json& object, std::string_view key, const std::string& where);
[[nodiscard]] std::string require_string(const Json& object,
                                         std::string_view key,
                                         const std::string& where);
[[nodiscard]] std::vector<int64_t> require_ints(const Json& object,
                                                std::string_view key,
                                                int64_t lowest,
                                                int64_t highest,
                                                const std::string& where);

// The value as an integer of [lowest, highest]: the one range-checked way in for numbers from
// files.
[[nodiscard]] int64_t checked_int(const Json& value,
                                  int64_t lowest,
                                  int64_t highest,
                                  const std::string& where);

}  // namespace thoughtrank
