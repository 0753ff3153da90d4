#include "bench/machine.h"

#include <fstream>

namespace thoughtrank {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

Json in_billions(const PeakRates& peak_rates) {
  return {{"float32_gflops", peak_rates.float32_flops_per_s / 1e9},
          {"bfloat16_gflops", peak_rates.bfloat16_flops_per_s / 1e9},
          {"read_gb_per_s", peak_rates.read_bytes_per_s / 1e9}};
}

}  // namespace thoughtrank
