#include "thoughtrank/text/tokenizer.h"

#include "text/tokenizer_files.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/missing.h"

namespace thoughtrank {

// For tokenizers whose texts do not touch: each part on its own.
std::vector<int64_t> Tokenizer::encode_parts(const std::vector<TextPart>& parts) const {
  std::vector<int64_t> ids;
  for (const auto& part : parts) {
    const auto more = part.parse_special ? encode_with_special(part.text) : encode(part.text);
    ids.insert(ids.end(), more.begin(), more.end());
  }
  return ids;
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& folder) {
  require_model_folder(folder);
  if (is_there(folder / "tokenizer.json")) return load_tokenizer_json(folder / "tokenizer.json");
  if (is_there(folder / "tokenizer.model")) {
    return load_tokenizer_model(folder / "tokenizer.model");
  }
  fail(ExitCode::kMissingInput,
       "{}: found neither tokenizer.json nor tokenizer.model. Is this a Hugging Face model folder?",
       folder.string());
}

}  // namespace thoughtrank
