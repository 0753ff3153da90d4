// Stands for libnvidia-ml.so.1 in tests: one or more cards, as the environment describes them.
//   FAKE_NVML_DRIVER   version text (default 580.65.06)   FAKE_NVML_INIT   error of nvmlInit_v2 (0)
//   FAKE_NVML_CARDS    how many (1)                       FAKE_NVML_CAPABILITY   times ten (90)
//   FAKE_NVML_FREE     GiB free of 80 (79)                FAKE_NVML_PID    of a process that has
//   the rest (none)
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

int number(const char* name, int otherwise) {
  return std::atoi(setting(name, std::to_string(otherwise).c_str()).c_str());
}

struct Memory {
  unsigned long long total, free, used;
};
struct Process {
  unsigned int pid;
  unsigned long long memory;
  unsigned int gpu_instance, compute_instance;
};
constexpr unsigned long long kGib = 1ull << 30;

unsigned long long free_bytes() {
  return static_cast<unsigned long long>(number("FAKE_NVML_FREE", 79)) * kGib;
}

}  // namespace

extern "C" {

int nvmlInit_v2() { return number("FAKE_NVML_INIT", 0); }
int nvmlShutdown() { return 0; }
const char* nvmlErrorString(int) { return "Driver/library version mismatch"; }

int nvmlSystemGetDriverVersion(char* text, unsigned int length) {
  std::snprintf(text, length, "%s", setting("FAKE_NVML_DRIVER", "580.65.06").c_str());
  return 0;
}
int nvmlDeviceGetCount_v2(unsigned int* count) {
  *count = static_cast<unsigned int>(number("FAKE_NVML_CARDS", 1));
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** device) {
  *device = reinterpret_cast<void*>(static_cast<unsigned long>(index) + 1);
  return 0;
}
int nvmlDeviceGetName(void* device, char* text, unsigned int length) {
  std::snprintf(text, length, "Made-up card %lu", reinterpret_cast<unsigned long>(device) - 1);
  return 0;
}
int nvmlDeviceGetUUID(void* device, char* text, unsigned int length) {
  std::snprintf(text, length, "GPU-%lu00-ab", reinterpret_cast<unsigned long>(device) - 1);
  return 0;
}
int nvmlDeviceGetCudaComputeCapability(void*, int* major, int* minor) {
  const int capability = number("FAKE_NVML_CAPABILITY", 90);
  *major = capability / 10;
  *minor = capability % 10;
  return 0;
}
int nvmlDeviceGetMemoryInfo(void*, Memory* memory) {
  *memory = {.total = 80 * kGib, .free = free_bytes(), .used = 80 * kGib - free_bytes()};
  return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void*, unsigned int* count, Process* processes) {
  const int pid = number("FAKE_NVML_PID", 0);
  *count = pid == 0 ? 0 : 1;
  if (pid != 0) {
    processes[0] = {.pid = static_cast<unsigned int>(pid),
                    .memory = 80 * kGib - free_bytes(),
                    .gpu_instance = 0,
                    .compute_instance = 0};
  }
  return 0;
}

}  // extern "C"
