// round.yaml of any bytes fills the judge's options or is refused.
#include "tests/fuzz/fuzz.h"
#include "thoughtrank/config/fields.h"
#include "thoughtrank/judge/judge.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thoughtrank;
  const auto path = write_scratch("round.yaml", view(data, size));
  JudgeOptions judge;
  SelectOptions select;
  refuse_or_do([&] {
    load_fields({.file = path.string(), .sets = {}}, [&](FieldVisitor& v) {
      v.group("judge", judge, "who ranks the answers");
      v.group("select", select, "when a winner is sure enough");
    });
  });
  return 0;
}
