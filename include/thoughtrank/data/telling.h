// How many questions tell something of a model.
#pragma once

#include <cstdint>

namespace thoughtrank {

// One of fewer is more than five points: 95 % intervals of 20 points to either side and wider.
inline constexpr int64_t kTellingQuestions = 20;

}  // namespace thoughtrank
