// Log-likelihoods of continuations after a shared text, teacher-forced, many rows at a time. The
// first given[i] tokens of continuation i are read only; `given` may be empty.
#pragma once

#include <cstdint>
#include <vector>

#include "decode/device_llama.h"
#include "decode/packed_llama.h"
#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {

[[nodiscard]] std::vector<ContinuationScore> score_continuations(
    PackedLlama& model,
    const std::vector<int64_t>& shared_ids,
    const std::vector<std::vector<int64_t>>& continuations,
    const std::vector<int64_t>& given = {});

// The same on a device: each text is read whole.
[[nodiscard]] std::vector<ContinuationScore> score_on_device(
    DeviceLlama& model,
    const std::vector<int64_t>& shared_ids,
    const std::vector<std::vector<int64_t>>& continuations,
    const std::vector<int64_t>& given = {});

}  // namespace thoughtrank
