// A journal of any bytes is read, cut at its torn tail, or refused; what it accepts, it accepts
// again.
#include "tests/fuzz/fuzz.h"
#include "thoughtrank/core/journal.h"
#include "thoughtrank/core/log.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thoughtrank;
  const auto path = write_scratch("journal.jsonl", view(data, size));
  size_t records = 0;
  bool is_accepted = false;
  refuse_or_do([&] {
    const Journal journal(path, [&](const Json&) { ++records; });
    is_accepted = true;
  });
  if (!is_accepted) return 0;
  size_t again = 0;
  Journal journal(path, [&](const Json&) { ++again; });
  if (again != records) __builtin_trap();
  return 0;
}
