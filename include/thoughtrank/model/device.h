// Which device a run computes on, and whether this machine has it.
#pragma once

#include <cstdint>
#include <string>

namespace thoughtrank {

// "auto | cpu | cuda | cuda:N" as "cpu" or "cuda:N". auto: the first GPU that this build and its
// driver can use, else the CPU, with a warning where a GPU is there but will not do. Error(kConfig)
// in one line, with the mend, for a GPU that was asked for and will not do.
[[nodiscard]] std::string resolve_device(const std::string& asked);

// As above for a device that was resolved before, perhaps on another machine. `memory_bytes`: free
// memory that it must have.
void require_device(const std::string& device, uint64_t memory_bytes = 0);

// What doctor says of the GPU: "none" where there is no driver. Error(kConfig) as above where there
// is one and the card will not do.
[[nodiscard]] std::string describe_device();

// Bytes that can be had on the device; 0: not known.
[[nodiscard]] uint64_t memory_available_on(const std::string& device);

}  // namespace thoughtrank
