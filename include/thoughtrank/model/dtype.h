// The element types in which weights are held, computed and stored. A word of a config or of a file
// becomes a Dtype where it enters; inside the program nothing compares words.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string>

#include "thoughtrank/core/enum_words.h"

namespace thoughtrank {

enum class Dtype : uint8_t { float32, bfloat16, float16 };

inline constexpr EnumWords<Dtype, 3> kDtypes = {
    {{Dtype::float32, "float32"}, {Dtype::bfloat16, "bfloat16"}, {Dtype::float16, "float16"}}};

// What an option offers for computing; nullopt stands for "auto". float16 is read from files only.
inline constexpr EnumWords<std::optional<Dtype>, 3> kComputeDtypes = {
    {{std::nullopt, "auto"},
     {Dtype::float32, kDtypes[0].word},
     {Dtype::bfloat16, kDtypes[1].word}}};

// What an option offers for exported weights.
inline constexpr EnumWords<Dtype, 2> kExportDtypes = {{kDtypes[1], kDtypes[0]}};

[[nodiscard]] inline std::string word_of(Dtype dtype) { return word_of(dtype, kDtypes); }
// The type in which libtorch holds such an element.
[[nodiscard]] at::ScalarType scalar_type(Dtype dtype);
// Bytes of an element.
[[nodiscard]] int64_t bytes_of(Dtype dtype);

}  // namespace thoughtrank
