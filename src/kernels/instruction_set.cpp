#include "kernels/instruction_set.h"

namespace thoughtrank {

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
  }
  return false;
}

std::vector<InstructionSet> supported_instruction_sets() {
  std::vector<InstructionSet> sets;
  for (const auto set : {InstructionSet::portable,
                         InstructionSet::avx2,
                         InstructionSet::avx512,
                         InstructionSet::avx512_bf16}) {
    if (is_supported(set)) sets.push_back(set);
  }
  return sets;
}

InstructionSet instruction_set() {
  static const InstructionSet best = [] {
    const InstructionSet widest = supported_instruction_sets().back();
    const bool has_slow_dot = widest == InstructionSet::avx512_bf16 && __builtin_cpu_is("intel");
    return has_slow_dot ? InstructionSet::avx512 : widest;
  }();
  return best;
}

}  // namespace thoughtrank
