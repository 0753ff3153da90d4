// Rows of any bytes are prompts, worked examples or training rows, or are refused by their line;
// what is accepted is text.
#include "tests/fuzz/fuzz.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/data/examples.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/data/training_file.h"

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thoughtrank;
  const auto json = write_scratch("rows.jsonl", view(data, size));
  refuse_or_do([&] {
    for (const PromptRow& row : read_prompt_file(json, size % 2 == 0)) {
      require(!row.prompt_id.empty() && !row.prompt.empty());
      require(is_valid_utf8(row.prompt) && is_valid_utf8(row.system) && is_valid_utf8(row.answer));
    }
  });
  refuse_or_do([&] {
    for (const ExampleRow& row : read_example_file(json)) {
      require(!row.prompt.empty() && !row.thought.empty() && !row.answer.empty());
    }
  });
  refuse_or_do([&] {
    for (const TrainingFileRow& row : read_training_file(json)) {
      require(!row.row.prompt_id.empty());
      require(!row.row.input_ids.empty() || !row.row.completion.empty());
    }
  });
  const auto text = write_scratch("rows.txt", view(data, size));
  refuse_or_do([&] { (void)read_prompt_file(text); });
  return 0;
}
