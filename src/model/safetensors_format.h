// The header of a safetensors file as text: 8 bytes little-endian length, then JSON
//   {"__metadata__": {"format": "pt"}, "norm.weight": {"dtype": "F32", "shape": [64],
//    "data_offsets": [0, 256]}, …}
// then the tensors' bytes, to which the offsets are relative. Parsing is a pure function of bytes
// that come from strangers; it keeps nothing but the result, whatever the text holds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "thoughtrank/model/safetensors.h"

namespace thoughtrank {

inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
inline constexpr uint64_t kHeaderLengthBytes = 8;

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their data; offsets within the file
  std::map<std::string, std::string> metadata;
};

// Parses and checks the JSON of `file`, whose data part has `data_bytes` bytes. Error(kBadData)
// naming file, tensor and rule.
[[nodiscard]] SafetensorsHeader parse_safetensors_header(std::string_view json,
                                                         uint64_t data_bytes,
                                                         const std::filesystem::path& file);

// "F32" -> at::kFloat. nullptr / Error(kInternal) for what we neither read nor write.
struct TensorType {
  const char* name;
  at::ScalarType dtype;
  uint64_t bytes;  // of one element
};
[[nodiscard]] const TensorType* find_tensor_type(std::string_view name);
[[nodiscard]] const TensorType& tensor_type_of(at::ScalarType dtype);
// "F32, BF16, …" for messages.
[[nodiscard]] std::string tensor_type_names();

}  // namespace thoughtrank
