// config.json of Llama-architecture models (Llama 1, 2, 3, 3.1, 3.2, SmolLM2, TinyLlama). A key
// that is missing has the default of transformers' LlamaConfig, none of ours; anything that would
// change the mathematics and is not understood is an error. The element type is not read here: the
// weights in the files have theirs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace thoughtrank {

struct RopeConfig {
  double theta = 0;
  bool is_llama3 = false;  // the "llama3" frequency scaling; else plain
  double factor = 1;
  double low_freq_factor = 1;
  double high_freq_factor = 1;
  int64_t original_max_position_embeddings = 0;
};

struct LlamaConfig {
  int64_t hidden_size = 0;              // C
  int64_t intermediate_size = 0;        // F
  int64_t num_hidden_layers = 0;        // L
  int64_t num_attention_heads = 0;      // H
  int64_t num_key_value_heads = 0;      // K
  int64_t head_dim = 0;                 // D
  int64_t vocab_size = 0;               // V
  int64_t max_position_embeddings = 0;  // tokens
  double rms_norm_eps = 0;
  RopeConfig rope;
  bool tie_word_embeddings = false;
  std::optional<int64_t> bos_id;
  std::vector<int64_t> eos_ids;  // union of config.json and generation_config.json, sorted
};

// Reads config.json and, where present, generation_config.json. Throws Error(kMissingInput |
// kBadData | kConfig).
[[nodiscard]] LlamaConfig read_llama_config(const std::filesystem::path& folder);

}  // namespace thoughtrank
