// The words between a config file and its values: strict reading of plain scalars, writing values
// as YAML, naming what was expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/yaml_tree.h"
#include "thoughtrank/config/fields.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {

// -5, 0, 62; nothing for 010, +5, 1.0, 0x1F, 1_000.
[[nodiscard]] std::optional<int64_t> read_integer(std::string_view text);
// 1, 0.5, 1e-5; nothing for .5, 1., inf, nan, 1e999.
[[nodiscard]] std::optional<double> read_number(std::string_view text);
// A value of a free-form mapping: quoted scalars are strings, plain ones numbers, true, false or
// strings.
[[nodiscard]] Json yaml_to_json(const YamlValue& value);

[[nodiscard]] std::string number_text(double value);
// As YAML: plain where that is safe, else in double quotes.
[[nodiscard]] std::string yaml_text(const std::string& value);
// "[a, b]"
[[nodiscard]] std::string yaml_list(const std::vector<std::string>& items);

[[nodiscard]] std::string expected_integer(const IntRange& range);  // "an integer in [1, 62]"
[[nodiscard]] std::string expected_number(const NumberRange& range);
// What stands at a value, for a message: 'abc', a list, a mapping, null.
[[nodiscard]] std::string describe(const YamlValue& value);

}  // namespace thoughtrank
