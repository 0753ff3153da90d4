// The generator's work on made-up tokens, timed: one prompt, branches with a head of one token
// each, greedy, an end of text is a token like any other.
#pragma once

#include "thoughtrank/bench/decode_bench.h"
#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

struct DecodeTiming {
  double prefill_s = 0;  // until the first new tokens
  double decode_s = 0;   // the rest
};

// Times the work after a warm-up of the same work: as in a long run, where a group finds the memory
// for its keys and values as one before left it.
[[nodiscard]] DecodeTiming time_decoding(Decoder& decoder,
                                         const DecodeWorkload& work,
                                         const Clock& clock,
                                         const StopFlag& stop);

}  // namespace thoughtrank
