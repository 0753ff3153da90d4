// Proves on a real model that what a branch generates does not depend on what is computed beside
// it. The same branches are decoded in several ways that must not matter (order, neighbours, copied
// instead of shared prefix, slots, threads), and every chosen token is compared with the
// reference's bit by bit: its id, its log-probability (made of all logits of its row) and the
// margin of the two best. Branches go on for a fixed number of tokens; ends and tags play no part.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/progress.h"
#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

struct VerifyHead {
  std::vector<int64_t> ids;
  std::vector<int64_t> first_of;  // candidates for the first token, as in BranchStart
  Sampling sampling = {};
};

struct VerifyGroup {
  std::vector<int64_t> shared_ids;  // ids of the prompt, at least one
  std::vector<VerifyHead> heads;
};

struct DecoderSetup {
  std::optional<int64_t> slots;  // slots, as in DecodeOptions
  int64_t threads = 1;
  bool operator==(const DecoderSetup&) const = default;
};
// Makes a decoder of the model under test; every call loads anew, and one decoder lives at a time.
// Runs of the decoder use the threads of its setup.
using MakeDecoder = std::function<Decoder(const DecoderSetup&)>;

struct VerifyOptions {
  DecoderSetup reference = {};
  std::vector<int64_t> other_threads = {1, 2};
  int64_t new_tokens = 32;  // tokens of each branch after its head
  // Whether the model computes in float32: bfloat16 promises equality at fixed slots and threads,
  // and by its own prefix only.
  bool is_float32 = true;
  uint64_t seed = 1;  // seed of orders and noise
};

struct TokenDifference {
  int64_t group = 0, branch = 0;               // places in the groups given
  int64_t token = 0;                           // place among the branch's chosen tokens
  std::optional<TokenChoice> expected, found;  // choices there; nullopt: the branch had ended
};

struct VariantResult {
  std::string name;
  int64_t slots = 0, threads = 0;
  bool is_promised = true;           // whether a difference breaks a promise
  int64_t branches = 0, tokens = 0;  // counts of what was compared, or by the reference generated
  int64_t differing_branches = 0;
  std::optional<TokenDifference> difference;  // the first one of the first differing branch
};

struct VerifyJob {
  const std::vector<VerifyGroup>& groups;
  MakeDecoder make_decoder;
  VerifyOptions options;
  std::function<void(const VariantResult&)> take;  // gets the reference first, each when it is done
  const StopFlag& stop;
  Progress& progress;  // counter of branches, those of noise as well
};

// Runs the reference and every variant; true when all promises hold. Error(kBadData) when the
// reference itself breaks (non-finite logits) or does not fit the model.
[[nodiscard]] bool verify_decoding(const VerifyJob& job);

}  // namespace thoughtrank
