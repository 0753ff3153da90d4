#include "thoughtrank/bench/peak_rates.h"

#include <gtest/gtest.h>

#include "bench/machine.h"
#include "thoughtrank/kernels/instruction_set.h"

namespace thoughtrank {
namespace {

TEST(PeakRates, AreLookedUpByTheTypeOfTheWeights) {
  const PeakRates rates = {
      .float32_flops_per_s = 2e9, .bfloat16_flops_per_s = 3e9, .read_bytes_per_s = 4e9};
  EXPECT_EQ(rates.flops_per_s(Dtype::float32), 2e9);
  EXPECT_EQ(rates.flops_per_s(Dtype::bfloat16), 3e9);
}

TEST(PeakRates, AreReportedInBillions) {
  const Json report = in_billions(
      {.float32_flops_per_s = 2e9, .bfloat16_flops_per_s = 3.5e9, .read_bytes_per_s = 4e8});
  EXPECT_EQ(report.dump(), R"({"float32_gflops":2.0,"bfloat16_gflops":3.5,"read_gb_per_s":0.4})");
}

// bfloat16 weights can always be widened and multiplied in float32.
TEST(PeakRates, OfTheCpuAreFoundAndBfloat16IsNoSlower) {
  const ComputeSetup compute = {.device = "cpu"};
  const PeakRates rates = measure_peak_rates(compute);
  EXPECT_GT(rates.float32_flops_per_s, 0);
  EXPECT_GE(rates.bfloat16_flops_per_s, rates.float32_flops_per_s);
  EXPECT_GT(rates.read_bytes_per_s, 0);
}

// libtorch's products and copies are the same calls on a GPU.
TEST(PeakRates, OfADeviceAreThoseOfLibtorchsOperations) {
  const PeakRates rates =
      measure_device_peak_rates(at::kCPU, /*side=*/64, /*copied_bytes=*/int64_t{1} << 20);
  EXPECT_GT(rates.float32_flops_per_s, 0);
  EXPECT_GT(rates.bfloat16_flops_per_s, 0);
  EXPECT_GT(rates.read_bytes_per_s, 0);
}

TEST(Machine, HasAProcessorWithAName) { EXPECT_FALSE(cpu_name().empty()); }

// Matrix tiles do several times the work of vectors: a ceiling without them would flatter us.
TEST(PeakRates, TheBestInstructionsOfTheCpuSetTheRateOfBfloat16) {
  const PeakRates rates = measure_peak_rates(/*threads=*/1);
  EXPECT_GE(rates.bfloat16_flops_per_s, rates.float32_flops_per_s);
  if (is_supported(InstructionSet::amx)) {
    EXPECT_GT(rates.bfloat16_flops_per_s, 3 * rates.float32_flops_per_s);
  }
}

}  // namespace
}  // namespace thoughtrank
