#include "app/bench_machine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace thoughtrank {

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all_pages = 0, resident_pages = 0;
  file >> all_pages >> resident_pages;
  return resident_pages * ::sysconf(_SC_PAGESIZE);
}

int64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

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
