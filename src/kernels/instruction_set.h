// Which vector instructions the kernels may use. Found once per process; tests pass each supported
// set by hand to compare them.
#pragma once

#include <vector>

namespace thoughtrank {

enum class InstructionSet { portable, avx2, avx512, avx512_bf16 };

[[nodiscard]] bool is_supported(InstructionSet set);
// The best one of this machine.
[[nodiscard]] InstructionSet instruction_set();
[[nodiscard]] std::vector<InstructionSet> supported_instruction_sets();

}  // namespace thoughtrank
