#include "train/checkpoint_files.h"

#include <algorithm>

#include "thoughtrank/text/tokenizer.h"
#include "train/licence.h"

namespace thoughtrank {
namespace {

// Copied as they are where the base has them.
constexpr const char* kCopiedFiles[] = {"tokenizer.json",
                                        "tokenizer.model",
                                        "added_tokens.json",
                                        "vocab.json",
                                        "merges.txt",
                                        "LICENSE",
                                        "LICENSE.txt",
                                        "LICENSE.md",
                                        "USE_POLICY.md"};

class FolderWriter {
 public:
  explicit FolderWriter(fs::path folder) : folder_(std::move(folder)) {}
  void write(const std::string& name, const std::string& bytes) {
    FileWriter writer(folder_ / name);
    writer.write(bytes);
    writer.close();
    files_.push_back({.path = name, .bytes = writer.bytes(), .sha256 = writer.sha256()});
  }
  void write(const std::string& name, const Json& json) {
    write(name, json.dump(/*indent=*/2, ' ', /*ensure_ascii=*/false) + "\n");
  }
  [[nodiscard]] const std::vector<ManifestEntry>& files() const { return files_; }

 private:
  fs::path folder_;
  std::vector<ManifestEntry> files_;
};

Json read_json(const fs::path& file) {
  return fs::is_regular_file(file) ? parse_json(read_file(file), file.string()) : Json::object();
}

// Both names of the key: transformers 5 reads dtype, older ones torch_dtype.
Json config_with_dtype(const CheckpointSetup& setup) {
  Json config = read_json(setup.base_folder / "config.json");
  config["dtype"] = word_of(setup.dtype);
  config["torch_dtype"] = word_of(setup.dtype);
  return config;
}

Json generation_config(const CheckpointSetup& setup,
                       const LlamaConfig& config,
                       std::vector<int64_t> eos_ids) {
  for (const int64_t id : config.eos_ids) {
    if (std::find(eos_ids.begin(), eos_ids.end(), id) == eos_ids.end()) eos_ids.push_back(id);
  }
  Json json = read_json(setup.base_folder / "generation_config.json");
  json["eos_token_id"] = eos_ids.size() == 1 ? Json(eos_ids[0]) : Json(eos_ids);
  if (config.bos_id && !json.contains("bos_token_id")) json["bos_token_id"] = *config.bos_id;
  return json;
}

Json with_stop_token(Json config, const ChatTemplate& chat_template) {
  config["eos_token"] = chat_template.stop.at(0);
  return config;
}

// The template stands in a file of its own and, for readers of 2024 (transformers before 4.48,
// text-generation-inference), here.
Json tokenizer_config(const CheckpointSetup& setup) {
  Json config = read_json(setup.base_folder / "tokenizer_config.json");
  config["chat_template"] = setup.chat_template.jinja;
  return with_stop_token(std::move(config), setup.chat_template);
}

void write_tokenizer(FolderWriter& writer, const CheckpointSetup& setup) {
  writer.write("tokenizer_config.json", tokenizer_config(setup));
  const fs::path special = setup.base_folder / "special_tokens_map.json";
  if (fs::is_regular_file(special)) {
    writer.write("special_tokens_map.json",
                 with_stop_token(read_json(special), setup.chat_template));
  }
  writer.write("chat_template.jinja", setup.chat_template.jinja);
}

// The base's NOTICE, and the licence's own line where that lacks it.
void write_notice(FolderWriter& writer, const fs::path& base_folder) {
  const auto licence = find_llama_licence(base_folder);
  const fs::path base_notice = base_folder / "NOTICE";
  std::string notice = fs::is_regular_file(base_notice) ? read_file(base_notice) : "";
  if (licence && notice.find(licence->notice()) == std::string::npos) {
    notice += licence->notice() + "\n";
  }
  if (!notice.empty()) writer.write("NOTICE", notice);
}

}  // namespace

bool is_document(const std::string& name) {
  return name == "README.md" || name == "NOTICE" || name == "USE_POLICY.md" ||
         name.starts_with("LICENSE");
}

std::vector<ManifestEntry> write_checkpoint_files(const fs::path& folder,
                                                  const CheckpointSetup& setup,
                                                  const LlamaConfig& config) {
  const auto tokenizer = load_tokenizer(setup.base_folder);
  FolderWriter writer(folder);
  writer.write("config.json", config_with_dtype(setup));
  writer.write("generation_config.json",
               generation_config(setup, config, stop_ids(setup.chat_template, *tokenizer)));
  for (const char* name : kCopiedFiles) {
    const fs::path file = setup.base_folder / name;
    if (fs::is_regular_file(file)) writer.write(name, read_file(file));
  }
  write_tokenizer(writer, setup);
  write_notice(writer, setup.base_folder);
  writer.write("README.md", model_card(setup));
  return writer.files();
}

}  // namespace thoughtrank
