// What read_llama_config() makes of a folder: one line of JSON for each folder named on a line of
// stdin. For tests/parity/config_parity.py.
#include <iostream>
#include <string>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/model/config.h"

namespace thoughtrank {
namespace {

Json shown(const LlamaConfig& config) {
  Json rope = {{"rope_theta", config.rope.theta},
               {"rope_type", config.rope.is_llama3 ? "llama3" : "default"}};
  if (config.rope.is_llama3) {
    rope["factor"] = config.rope.factor;
    rope["low_freq_factor"] = config.rope.low_freq_factor;
    rope["high_freq_factor"] = config.rope.high_freq_factor;
    rope["original_max_position_embeddings"] = config.rope.original_max_position_embeddings;
  }
  return {{"hidden_size", config.hidden_size},
          {"intermediate_size", config.intermediate_size},
          {"num_hidden_layers", config.num_hidden_layers},
          {"num_attention_heads", config.num_attention_heads},
          {"num_key_value_heads", config.num_key_value_heads},
          {"head_dim", config.head_dim},
          {"vocab_size", config.vocab_size},
          {"max_position_embeddings", config.max_position_embeddings},
          {"rms_norm_eps", config.rms_norm_eps},
          {"tie_word_embeddings", config.tie_word_embeddings},
          {"bos_token_id", config.bos_id ? Json(*config.bos_id) : Json()},
          {"eos_token_id", config.eos_ids},
          {"rope", rope}};
}

}  // namespace
}  // namespace thoughtrank

int main() {
  using namespace thoughtrank;
  for (std::string folder; std::getline(std::cin, folder);) {
    Json line;
    try {
      line = shown(read_llama_config(folder));
    } catch (const Error& error) {
      line = {{"code", static_cast<int>(error.code())}, {"error", error.what()}};
    }
    std::cout << dump_json(line) << '\n';
  }
  return 0;
}
