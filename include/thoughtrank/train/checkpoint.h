// A checkpoint is a Hugging Face folder: weights, config.json, generation_config.json, tokenizer
// files, chat_template.jinja, model card, MANIFEST.json with the SHA-256 of every file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "thoughtrank/config/fields.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/model/llama.h"
#include "thoughtrank/text/chat_template.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {

struct CheckpointOptions {
  int64_t keep = 2;
  Dtype dtype = Dtype::bfloat16;  // bfloat16 | float32: of the exported weights
  void visit(FieldVisitor& v);
};

struct CheckpointSetup {
  std::filesystem::path base_folder;  // tokenizer, config and generation config come from here
  std::filesystem::path target;       // the checkpoint's folder: round-NN/checkpoint
  const ChatTemplate& chat_template;
  Dtype dtype = Dtype::bfloat16;
  bool is_private = false;  // no publishing rules for name and licence files
  Json card;  // the model card's front matter and facts: base_model, round, judge, hashes, …
  std::string rows_file = {};  // of rows that are not the run's own
  // Method lora: what TrainResult::adapter holds, and the weights it was trained on. Kept in
  // adapter/, in PEFT's format; the checkpoint's own weights have it merged.
  NamedTensors adapter = {};
  LoraOptions lora = {};
  std::filesystem::path adapter_base = {};
  Json manifest_extra;  // put in MANIFEST.json: config hash, parent manifest hash
  // Looks at the folder when it is whole and verified, but for its manifest; what it throws keeps
  // it from being published.
  std::function<void(const std::filesystem::path& folder)> inspect = {};
};

struct PublishedCheckpoint {
  std::string manifest_sha256;
  std::string weights_sha256;
};

// Writes, verifies (all finite; names, shapes equal the base; probe logits from disk equal those of
// the exported weights in memory, bit by bit) and publishes. Error(kTrainingHealth) when a check
// fails, Error(kIo) as files.h says, Error(kConfig) when a Llama derivative would break its licence
// (name, LICENSE, NOTICE) and is not private.
[[nodiscard]] PublishedCheckpoint publish_checkpoint(const Llama& model,
                                                     const CheckpointSetup& setup);

// What has become of a published checkpoint.
struct CheckpointState {
  // Why its weights, configuration or tokenizer are not those that were published, naming the file;
  // empty when they are.
  std::string damage;
  // Sentences about other files that were changed or removed, or that somebody else put there.
  std::vector<std::string> remarks;
};
[[nodiscard]] CheckpointState check_checkpoint(const std::filesystem::path& folder);

// Returns the bytes that a checkpoint of this model will need.
[[nodiscard]] uint64_t checkpoint_bytes(const Llama& model, Dtype dtype);

// Checks the parts of the licence rule that can be told before any work. Throws Error(kConfig) as
// above.
void require_licence(const std::filesystem::path& base_folder,
                     const std::filesystem::path& target,
                     bool is_private);

}  // namespace thoughtrank
