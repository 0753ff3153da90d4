#include "model/foreign_weights.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/file_kind.h"
#include "thoughtrank/core/shorten.h"

namespace thoughtrank {
namespace {

constexpr std::string_view kEmbedding = "model.embed_tokens.weight";

std::vector<std::string> file_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

std::optional<std::string> first_ending(const std::vector<std::string>& names,
                                        std::string_view ending) {
  const auto found =
      std::ranges::find_if(names, [&](const std::string& name) { return name.ends_with(ending); });
  return found == names.end() ? std::nullopt : std::optional(*found);
}

// The files of `pattern` in the folder of argv[1], or that file itself, as one safetensors file.
// Tensors that share memory are stored twice, which the format wants.
std::string pickle_line(const fs::path& from, const std::string& pattern, const fs::path& to) {
  return python_line(
             fmt::format(
                 "import sys, glob, torch; from safetensors.torch import save_file; "
                 "save_file({{k: v.clone().contiguous() for f in sorted(glob.glob(sys.argv[1]{})) "
                 "for k, v in torch.load(f, map_location='cpu', weights_only=True).items()}}, "
                 "sys.argv[2], metadata={{'format': 'pt'}})",
                 pattern.empty() ? "" : " + '/" + pattern + "'"),
             from) +
         " " + shell_word(to.string());
}

std::string adapter_line(const fs::path& folder) {
  return python_line(
             "import sys; from peft import AutoPeftModelForCausalLM; "
             "AutoPeftModelForCausalLM.from_pretrained(sys.argv[1]).merge_and_unload()"
             ".save_pretrained(sys.argv[2])",
             folder) +
         " " + shell_word(folder.string() + "-merged");
}

std::string adapter_text(const fs::path& folder) {
  return fmt::format(
      "a LoRA adapter without the weights that it adapts. Merge them, then copy the tokenizer's "
      "files beside the result: {}",
      adapter_line(folder));
}

// What lies in the folder instead, with the mend; "" for nothing known.
std::string found_instead(const fs::path& folder) {
  const std::vector<std::string> names = file_names(folder);
  const auto has = [&](const char* name) { return std::ranges::count(names, name) > 0; };
  if (has("adapter_config.json")) return "It is " + adapter_text(folder);
  if (has("params.json") || has("consolidated.00.pth")) {
    return "It is a checkpoint in Meta's own format (consolidated.*.pth). Take the folder of the "
           "same model in Hugging Face's format, which has config.json and *.safetensors";
  }
  for (const auto& [ending, pattern] :
       {std::pair{".bin", "pytorch_model*.bin"}, {".pth", "*.pth"}, {".pt", "*.pt"}}) {
    if (const auto pickle = first_ending(names, ending)) {
      return fmt::format("It has {}, in PyTorch's pickle format. Convert it: {}",
                         *pickle,
                         pickle_line(folder, pattern, folder / "model.safetensors"));
    }
  }
  if (const auto gguf = first_ending(names, ".gguf")) {
    return describe_foreign(folder / *gguf, FileKind::gguf);
  }
  return "";
}

// Safetensors under other names than a model's; "" where there are none.
std::string named_otherwise(const fs::path& folder) {
  const auto found = first_ending(file_names(folder), ".safetensors");
  if (!found || found->starts_with("adapter_")) return "";
  if (found->starts_with("model-")) {
    return fmt::format(
        "It has {}, but not the index that lists the files of a model: download that, too", *found);
  }
  return fmt::format("It has {}. Are these the weights? Then rename it: mv {} {}",
                     *found,
                     shell_word((folder / *found).string()),
                     shell_word((folder / "model.safetensors").string()));
}

// The folder below that is the model's: of the Hub's cache (snapshots/COMMIT), of a trainer.
std::optional<fs::path> model_below(const fs::path& folder) {
  std::error_code error;
  auto entry = fs::recursive_directory_iterator(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (entry.depth() == 1) entry.disable_recursion_pending();
    if (fs::exists(entry->path() / "config.json", error)) return entry->path();
    error.clear();
  }
  return std::nullopt;
}

struct Renaming {
  std::string what;        // "with '_orig_mod.' in them (torch.compile)"
  std::string expression;  // Python that turns the name k into ours
};

// Wrappers of modules put their own names between those of a Llama.
struct Wrapper {
  std::string_view part, by;
};
constexpr Wrapper kWrappers[] = {{"_orig_mod.", "torch.compile"},
                                 {"_fsdp_wrapped_module.", "FSDP"},
                                 {"_checkpoint_wrapped_module.", "activation checkpointing"}};

void erase_all(std::string& text, std::string_view part) {
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at)) {
    text.erase(at, part.size());
  }
}

