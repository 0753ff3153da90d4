// What the reports say of the machine.
#pragma once

#include <string>

#include "thoughtrank/bench/peak_rates.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {

[[nodiscard]] std::string cpu_name();  // as /proc/cpuinfo has it; "unknown" where it has none
[[nodiscard]] Json in_billions(const PeakRates& peak_rates);

}  // namespace thoughtrank
