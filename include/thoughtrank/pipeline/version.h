// The program's version; a run folder is resumed by the version that began it.
#pragma once

namespace thoughtrank {

inline constexpr const char* kVersion = "0.2.0";

}  // namespace thoughtrank
