// The rotary part of config.json, in its newer form (`rope_parameters`) and its older one
// (`rope_theta` beside `rope_scaling`).
#pragma once

#include <string>

#include "thoughtrank/core/json.h"
#include "thoughtrank/model/config.h"

namespace thoughtrank {

// Error(kBadData) for what is malformed or contradicts itself, Error(kConfig) for a rope type we do
// not compute. Missing values have transformers' defaults: `max_positions`, max_position_embeddings
// of the config, stands for the length before scaling.
[[nodiscard]] RopeConfig read_rope_config(const Json& config,
                                          int64_t max_positions,
                                          const std::string& where);

// True where `key` is there and not null.
[[nodiscard]] bool has_value(const Json& object, const char* key);

}  // namespace thoughtrank
