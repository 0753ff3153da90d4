// `generate --verify`: decode's proof on the model, prompts and branches of a config. Writes
// nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/decode/verify.h"
#include "thoughtrank/pipeline/config.h"

namespace thoughtrank {

struct VerifyRequest {
  int64_t prompts = 1;      // how many of round 1's, from the first
  int64_t new_tokens = 32;  // length of each branch
};

// What the groups and branches of a VariantResult are called, and what is proven about them.
struct VerifyNames {
  std::string dtype;
  std::vector<std::string> prompts;  // the id of each group's prompt
  std::vector<std::string> chars;    // the character of each branch
};

struct VerifyWatch {
  // Takes the reference first, then each variant as soon as it is known.
  std::function<void(const VerifyNames& names, const VariantResult& result)> take;
  const Clock& clock;
  const StopFlag& stop;
};

// Returns true when everything that is promised for the config's dtype holds. Throws what
// open_session() throws about config, prompts and model.
[[nodiscard]] bool verify_generation(const RunConfig& config,
                                     const VerifyRequest& request,
                                     const VerifyWatch& watch);

}  // namespace thoughtrank
