// A judge's words rank exactly the labels that were shown, each once, or are an abstention.
#include <algorithm>

#include "judge/reply.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thoughtrank;
  const std::vector<std::string> labels = {"A", "B", "C", "D"};
  const Verdict verdict = read_ranking(view(data, size), labels);
  if (const auto* ranking = std::get_if<LabelRanking>(&verdict)) {
    auto sorted = *ranking;
    std::sort(sorted.begin(), sorted.end());
    if (sorted != labels) __builtin_trap();
  }
  return 0;
}
