// Which vector instructions the kernels may use. Found once per process; tests pass each supported
// set by hand to compare them.
#pragma once

#include <string_view>
#include <vector>

namespace thoughtrank {

enum class InstructionSet { portable, avx2, avx512, avx512_bf16 };

// Tells whether this machine has the instructions.
[[nodiscard]] bool is_supported(InstructionSet set);
// Returns the fastest one of this machine. vdpbf16ps does twice the work of float32 FMA on AMD's
// Zen 4 and half of it on Intel's Xeons (measured: 459 against 230, 172 against 349 GFLOP/s on two
// cores). THOUGHTRANK_INSTRUCTION_SET in the environment names another one, for tests and to repeat
// another machine's bits; throws Error(kConfig) when this machine lacks it.
[[nodiscard]] InstructionSet instruction_set();
// Tells whether this process behaves as on a machine with `set`: this one has it, and the
// environment names no lesser one, neither for our kernels nor, as ONEDNN_MAX_CPU_ISA, for
// libtorch's products (bfloat16 is then what they do slowest).
[[nodiscard]] bool may_use(InstructionSet set);
[[nodiscard]] std::string_view name_of(InstructionSet set);
[[nodiscard]] std::vector<InstructionSet> supported_instruction_sets();

}  // namespace thoughtrank
