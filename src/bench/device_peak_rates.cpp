#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>

#include "thoughtrank/bench/peak_rates.h"
#include "thoughtrank/model/compute.h"

namespace thoughtrank {
namespace {

constexpr int kTries = 20;

// The fastest of some tries, each timed by itself; the first, in which libraries set themselves up,
// does not count.
double least_seconds(at::Device device, const std::function<void()>& work) {
  double least = std::numeric_limits<double>::infinity();
  for (int n = 0; n <= kTries; ++n) {
    const auto started = std::chrono::steady_clock::now();
    work();
    wait_for_device(device);
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - started;
    if (n > 0) least = std::min(least, passed.count());
  }
  return least;
}

double product_flops_per_s(at::Device device, int64_t side, at::ScalarType dtype) {
  const auto options = at::TensorOptions(device).dtype(dtype);
  const at::Tensor a = at::randn({side, side}, options), b = at::randn({side, side}, options);
  at::Tensor out = at::empty({side, side}, options);
  const auto n = static_cast<double>(side);
  return 2 * n * n * n / least_seconds(device, [&] { at::mm_out(out, a, b); });
}

double copied_bytes_per_s(at::Device device, int64_t bytes) {
  const at::Tensor from = at::ones({bytes}, at::TensorOptions(device).dtype(at::kByte));
  const at::Tensor to = at::empty_like(from);
  return 2 * static_cast<double>(bytes) / least_seconds(device, [&] { to.copy_(from); });
}

}  // namespace

PeakRates measure_device_peak_rates(at::Device device, int64_t side, int64_t copied_bytes) {
  return {.float32_flops_per_s = product_flops_per_s(device, side / 2, at::kFloat),
          .bfloat16_flops_per_s = product_flops_per_s(device, side, at::kBFloat16),
          .read_bytes_per_s = copied_bytes_per_s(device, copied_bytes)};
}

}  // namespace thoughtrank
