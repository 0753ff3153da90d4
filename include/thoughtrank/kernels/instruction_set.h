// Which vector instructions the kernels may use. Found once per process; tests pass each supported
// set by hand to compare them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace thoughtrank {

// In the order of what they need. emulated_amx gives the bits of amx on any machine, slowly, for
// tests; it is never chosen unasked.
enum class InstructionSet { portable, avx2, avx512, avx512_bf16, amx, emulated_amx };

// Tells whether this machine has the instructions.
[[nodiscard]] bool is_supported(InstructionSet set);
// Returns the fastest one of this machine. The tiles of amx come first. vdpbf16ps does twice the
// work of float32 FMA on AMD's Zen 4 and half of it on Intel's Xeons (measured: 459 against 230,
// 172 against 349 GFLOP/s on two cores). THOUGHTRANK_INSTRUCTION_SET in the environment names
// another one, for tests and to repeat another machine's bits; throws Error(kConfig) when this
// machine lacks it.
[[nodiscard]] InstructionSet instruction_set();
// The kernels take `set` from now on, which the machine must have; for a process that has begun no
// work on tensors.
void use_instruction_set(InstructionSet set);
// Tells whether this process behaves as on a machine with `set`: this one has it, and the
// environment names no lesser one, neither for our kernels nor, as ONEDNN_MAX_CPU_ISA, for
// libtorch's products (bfloat16 is then what they do slowest).
[[nodiscard]] bool may_use(InstructionSet set);
[[nodiscard]] std::string_view name_of(InstructionSet set);
[[nodiscard]] std::optional<InstructionSet> find_instruction_set(std::string_view name);
// Says why a machine whose CPU has matrix tiles does not use them; empty where it does or has none.
[[nodiscard]] std::string problem_with_tiles();
[[nodiscard]] std::vector<InstructionSet> supported_instruction_sets();

}  // namespace thoughtrank
