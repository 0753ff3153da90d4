#include "model/gpu.h"

#include <dlfcn.h>
#include <spdlog/fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

namespace thoughtrank {
namespace {

// NVML's interface, as its reference manual documents it (versioned names never change).
using NvmlDevice = void*;
struct NvmlMemory {
  unsigned long long total, free, used;
};
struct NvmlProcess {
  unsigned int pid;
  unsigned long long memory;
  unsigned int gpu_instance, compute_instance;
};
constexpr unsigned long long kMemoryNotKnown = ~0ull;
constexpr int kDriverNotLoaded = 9;

class Nvml {
 public:
  explicit Nvml(const std::string& library) : handle_(::dlopen(library.c_str(), RTLD_NOW)) {}
  ~Nvml() {
    if (handle_ != nullptr) ::dlclose(handle_);
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  [[nodiscard]] bool is_there() const { return handle_ != nullptr; }
  // 0, or NVML's error; 1 ("not initialised") for a function that this version lacks.
  template <class... Arguments>
  int call(const char* name, Arguments... arguments) const {
    auto* function = reinterpret_cast<int (*)(Arguments...)>(::dlsym(handle_, name));
    return function == nullptr ? 1 : function(arguments...);
  }
  [[nodiscard]] std::string describe(int error) const {
    auto* function = reinterpret_cast<const char* (*)(int)>(::dlsym(handle_, "nvmlErrorString"));
    return function == nullptr ? fmt::format("error {}", error) : function(error);
  }

 private:
  void* handle_;
};

std::string module_version() {
  std::string version;
  std::ifstream("/sys/module/nvidia/version") >> version;
  return version;
}

std::vector<GpuProcess> processes_on(const Nvml& nvml, NvmlDevice device) {
  std::vector<NvmlProcess> found(64);
  auto count = static_cast<unsigned int>(found.size());
  if (nvml.call("nvmlDeviceGetComputeRunningProcesses_v3", device, &count, found.data()) != 0) {
    return {};
  }
  std::vector<GpuProcess> processes;
  for (size_t n = 0; n < std::min<size_t>(count, found.size()); ++n) {
    if (static_cast<int64_t>(found[n].pid) == ::getpid()) continue;
    processes.push_back({.pid = found[n].pid,
                         .memory_bytes = found[n].memory == kMemoryNotKnown ? 0 : found[n].memory});
  }
  return processes;
}

GpuCard ask_card(const Nvml& nvml, NvmlDevice device) {
  GpuCard card;
  char text[96] = {};
  const auto length = static_cast<unsigned int>(sizeof text);
  if (nvml.call("nvmlDeviceGetName", device, &text[0], length) == 0) card.name = text;
  if (nvml.call("nvmlDeviceGetUUID", device, &text[0], length) == 0) card.uuid = text;
  int major = 0, minor = 0;
  if (nvml.call("nvmlDeviceGetCudaComputeCapability", device, &major, &minor) == 0) {
    card.capability = 10 * major + minor;
  }
  NvmlMemory memory{};
  if (nvml.call("nvmlDeviceGetMemoryInfo", device, &memory) == 0) {
    card.memory_bytes = memory.total;
    card.free_bytes = memory.free;
  }
  card.processes = processes_on(nvml, device);
  return card;
}

// The card that an entry of CUDA_VISIBLE_DEVICES names.
const GpuCard* card_named(const std::vector<GpuCard>& cards, const std::string& name) {
  size_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc() && end == name.data() + name.size()) {
    return number < cards.size() ? &cards[number] : nullptr;
  }
  const auto found = std::find_if(cards.begin(), cards.end(), [&](const GpuCard& card) {
    return !name.empty() && card.uuid.starts_with(name);
  });
  return found == cards.end() ? nullptr : &*found;
}

// As CUDA reads the list: up to the first entry that names no card.
std::vector<GpuCard> visible_cards(const std::vector<GpuCard>& cards, const std::string& list) {
  std::vector<GpuCard> visible;
  std::istringstream names(list);
  for (std::string name; std::getline(names, name, ',');) {
    const GpuCard* card = card_named(cards, name);
    if (card == nullptr) break;
    visible.push_back(*card);
  }
  return visible;
}

double gib(uint64_t bytes) { return static_cast<double>(bytes) / (1ull << 30); }

// Code for a card runs on later minor versions of the same major one; cards newer than all get the
// last one's PTX, which their driver compiles.
bool has_code_for(int capability, const std::vector<int>& architectures) {
  return capability > architectures.back() ||
         std::any_of(architectures.begin(), architectures.end(), [&](int architecture) {
           return architecture / 10 == capability / 10 && architecture <= capability;
         });
}

std::string describe_processes(const GpuCard& card) {
  std::vector<std::string> words;
  for (const GpuProcess& process : card.processes) {
    words.push_back(
        process.memory_bytes == 0
            ? fmt::format("process {}", process.pid)
            : fmt::format("process {} with {:.1f} GiB", process.pid, gib(process.memory_bytes)));
  }
  return words.empty() ? "" : fmt::format("{} on the card", fmt::join(words, ", "));
}

std::string driver_problem(const GpuFacts& facts) {
  if (facts.driver.empty() && facts.fault.empty()) {
    return fmt::format(
        "found no NVIDIA driver: install one, {} or newer, or set device: cpu (in a container: "
        "start it with the GPU, e.g. --gpus all)",
        kOldestDriver);
  }
  if (!facts.fault.empty()) {
    return fmt::format(
        "the NVIDIA driver{} does not answer: {}. Reboot after an update of the driver; in a "
        "container check that it was given the GPU",
        facts.driver.empty() ? "" : " " + facts.driver,
        facts.fault);
  }
  int major = 0;
  std::from_chars(facts.driver.data(), facts.driver.data() + facts.driver.size(), major);
  if (major >= kOldestDriver) return "";
  return fmt::format("driver {} is too old for CUDA 13: install {} or newer, or set device: cpu",
                     facts.driver,
                     kOldestDriver);
}

std::string card_problem(const GpuCard& card, size_t index, const GpuNeeds& needs) {
  if (!has_code_for(card.capability, needs.architectures)) {
    return fmt::format(
        "cuda:{} ({}) has compute capability {}.{}, this program has code for {}: build it with "
        "-DTHOUGHTRANK_CUDA_ARCHITECTURES={}, or set device: cpu",
        index,
        card.name,
        card.capability / 10,
        card.capability % 10,
        fmt::join(needs.architectures, ", "),
        card.capability);
  }
  if (card.free_bytes >= needs.memory_bytes) return "";
  const std::string others = describe_processes(card);
  return fmt::format("cuda:{} ({}) has {:.1f} of {:.1f} GiB free, {:.1f} are needed{}: {}",
                     index,
                     card.name,
                     gib(card.free_bytes),
                     gib(card.memory_bytes),
                     gib(needs.memory_bytes),
                     others.empty() ? "" : "; " + others,
                     card.memory_bytes < needs.memory_bytes
                         ? "take a larger card or a smaller model, or set device: cpu"
                         : "end what else runs there, or take another card (device: cuda:N)");
}

}  // namespace

GpuFacts ask_driver(const std::optional<std::string>& visible, const std::string& library) {
  GpuFacts facts;
  facts.driver = module_version();
  const Nvml nvml(library);
  if (!nvml.is_there()) {
    if (!facts.driver.empty()) facts.fault = library + " is not installed";
    return facts;
  }
  if (const int error = nvml.call("nvmlInit_v2"); error != 0) {
    if (error != kDriverNotLoaded || !facts.driver.empty()) facts.fault = nvml.describe(error);
    return facts;
  }
  char version[96] = {};
  const auto length = static_cast<unsigned int>(sizeof version);
  if (nvml.call("nvmlSystemGetDriverVersion", &version[0], length) == 0) facts.driver = version;
  unsigned int count = 0;
  if (const int error = nvml.call("nvmlDeviceGetCount_v2", &count); error != 0) {
    facts.fault = nvml.describe(error);
  }
  for (unsigned int n = 0; n < count; ++n) {
    NvmlDevice device = nullptr;
    if (nvml.call("nvmlDeviceGetHandleByIndex_v2", n, &device) == 0) {
      facts.cards.push_back(ask_card(nvml, device));
    }
  }
  nvml.call("nvmlShutdown");
  if (visible) facts.cards = visible_cards(facts.cards, *visible);
  return facts;
}

GpuFacts ask_driver() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return ask_driver(visible == nullptr ? std::nullopt : std::optional<std::string>(visible));
}

std::string gpu_problem(const GpuFacts& facts, size_t index, const GpuNeeds& needs) {
  if (needs.architectures.empty()) {
    return "this program was built without CUDA kernels: build it where nvcc 13 is found, or set "
           "device: cpu";
  }
  if (std::string problem = driver_problem(facts); !problem.empty()) return problem;
  if (index >= facts.cards.size()) {
    return fmt::format(
        "there is no cuda:{}: the driver shows this process {} card(s). Check CUDA_VISIBLE_DEVICES "
        "and nvidia-smi, or set device: cpu",
        index,
        facts.cards.size());
  }
  return card_problem(facts.cards[index], index, needs);
}

std::string describe_gpu(const GpuFacts& facts, size_t index) {
  const GpuCard& card = facts.cards.at(index);
  const std::string others = describe_processes(card);
  return fmt::format("{}, capability {}.{}, {:.1f} of {:.1f} GiB free, driver {}{}",
                     card.name,
                     card.capability / 10,
                     card.capability % 10,
                     gib(card.free_bytes),
                     gib(card.memory_bytes),
                     facts.driver,
                     others.empty() ? "" : "; " + others);
}

}  // namespace thoughtrank
