// model.safetensors.index.json of any bytes names the tensors of the shards beside it, all of them
// and no others, or is refused.
#include "tests/fuzz/fuzz.h"
#include "thoughtrank/model/safetensors.h"

namespace {

// Two shards of one tensor each: shards are named a.safetensors and b.safetensors, tensors "a",
// "b".
void write_shards() {
  for (const std::string name : {"a", "b"}) {
    const std::string json =
        R"({")" + name + R"(":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(json.size());
    thoughtrank::write_scratch(name + ".safetensors", bytes + json + std::string(8, '\0'));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thoughtrank;
  static const bool has_shards = (write_shards(), true);
  (void)has_shards;
  write_scratch("model.safetensors.index.json", view(data, size));
  refuse_or_do([] {
    const auto reader = SafetensorsReader::open_model(scratch());
    for (const auto& [name, tensor] : reader.tensors()) {
      if (tensor.file != scratch() / (name + ".safetensors")) __builtin_trap();
      (void)reader.read(name);
    }
  });
  return 0;
}
