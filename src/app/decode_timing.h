// The generator's work on made-up tokens, timed: one prompt, branches with a head of one token
// each, greedy, an end of text is a token like any other.
#pragma once

#include <cstdint>

#include "app/command.h"
#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

struct DecodeWorkload {
  int64_t prompt_tokens = 512;
  int64_t new_tokens = 128;
  int64_t branches = 62;
  bool copies_prefix = false;  // each branch has keys and values of the prompt of its own
};

struct DecodeTiming {
  double prefill_s = 0;  // until the first new tokens
  double decode_s = 0;   // the rest
};

// After a warm-up of the same work: as in a long run, where a group finds the memory for its keys
// and values as one before left it.
[[nodiscard]] DecodeTiming time_decoding(App& app, Decoder& decoder, const DecodeWorkload& work);

}  // namespace thoughtrank
