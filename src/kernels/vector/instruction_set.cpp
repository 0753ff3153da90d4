#include "thoughtrank/kernels/instruction_set.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/vector/amx.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

using NamedSet = std::pair<std::string_view, InstructionSet>;
constexpr std::array<NamedSet, 6> kSets = {{{"portable", InstructionSet::portable},
                                            {"avx2", InstructionSet::avx2},
                                            {"avx512", InstructionSet::avx512},
                                            {"avx512_bf16", InstructionSet::avx512_bf16},
                                            {"amx", InstructionSet::amx},
                                            {"emulated_amx", InstructionSet::emulated_amx}}};

InstructionSet fastest_set() {
  InstructionSet fastest = InstructionSet::portable;
  for (const auto& [name, set] : kSets) {
    const bool has_slow_dot = set == InstructionSet::avx512_bf16 && __builtin_cpu_is("intel");
    if (set != InstructionSet::emulated_amx && !has_slow_dot && is_supported(set)) fastest = set;
  }
  return fastest;
}

InstructionSet set_of_name(std::string_view name) {
  const std::optional<InstructionSet> set = find_instruction_set(name);
  if (set && is_supported(*set)) return *set;
  fail(
      ExitCode::kConfig,
      "THOUGHTRANK_INSTRUCTION_SET is '{}', which this machine does not have: portable, avx2, "
      "avx512, avx512_bf16, amx, as far as /proc/cpuinfo lists them, or emulated_amx; unset it for "
      "the fastest",
      name);
}

// The set that the environment names.
std::optional<InstructionSet> named_set() {
  const char* name = std::getenv("THOUGHTRANK_INSTRUCTION_SET");
  return name == nullptr ? std::nullopt : std::optional(set_of_name(name));
}

// oneDNN's names for CPUs that multiply no bfloat16 (its ONEDNN_MAX_CPU_ISA; DNNL_ before version
// 2). Its products are then slower than those of float32.
bool withholds_bfloat16_from_products() {
  constexpr std::array<std::string_view, 7> kWithout = {
      "SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"};
  for (const char* variable : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr) continue;
    std::string name(value);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
      return static_cast<char>(std::toupper(c));
    });
    return std::find(kWithout.begin(), kWithout.end(), name) != kWithout.end();
  }
  return false;
}

}  // namespace

bool is_supported(InstructionSet set) {
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  switch (set) {
    case InstructionSet::portable:
      return true;
    case InstructionSet::avx2:
      return has_avx2;
    case InstructionSet::avx512:
      return has_avx512;
    case InstructionSet::avx512_bf16:
      return has_avx512 && __builtin_cpu_supports("avx512bf16");
    case InstructionSet::amx:
      return has_avx512 && may_use_amx();
    case InstructionSet::emulated_amx:
      return true;
  }
  return false;
}

std::vector<InstructionSet> supported_instruction_sets() {
  std::vector<InstructionSet> sets;
  for (const auto& [name, set] : kSets) {
    if (is_supported(set)) sets.push_back(set);
  }
  return sets;
}

namespace {

std::atomic<InstructionSet>& set_in_use() {
  static std::atomic<InstructionSet> set = named_set().value_or(fastest_set());
  return set;
}

}  // namespace

InstructionSet instruction_set() { return set_in_use().load(std::memory_order_relaxed); }

void use_instruction_set(InstructionSet set) { set_in_use() = set; }

bool may_use(InstructionSet set) {
  static const std::optional<InstructionSet> named = named_set();
  static const bool is_withheld = withholds_bfloat16_from_products();
  if (set == InstructionSet::avx512_bf16 && is_withheld) return false;
  return is_supported(set) && (!named || set <= *named);
}

std::optional<InstructionSet> find_instruction_set(std::string_view name) {
  for (const auto& [known, set] : kSets) {
    if (known == name) return set;
  }
  return std::nullopt;
}

std::string problem_with_tiles() { return cpu_has_amx() ? amx_problem() : ""; }

std::string_view name_of(InstructionSet set) { return kSets[static_cast<size_t>(set)].first; }

}  // namespace thoughtrank
