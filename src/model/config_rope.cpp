#include "model/config_rope.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

namespace thoughtrank {

namespace {

// transformers' default, which the published config.json of Llama 1 and 2 relies on.
constexpr double kDefaultTheta = 10000;
constexpr int64_t kMaxPositions = 1ll << 31;

double require_between(
    const Json& object, const char* key, double lowest, double highest, const std::string& where) {
  const double value = require_number(object, key, where);
  if (!(value >= lowest && value <= highest)) {
    fail(ExitCode::kBadData,
         "{}: '{}' is {}, expected a number from {} to {}",
         where,
         key,
         value,
         lowest,
         highest);
  }
  return value;
}

double read_theta(const Json& object, const std::string& where) {
  return require_between(object, "rope_theta", 1, 1e15, where);
}

// Keys that say nothing about a scaling.
bool is_plain_key(const std::string& key) {
  return key == "rope_type" || key == "type" || key == "rope_theta" ||
         key == "partial_rotary_factor";
}

// "rope_type", or "type" in older files. An object of a theta alone needs none.
std::string read_type(const Json& rope, const std::string& where) {
  const bool is_plain =
      std::ranges::all_of(rope.items(), [](const auto& item) { return is_plain_key(item.key()); });
  if (is_plain && !has_value(rope, "rope_type") && !has_value(rope, "type")) return "default";
  const bool has_both = has_value(rope, "rope_type") && has_value(rope, "type");
  const char* key = has_value(rope, "type") && !has_both ? "type" : "rope_type";
  const std::string type = require_string(rope, key, where);
  if (has_both && require_string(rope, "type", where) != type) {
    fail(ExitCode::kBadData, "{}: 'rope_type' and 'type' differ", where);
  }
  if (type != "default" && type != "llama3") {
    fail(ExitCode::kConfig,
         "{}: {} '{}' is not supported, expected 'default' or 'llama3'",
         where,
         key,
         type);
  }
  return type;
}

void refuse_unknown_keys(const Json& rope, bool is_llama3, const std::string& where) {
  static const char* const kLlama3Keys[] = {
      "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"};
  for (const auto& [key, value] : rope.items()) {
    bool is_known = value.is_null() || (is_plain_key(key) && key != "partial_rotary_factor") ||
                    (key == "partial_rotary_factor" && value == 1);
    for (const char* known : kLlama3Keys) is_known = is_known || (is_llama3 && key == known);
    if (!is_known) {
      fail(ExitCode::kConfig,
           "{}: '{}' is not understood for rope type '{}'",
           where,
           key,
           is_llama3 ? "llama3" : "default");
    }
  }
}

// The length that a scaled model was first trained at: inside the object, beside it, or unchanged.
int64_t read_original_positions(const Json& rope,
                                const Json& config,
                                int64_t max_positions,
                                const std::string& where) {
  constexpr const char* kKey = "original_max_position_embeddings";
  const auto read = [&](const Json& object) {
    return has_value(object, kKey) ? require_int(object, kKey, 1, kMaxPositions, where) : 0;
  };
  const int64_t inside = read(rope), beside = read(config);
  if (inside > 0 && beside > 0 && inside != beside) {
    fail(ExitCode::kBadData, "{}: '{}' is {}, beside it is {}", where, kKey, inside, beside);
  }
  return inside > 0 ? inside : beside > 0 ? beside : max_positions;
}

// The object `rope_parameters` or `rope_scaling`; theta stays 0 where it is not inside.
RopeConfig read_rope_object(const Json& rope,
                            const Json& config,
                            int64_t max_positions,
                            const std::string& where) {
  if (!rope.is_object()) fail(ExitCode::kBadData, "{}: expected an object or null", where);
  RopeConfig result;
  result.is_llama3 = read_type(rope, where) == "llama3";
  refuse_unknown_keys(rope, result.is_llama3, where);
  if (has_value(rope, "rope_theta")) result.theta = read_theta(rope, where);
  if (!result.is_llama3) return result;

  result.factor = require_between(rope, "factor", 1, 1e6, where);
  result.low_freq_factor = require_between(rope, "low_freq_factor", 1e-6, 1e6, where);
  result.high_freq_factor = require_between(rope, "high_freq_factor", 1e-6, 1e6, where);
  result.original_max_position_embeddings =
      read_original_positions(rope, config, max_positions, where);
  if (result.high_freq_factor <= result.low_freq_factor) {
    fail(ExitCode::kBadData, "{}: 'high_freq_factor' must be above 'low_freq_factor'", where);
  }
  return result;
}

auto fields(const RopeConfig& rope) {
  return std::tie(rope.theta,
                  rope.is_llama3,
                  rope.factor,
                  rope.low_freq_factor,
                  rope.high_freq_factor,
                  rope.original_max_position_embeddings);
}

}  // namespace

bool has_value(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && !found->is_null();
}

RopeConfig read_rope_config(const Json& config, int64_t max_positions, const std::string& where) {
  std::optional<double> theta;
  if (has_value(config, "rope_theta")) theta = read_theta(config, where);

  std::optional<RopeConfig> rope;
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!has_value(config, key) || config[key] == Json::object()) continue;
    const std::string where_rope = fmt::format("{}: {}", where, key);
    RopeConfig found = read_rope_object(config[key], config, max_positions, where_rope);
    if (found.theta == 0) found.theta = theta.value_or(kDefaultTheta);
    if ((theta && *theta != found.theta) || (rope && fields(*rope) != fields(found))) {
      fail(ExitCode::kBadData,
           "{}: rope_parameters, rope_theta and rope_scaling contradict each other",
           where);
    }
    rope = found;
  }
  if (rope) return *rope;
  RopeConfig plain;
  plain.theta = theta.value_or(kDefaultTheta);
  return plain;
}

}  // namespace thoughtrank
