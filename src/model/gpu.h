// What the NVIDIA driver says of this machine's cards, and whether one of them will do. Asked
// through NVML (libnvidia-ml, a part of the driver): nothing is started on a card, and a machine
// without a driver needs no library.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace thoughtrank {

struct GpuProcess {
  int64_t pid = 0;
  uint64_t memory_bytes = 0;  // 0: the driver does not say
};

struct GpuCard {
  std::string name;
  std::string uuid;
  int capability = 0;  // compute capability times ten: 90 of an H100
  uint64_t memory_bytes = 0;
  uint64_t free_bytes = 0;
  std::vector<GpuProcess> processes;  // that compute on it, without this one
};

struct GpuFacts {
  std::string driver;          // "580.65.06"; empty without one
  std::string fault;           // why a driver that is there does not answer
  std::vector<GpuCard> cards;  // those that this process may use, as it numbers them: cuda:N
};

// The oldest driver that CUDA 13 runs on.
inline constexpr int kOldestDriver = 580;

// `library`: NVML. `visible`: the value of CUDA_VISIBLE_DEVICES, nullopt where it is not set;
// cards are named there by number (in the order of the PCI bus) or by the beginning of their UUID.
[[nodiscard]] GpuFacts ask_driver(const std::optional<std::string>& visible,
                                  const std::string& library = "libnvidia-ml.so.1");
// With CUDA_VISIBLE_DEVICES of this process.
[[nodiscard]] GpuFacts ask_driver();

// What a program asks of its card.
struct GpuNeeds {
  std::vector<int> architectures;  // that it has code for: compute capabilities times ten
  uint64_t memory_bytes = 0;
};

// Why cuda:`index` will not do, with the mend, in one line; empty where it will.
[[nodiscard]] std::string gpu_problem(const GpuFacts& facts, size_t index, const GpuNeeds& needs);

// "NVIDIA H100 80GB HBM3, capability 9.0, 79.1 of 79.6 GiB free, driver 580.65.06".
[[nodiscard]] std::string describe_gpu(const GpuFacts& facts, size_t index);

}  // namespace thoughtrank
