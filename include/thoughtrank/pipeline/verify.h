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
  int64_t prompts = 1;      // the first ones of round 1, as many as there are
  int64_t new_tokens = 32;  // of each branch
};

// What the groups and branches of a VariantResult are called, and what is proven about them.
struct VerifyNames {
  std::string dtype;
  std::vector<std::string> prompts;  // ids, by group
  std::vector<std::string> chars;    // by branch
};

struct VerifyWatch {
  // The reference first, each as soon as it is known.
  std::function<void(const VerifyNames& names, const VariantResult& result)> take;
  const Clock& clock;
  const StopFlag& stop;
};

// True when everything that is promised for the config's dtype holds. Errors as open_session's, of
// config, prompts and model.
[[nodiscard]] bool verify_generation(const RunConfig& config,
                                     const VerifyRequest& request,
                                     const VerifyWatch& watch);

}  // namespace thoughtrank
