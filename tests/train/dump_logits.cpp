// Logits of a Hugging Face folder in float32, for scripts that compare with transformers:
//   dump_logits MODEL_DIR < ids.jsonl    {"ids": [1, 2, 3]} -> {"logits": [[…], […], […]]}
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "thoughtrank/core/json.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {
namespace {

// {"logits": …} of one line of ids.
std::string logits_line(const Llama& model, const std::string& line) {
  const auto ids =
      require_ints(parse_json(line, "stdin"), "ids", 0, model.config.vocab_size - 1, "stdin");
  const auto size = static_cast<int64_t>(ids.size());
  const at::Tensor logits =
      forward_logits(model, {.ids = at::tensor(ids, at::kLong), .offsets = {0, size}});  // (T, V)
  Json rows = Json::array();
  for (int64_t t = 0; t < size; ++t) {
    const at::Tensor row = logits[t].contiguous();
    const auto* values = row.const_data_ptr<float>();
    rows.push_back(std::vector<float>(values, values + row.numel()));
  }
  return dump_json({{"logits", rows}});
}

}  // namespace
}  // namespace thoughtrank

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: dump_logits MODEL_DIR < ids.jsonl\n", stderr);
    return static_cast<int>(thoughtrank::ExitCode::kUsage);
  }
  try {
    const at::NoGradGuard no_grad;
    const thoughtrank::Llama model = thoughtrank::load_llama(argv[1], at::kFloat, at::kCPU);
    for (std::string line; std::getline(std::cin, line);) {
      std::cout << thoughtrank::logits_line(model, line) << std::endl;
    }
  } catch (const thoughtrank::Error& error) {
    std::fprintf(stderr, "dump_logits: %s\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
