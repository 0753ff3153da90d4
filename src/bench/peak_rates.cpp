#include "thoughtrank/bench/peak_rates.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "thoughtrank/kernels/instruction_set.h"
#include "thoughtrank/kernels/matrix_tiles.h"

namespace thoughtrank {
namespace {

constexpr int kChains = 12;  // independent sums, enough to hide the latency of two units
constexpr int kTries = 20;
constexpr double kTry_s = 0.015;
constexpr size_t kReadWords = size_t{1} << 27;  // 1 GiB of 8 bytes, of all threads together

// Does `steps` rounds of one instruction on every chain; the result keeps it from being removed.
using Loop = float (*)(int64_t steps);
struct RatedLoop {
  Loop loop;
  double operations;  // of one round
};

float multiply_add_portable(int64_t steps) {
  __m128 sums[kChains];
  for (int c = 0; c < kChains; ++c) sums[c] = _mm_set1_ps(1e-3f * static_cast<float>(c));
  const __m128 factor = _mm_set1_ps(0.999f), addend = _mm_set1_ps(1e-4f);
  for (int64_t n = 0; n < steps; ++n) {
#pragma GCC unroll 12
    for (__m128& sum : sums) sum = _mm_add_ps(_mm_mul_ps(sum, factor), addend);
  }
  for (int c = 1; c < kChains; ++c) sums[0] = _mm_add_ps(sums[0], sums[c]);
  return _mm_cvtss_f32(sums[0]);
}

#pragma GCC push_options
#pragma GCC target("avx2,fma")
float multiply_add_avx2(int64_t steps) {
  __m256 sums[kChains];
  for (int c = 0; c < kChains; ++c) sums[c] = _mm256_set1_ps(1e-3f * static_cast<float>(c));
  const __m256 factor = _mm256_set1_ps(0.999f), addend = _mm256_set1_ps(1e-4f);
  for (int64_t n = 0; n < steps; ++n) {
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, factor, addend);
  }
  for (int c = 1; c < kChains; ++c) sums[0] = _mm256_add_ps(sums[0], sums[c]);
  return _mm256_cvtss_f32(sums[0]);
}
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")
float multiply_add_avx512(int64_t steps) {
  __m512 sums[kChains];
  for (int c = 0; c < kChains; ++c) sums[c] = _mm512_set1_ps(1e-3f * static_cast<float>(c));
  const __m512 factor = _mm512_set1_ps(0.999f), addend = _mm512_set1_ps(1e-4f);
  for (int64_t n = 0; n < steps; ++n) {
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, factor, addend);
  }
  for (int c = 1; c < kChains; ++c) sums[0] = _mm512_add_ps(sums[0], sums[c]);
  return _mm512_cvtss_f32(sums[0]);
}
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
float dot_bf16(int64_t steps) {
  __m512 sums[kChains];
  for (int c = 0; c < kChains; ++c) sums[c] = _mm512_set1_ps(1e-3f * static_cast<float>(c));
  const auto left = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3f00));   // 0.5
  const auto right = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3c00));  // 2^-7
  for (int64_t n = 0; n < steps; ++n) {
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, left, right);
  }
  for (int c = 1; c < kChains; ++c) sums[0] = _mm512_add_ps(sums[0], sums[c]);
  return _mm512_cvtss_f32(sums[0]);
}
#pragma GCC pop_options

// Four sums of 16 × 16 in registers; a product of two tiles has 32 terms an element.
float multiply_tiles(int64_t steps) {
  alignas(64) uint16_t ones[kTileHeight * kTileDepth];
  std::ranges::fill(ones, uint16_t{0x3f80});
  alignas(64) float sums[kTileHeight * kTileColumns];
  CpuTiles tiles(kTileHeight);
  tiles.clear<0>(), tiles.clear<1>(), tiles.clear<2>(), tiles.clear<3>();
  tiles.load<4>(ones, kTileRowBytes), tiles.load<5>(ones, kTileRowBytes);
  tiles.load<6>(ones, kTileRowBytes), tiles.load<7>(ones, kTileRowBytes);
  for (int64_t n = 0; n < steps; ++n) {
    tiles.multiply<0, 4, 6>(), tiles.multiply<1, 4, 7>();
    tiles.multiply<2, 5, 6>(), tiles.multiply<3, 5, 7>();
  }
  tiles.store<0>(sums, kTileRowBytes);
  return sums[0];
}
constexpr double kTileOperations = 4 * 2.0 * kTileHeight * kTileColumns * kTileDepth;

