#include "thoughtrank/train/checkpoint.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/random.h"
#include "train/checkpoint_files.h"
#include "train/low_rank.h"

namespace thoughtrank {
namespace {

constexpr int64_t kProbeTokens = 32;

// The model with weights as they will be in the files; shares those that need no conversion.
Llama converted(const Llama& model, at::ScalarType dtype) {
  Llama copy = model;
  const auto convert = [&](at::Tensor& tensor) { tensor = tensor.detach().to(dtype); };
  for (at::Tensor* tensor : {&copy.embed_tokens, &copy.norm}) convert(*tensor);
  for (LlamaLayer& layer : copy.layers) {
    for (at::Tensor* tensor : {&layer.input_layernorm,
                               &layer.q_proj,
                               &layer.k_proj,
                               &layer.v_proj,
                               &layer.o_proj,
                               &layer.post_attention_layernorm,
                               &layer.gate_proj,
                               &layer.up_proj,
                               &layer.down_proj}) {
      convert(*tensor);
    }
  }
  if (copy.config.tie_word_embeddings) {
    copy.lm_head = copy.embed_tokens;
  } else {
    convert(copy.lm_head);
  }
  return copy;
}

// Error(kTrainingHealth) unless every weight is finite and the base has the same names and shapes.
void require_sound(const NamedTensors& weights, const fs::path& base_folder) {
  const auto base = SafetensorsReader::open_model(base_folder);
  for (const auto& [name, tensor] : weights) {
    if (!at::isfinite(tensor).all().item<bool>()) {
      fail(ExitCode::kTrainingHealth,
           "{} has values that are not finite after training: the checkpoint is not published. "
           "Lower train.learning_rate",
           name);
    }
    const auto found = base.tensors().find(name);
    if (found == base.tensors().end() || at::IntArrayRef(found->second.shape) != tensor.sizes()) {
      fail(ExitCode::kTrainingHealth,
           "{} of the trained model is ({}), but {} has {}. Did the base folder change?",
           name,
           fmt::join(tensor.sizes(), ", "),
           base_folder.string(),
           found == base.tensors().end()
               ? std::string("no such weight")
               : fmt::format("({})", fmt::join(found->second.shape, ", ")));
    }
  }
}

at::Tensor probe_logits(const Llama& model) {
  const at::NoGradGuard no_grad;
  RandomStream stream(0, "checkpoint probe");
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < kProbeTokens; ++i) {
    ids.push_back(
        static_cast<int64_t>(stream.below(static_cast<uint64_t>(model.config.vocab_size))));
  }
  const at::Tensor tokens = at::tensor(ids, at::kLong).to(model.embed_tokens.device());
  return forward_logits(model, {.ids = tokens, .offsets = {0, kProbeTokens}});
}

// Error(kTrainingHealth) unless the folder, read from disk, computes what `model` does, bit by bit.
void require_same_probe(const Llama& model, const fs::path& folder) {
  const at::Tensor expected = probe_logits(model);
  const Llama reloaded =
      load_llama(folder, model.embed_tokens.scalar_type(), model.embed_tokens.device());
  if (!at::equal(probe_logits(reloaded), expected)) {
    fail(ExitCode::kTrainingHealth,
         "{}: the weights read from disk give other logits than those in memory; the checkpoint is "
         "not published. Is the disk sound?",
         folder.string());
  }
}

// Removed unless it was published (renamed).
struct TemporaryFolder {
  fs::path path;
  explicit TemporaryFolder(const fs::path& target)
      : path(target.parent_path() / (".tmp-" + target.filename().string())) {
    fs::create_directories(target.parent_path());
    fs::remove_all(path);
    fs::create_directory(path);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
};

}  // namespace

namespace {

// What somebody else put there must not become damage, not even where it cannot be read.
void remark_foreign_files(const fs::path& folder, std::vector<std::string>& remarks) {
  try {
    for (const std::string& name : foreign_files(folder)) {
      remarks.push_back(fmt::format("{} is not this run's", (folder / name).string()));
    }
  } catch (const fs::filesystem_error& error) {
    remarks.push_back(error.what());
  }
}

}  // namespace

CheckpointState check_checkpoint(const fs::path& folder) {
  CheckpointState state;
  try {
    for (const ChangedFile& file : changed_files(folder)) {
      if (is_document(file.path)) {
        state.remarks.push_back(file.reason);
      } else if (state.damage.empty()) {
        state.damage = file.reason;
      }
    }
    remark_foreign_files(folder, state.remarks);
  } catch (const Error& error) {
    state.damage = error.what();
  } catch (const fs::filesystem_error& error) {
    state.damage = error.what();
  }
  return state;
}

uint64_t checkpoint_bytes(const Llama& model, Dtype dtype) {
  constexpr uint64_t kOtherFiles = 64 << 20;  // tokenizer, card, licence
  uint64_t elements = 0;
  for (const auto& [name, tensor] : model.named_parameters()) {
    elements += static_cast<uint64_t>(tensor.numel());
  }
  return elements * static_cast<uint64_t>(bytes_of(dtype)) + kOtherFiles;
}

PublishedCheckpoint publish_checkpoint(const Llama& model, const CheckpointSetup& setup) {
  require_licence(setup.base_folder, setup.target, setup.is_private);
  const fs::path target = fs::absolute(setup.target);
  const Llama exported = converted(model, scalar_type(setup.dtype));
  require_sound(exported.named_parameters(), setup.base_folder);
  const TemporaryFolder temporary(target);
  require_free_space(temporary.path, checkpoint_bytes(model, setup.dtype));
  std::vector<ManifestEntry> files = write_model(temporary.path, exported.named_parameters());
  for (const ManifestEntry& file : write_checkpoint_files(temporary.path, setup, model.config)) {
    files.push_back(file);
  }
  if (!setup.adapter.empty()) {
    const auto config = adapter_config(setup.lora, setup.adapter_base.string());
    for (ManifestEntry& file : write_adapter(temporary.path / "adapter", setup.adapter, config)) {
      file.path = "adapter/" + file.path;
      files.push_back(std::move(file));
    }
  }
  require_same_probe(exported, temporary.path);
  if (setup.inspect) setup.inspect(temporary.path);
  const Json extra = setup.manifest_extra.is_null() ? Json::object() : setup.manifest_extra;
  const std::string manifest = publish_folder(temporary.path, target, files, extra);
  return {.manifest_sha256 = manifest, .weights_sha256 = weights_sha256(target)};
}

}  // namespace thoughtrank
