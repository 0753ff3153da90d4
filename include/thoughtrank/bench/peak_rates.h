// What the machine can do at most, measured on the spot by loops that do nothing else: the rates
// that a kernel's speed is set against. Each is the best of several short tries, so that other load
// on the machine disturbs little. Takes under three seconds and 256 MiB for each thread.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

#include "thoughtrank/model/compute.h"

namespace thoughtrank {

struct PeakRates {
  double float32_flops_per_s = 0;  // multiply-adds in float32, two operations each
  // On bfloat16 weights: the faster of the dot-product instruction (where there is one) and float32
  // multiply-adds on widened weights.
  double bfloat16_flops_per_s = 0;
  double read_bytes_per_s = 0;  // from memory, buffers far larger than the caches

  [[nodiscard]] double flops_per_s(Dtype weights) const {
    return weights == Dtype::float32 ? float32_flops_per_s : bfloat16_flops_per_s;
  }
};

// Measures the CPU with `threads` threads at once; at least one.
[[nodiscard]] PeakRates measure_peak_rates(int64_t threads);

// Measures a GPU by libtorch's operations: products of square matrices of `side`, and a copy of a
// buffer of `copied_bytes`, which counts as read and written.
[[nodiscard]] PeakRates measure_device_peak_rates(at::Device device,
                                                  int64_t side = 8192,
                                                  int64_t copied_bytes = int64_t{1} << 31);

// Measures the device that a process computes on, with as many threads.
[[nodiscard]] PeakRates measure_peak_rates(const ComputeSetup& compute);

}  // namespace thoughtrank
