// The header of a safetensors file: every tensor that is accepted lies inside the data, and none
// over another.
#include "model/safetensors_format.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thoughtrank;
  constexpr uint64_t kDataBytes = 256;
  refuse_or_do([&] {
    const auto header = parse_safetensors_header(view(data, size), kDataBytes, "fuzz.safetensors");
    uint64_t end = 0;
    for (const TensorInfo& tensor : header.tensors) {
      if (tensor.offset < end) __builtin_trap();
      end = tensor.offset + tensor.bytes;
    }
    if (end > kHeaderLengthBytes + size + kDataBytes) __builtin_trap();
  });
  return 0;
}
