// How many times a fault test tries its luck: as many as fit into CI, and THOUGHTRANK_TRIALS times
// as many in a longer run.
#pragma once

#include <algorithm>
#include <cstdlib>

namespace thoughtrank {

inline int trials_of(int in_ci) {
  const char* times = std::getenv("THOUGHTRANK_TRIALS");
  return in_ci * (times == nullptr ? 1 : std::max(1, std::atoi(times)));
}

}  // namespace thoughtrank
