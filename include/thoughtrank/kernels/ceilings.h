// What the machine can do at most, measured on the spot by loops that do nothing else: the rates
// that a kernel's speed is set against. Each is the best of several short tries, so that other load
// on the machine disturbs little. Takes under three seconds and 256 MiB for each thread.
#pragma once

#include <cstdint>
#include <string>

namespace thoughtrank {

struct Ceilings {
  double float32_flops_per_s = 0;  // multiply-adds in float32, two operations each
  // On bfloat16 weights: the faster of the dot-product instruction (where there is one) and float32
  // multiply-adds on widened weights.
  double bfloat16_flops_per_s = 0;
  double read_bytes_per_s = 0;  // from memory, buffers far larger than the caches
};

// With `threads` threads at once; at least one.
[[nodiscard]] Ceilings measure_ceilings(int64_t threads);

// The vector instructions that the kernels use on this machine: "portable", "avx2", "avx512",
// "avx512_bf16".
[[nodiscard]] std::string instruction_set_name();

}  // namespace thoughtrank
