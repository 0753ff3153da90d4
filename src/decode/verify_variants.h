// The ways to decode the same branches that verify_decoding compares, as groups for the decoder.
// Group and branch numbers are places in the groups given; what is noise has the number -1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thoughtrank/decode/verify.h"

namespace thoughtrank {

inline constexpr int64_t kNoise = -1;

// Keeps what it is told and never ends its branch.
struct TokenRecorder : BranchRule {
  BranchStep on_token(const TokenChoice& token) override {
    tokens.push_back(token);
    return {};
  }
  std::vector<TokenChoice> tokens;
};

struct Variant {
  std::string name;
  DecoderSetup setup;
  bool is_promised = true;
  std::vector<std::vector<BranchGroup>> runs;  // together they hold every branch once
};

struct VariantPlan {
  const std::vector<VerifyGroup>& groups;
  const VerifyOptions& options;
  int64_t slots = 0;  // of the reference
  int64_t vocab_size = 0;
};

// The reference first, then those that share its setup.
[[nodiscard]] std::vector<Variant> make_variants(const VariantPlan& plan);

}  // namespace thoughtrank