// How the names become ours; nullopt where they are, or cannot.
std::optional<Renaming> renaming_of(const std::map<std::string, TensorInfo>& tensors) {
  Renaming renaming{.what = "", .expression = "k"};
  const auto add = [&](const std::string& what, const std::string& change) {
    renaming.what += (renaming.what.empty() ? "" : " and ") + what;
    renaming.expression += change;
  };
  for (const Wrapper& wrapper : kWrappers) {
    const bool occurs = std::ranges::any_of(tensors, [&](const auto& item) {
      return item.first.find(wrapper.part) != std::string::npos;
    });
    if (!occurs) continue;
    add(fmt::format("'{}' in them ({})", wrapper.part, wrapper.by),
        fmt::format(".replace('{}', '')", wrapper.part));
  }
  for (const auto& [stored, info] : tensors) {
    std::string name = stored;
    for (const Wrapper& wrapper : kWrappers) erase_all(name, wrapper.part);
    if (name == "embed_tokens.weight") {  // a LlamaModel's own
      return Renaming{.what = "no 'model.' before them",
                      .expression = "k if k.startswith('lm_head') else 'model.' + k"};
    }
    if (!name.ends_with(kEmbedding) || name.size() == kEmbedding.size()) continue;
    const std::string prefix = name.substr(0, name.size() - kEmbedding.size());
    add(fmt::format("'{}' before them", prefix), fmt::format(".removeprefix('{}')", prefix));
    break;
  }
  if (renaming.what.empty()) return std::nullopt;
  return renaming;
}

std::string rename_line(const std::map<std::string, TensorInfo>& tensors,
                        const std::string& expression) {
  const fs::path first = tensors.begin()->second.file;
  const bool is_single =
      std::ranges::all_of(tensors, [&](const auto& item) { return item.second.file == first; });
  // Several files become one, which is read before them.
  const fs::path to = first.parent_path() / "model.safetensors";
  const fs::path kept = first.string() + ".original";
  const fs::path from = is_single ? kept : first.parent_path();
  const std::string line =
      python_line(
          fmt::format("import sys, glob; from safetensors.torch import load_file, "
                      "save_file; save_file({{{}: v for f in sorted(glob.glob(sys.argv[1]{}))"
                      " for k, v in load_file(f).items()}}, sys.argv[2], "
                      "metadata={{'format': 'pt'}})",
                      expression,
                      is_single ? "" : " + '/*.safetensors'"),
          from) +
      " " + shell_word(to.string());
  if (!is_single) return line;
  return fmt::format("mv {} {} && {}", shell_word(first.string()), shell_word(kept.string()), line);
}

}  // namespace

void fail_without_config(const fs::path& folder) {
  std::string instead = found_instead(folder);
  if (const auto below = model_below(folder)) {
    instead = fmt::format("There is one in {}: is that the model's folder?", below->string());
  }
  fail(ExitCode::kMissingInput,
       "{}: there is no such file in the model's folder. {}",
       (folder / "config.json").string(),
       instead.empty() ? "Check the path" : instead);
}

void fail_without_safetensors(const fs::path& folder) {
  const std::string named = named_otherwise(folder);
  const std::string instead = named.empty() ? found_instead(folder) : named;
  fail(ExitCode::kMissingInput,
       "{}: has neither model.safetensors nor model.safetensors.index.json. {}",
       folder.string(),
       instead.empty() ? "Other weight formats are not read; convert the model with transformers' "
                         "save_pretrained."
                       : instead);
}

void refuse_foreign_weights(const fs::path& file, std::string_view first_bytes) {
  const FileKind kind = kind_of(first_bytes);
  if (kind == FileKind::unknown || kind == FileKind::safetensors) return;
  std::string text = describe_foreign(file, kind);
  if (kind == FileKind::pickle) {
    text += ". Convert it: " + pickle_line(file, "", converted_path(file, ".safetensors"));
  }
  fail(ExitCode::kBadData, "{}", text);
}

std::string foreign_names_text(const std::map<std::string, TensorInfo>& tensors) {
  for (const auto& [name, info] : tensors) {
    if (name.find(".lora_A.") != std::string::npos) {
      return "These are the weights of " + adapter_text(info.file.parent_path());
    }
  }
  if (const auto renaming = renaming_of(tensors)) {
    return fmt::format("The names have {}, as in {}. Rename them: {}",
                       renaming->what,
                       shorten(tensors.begin()->first, 100),
                       rename_line(tensors, renaming->expression));
  }
  if (tensors.contains("tok_embeddings.weight")) {
    return "These are names of Meta's own format. Take the model's folder in Hugging Face's format";
  }
  return "";
}

}  // namespace thoughtrank
