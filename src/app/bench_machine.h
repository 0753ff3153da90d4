// What the benchmarks say of the machine and the process they ran in.
#pragma once

#include <cstdint>
#include <string>

#include "thoughtrank/bench/peak_rates.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {

[[nodiscard]] int64_t resident_bytes();       // of this process, now
[[nodiscard]] int64_t peak_resident_bytes();  // at its largest
[[nodiscard]] std::string cpu_name();
[[nodiscard]] Json in_billions(const PeakRates& peak_rates);

}  // namespace thoughtrank
