// A tokenizer.model (SentencePiece) of any bytes is a tokenizer or is refused.
#include "tests/fuzz/fuzz.h"
#include "thoughtrank/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thoughtrank;
  write_scratch("tokenizer.model", view(data, size));
  refuse_or_do([] {
    const auto tokenizer = load_tokenizer(scratch());
    (void)tokenizer->decode(tokenizer->encode("Think, then answer"), /*skip_special=*/false);
  });
  return 0;
}
