// A config.json of any bytes is a Llama that we can compute, or is refused by name.
#include "tests/fuzz/fuzz.h"
#include "thoughtrank/model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thoughtrank;
  write_scratch("config.json", view(data, size));
  refuse_or_do([] { (void)read_llama_config(scratch()); });
  return 0;
}