// Two operations for each lane of each chain.
RatedLoop multiply_add_loop() {
  if (is_supported(InstructionSet::avx512)) return {multiply_add_avx512, 2.0 * 16 * kChains};
  if (is_supported(InstructionSet::avx2)) return {multiply_add_avx2, 2.0 * 8 * kChains};
  return {multiply_add_portable, 2.0 * 4 * kChains};
}

double seconds_of(int64_t threads, const std::function<void(size_t)>& work) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::jthread> pool;
  for (int64_t t = 0; t < threads; ++t) pool.emplace_back(work, static_cast<size_t>(t));
  pool.clear();  // joins
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double least_seconds(int64_t threads, const std::function<void(size_t)>& work) {
  double least = seconds_of(threads, work);
  for (int n = 1; n < kTries; ++n) least = std::min(least, seconds_of(threads, work));
  return least;
}

double operations_per_s(const RatedLoop& rated, int64_t threads) {
  std::vector<float> results(static_cast<size_t>(threads));
  int64_t steps = 1 << 14;
  const auto work = [&](size_t thread) { results[thread] = rated.loop(steps); };
  while (seconds_of(threads, work) < kTry_s) steps *= 2;
  const double operations = rated.operations * static_cast<double>(steps * threads);
  return operations / least_seconds(threads, work);
}

// Four sums at a time keep enough lines under way.
uint64_t read_words(std::span<const uint64_t> words) {
  using Line = uint64_t __attribute__((vector_size(16)));
  Line sums[4] = {};
  for (size_t n = 0; n < words.size(); n += 8) {
    for (size_t part = 0; part < 4; ++part) {
      sums[part] ^= *reinterpret_cast<const Line*>(&words[n + 2 * part]);
    }
  }
  const Line all = sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
  return all[0] ^ all[1];
}

double read_bytes_per_s(int64_t threads) {
  const size_t share = kReadWords / static_cast<size_t>(threads) / 8 * 8;
  const auto words =
      std::make_unique_for_overwrite<uint64_t[]>(share * static_cast<size_t>(threads));
  const auto part = [&](size_t thread) { return std::span(words.get() + thread * share, share); };
  std::vector<uint64_t> results(static_cast<size_t>(threads));
  // Each thread writes its own part first, so that the pages lie near it.
  seconds_of(threads, [&](size_t thread) { std::ranges::fill(part(thread), thread + 1); });
  const double seconds =
      least_seconds(threads, [&](size_t thread) { results[thread] = read_words(part(thread)); });
  return static_cast<double>(share * static_cast<size_t>(threads) * sizeof(uint64_t)) / seconds;
}

}  // namespace

PeakRates measure_peak_rates(int64_t threads) {
  PeakRates peak_rates;
  peak_rates.float32_flops_per_s = operations_per_s(multiply_add_loop(), threads);
  peak_rates.bfloat16_flops_per_s = peak_rates.float32_flops_per_s;
  if (is_supported(InstructionSet::avx512_bf16)) {
    const double dot = operations_per_s({dot_bf16, 4.0 * 16 * kChains}, threads);
    peak_rates.bfloat16_flops_per_s = std::max(dot, peak_rates.float32_flops_per_s);
  }
  if (is_supported(InstructionSet::amx)) {
    peak_rates.bfloat16_flops_per_s =
        std::max(operations_per_s({multiply_tiles, kTileOperations}, threads),
                 peak_rates.bfloat16_flops_per_s);
  }
  peak_rates.read_bytes_per_s = read_bytes_per_s(threads);
  return peak_rates;
}

PeakRates measure_peak_rates(const ComputeSetup& compute) {
  const at::Device device(compute.device);
  return device.is_cpu() ? measure_peak_rates(compute.threads) : measure_device_peak_rates(device);
}

}  // namespace thoughtrank
