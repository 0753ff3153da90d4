// A tokenizer.json of any bytes is a tokenizer that gives text back, or is refused.
#include "tests/fuzz/fuzz.h"
#include "thoughtrank/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thoughtrank;
  write_scratch("tokenizer.json", view(data, size));
  refuse_or_do([] {
    const auto tokenizer = load_tokenizer(scratch());
    const auto ids = tokenizer->encode("Think, then answer: 1 + 1 = 2\n");
    (void)tokenizer->decode(ids, /*skip_special=*/false);
  });
  return 0;
}
