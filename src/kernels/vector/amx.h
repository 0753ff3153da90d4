// Whether this process may use the CPU's matrix tiles.
#pragma once

#include <string>

namespace thoughtrank {

// Asks once: the CPU for bfloat16 tiles, the system for leave to use them (arch_prctl(2),
// ARCH_REQ_XCOMP_PERM: a tile's registers are 8 KiB that it keeps for a thread), and a child
// process for a multiplication, since there are hypervisors that report tiles and fault at the
// first.
[[nodiscard]] bool may_use_amx();
[[nodiscard]] bool cpu_has_amx();
// Says why not, for people; empty where it may.
[[nodiscard]] std::string amx_problem();

}  // namespace thoughtrank
