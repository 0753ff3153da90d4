// tokenizer.model: sentencepiece itself loads it, normalises and merges. Hugging Face adds tokens
// in two more files.
#include <sentencepiece_processor.h>

#include <algorithm>
#include <cctype>
#include <exception>
#include <map>
#include <new>
#include <utility>

#include "text/strict_json.h"
#include "text/token_table.h"
#include "text/tokenizer_files.h"
#include "text/unicode.h"
#include "thoughtrank/core/file_kind.h"
#include "thoughtrank/core/missing.h"

namespace thoughtrank {
namespace {

using sentencepiece::SentencePieceProcessor;

constexpr int64_t kLargestId = 1 << 22;

class SentencePieceTokenizer : public TableTokenizer {
 public:
  SentencePieceTokenizer(TokenTable table, std::unique_ptr<SentencePieceProcessor> processor)
      : TableTokenizer(std::move(table)), processor_(std::move(processor)) {}

 protected:
  void encode_ordinary(std::string_view text,
                       bool /*is_first*/,
                       std::vector<int64_t>& ids) const override {
    std::vector<int> pieces;
    const auto status = processor_->Encode(text, &pieces);
    if (!status.ok()) fail(ExitCode::kInternal, "sentencepiece: {}", status.ToString());
    ids.insert(ids.end(), pieces.begin(), pieces.end());
  }

 private:
  std::unique_ptr<SentencePieceProcessor> processor_;
};

TokenEntry entry_of(const SentencePieceProcessor& processor, int id) {
  const std::string& piece = processor.IdToPiece(id);
  if (processor.IsControl(id) || processor.IsUnknown(id)) return {piece, true, false};
  if (!processor.IsByte(id)) return {replace_all(piece, kSpaceMark, " "), false, false};
  // sentencepiece took the piece for a byte, so it is "<0x00>" to "<0xFF>".
  return {
      std::string(1, static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16))), false, true};
}

void fill_entries(const SentencePieceProcessor& processor, TokenTable& table) {
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    table.entries.push_back(entry_of(processor, id));
    const TokenEntry& entry = table.entries.back();
    if (!entry.is_special) continue;
    table.added.add({.id = id, .content = entry.bytes, .is_special = true});
  }
  table.has_byte_fallback = true;
  // The dummy prefix: "a" begins with "▁". sentencepiece's own decoder drops it again.
  const auto first = processor.EncodeAsIds("a");
  table.strips_leading_space =
      !first.empty() && processor.IdToPiece(first[0]).starts_with(kSpaceMark);
}

Json read_optional(const std::filesystem::path& file) {
  if (!is_there(file)) return Json::object();
  Json value = parse_json(read_text_file(file), file.string());
  if (!value.is_object()) fail(ExitCode::kBadData, "{}: should be an object", file.string());
  return value;
}

// {"32000": {"content": "<pad>", "lstrip": false, …}} of tokenizer_config.json.
AddedToken read_decoder_entry(int64_t id, const Json& value, const std::string& where) {
  check_keys(value, {"content", "lstrip", "normalized", "rstrip", "single_word", "special"}, where);
  if (bool_or(value, "single_word", false, where)) {
    fail(ExitCode::kBadData, "{}: thoughtrank does not understand single_word", where);
  }
  return {.id = id,
          .content = require_string(value, "content", where),
          .takes_space_before = bool_or(value, "lstrip", false, where),
          .takes_space_after = bool_or(value, "rstrip", false, where),
          .is_late = bool_or(value, "normalized", false, where),
          .is_special = bool_or(value, "special", false, where)};
}

int64_t read_id(const std::string& text, const std::string& where) {
  const bool is_number =
      !text.empty() && text.size() < 9 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number) fail(ExitCode::kBadData, "{}: '{}' is no token id", where, text);
  return checked_int(Json(std::stoll(text)), 0, kLargestId, where);
}

// Added tokens by id, from both files; where both name a token they must agree.
std::map<int64_t, AddedToken> collect_added_tokens(const std::filesystem::path& folder,
                                                   const Json& config) {
  std::map<int64_t, AddedToken> tokens;
  const std::string config_name = (folder / "tokenizer_config.json").string();
  const Json by_id = config.value("added_tokens_decoder", Json::object());
  for (const auto& [id_text, value] : by_id.items()) {
    const std::string where = fmt::format("{}: added_tokens_decoder.{}", config_name, id_text);
    const int64_t id = read_id(id_text, where);
    tokens[id] = read_decoder_entry(id, value, where);
  }
  const std::string added_name = (folder / "added_tokens.json").string();
  const Json by_content = read_optional(folder / "added_tokens.json");
  for (const auto& [content, value] : by_content.items()) {
    const int64_t id =
        checked_int(value, 0, kLargestId, fmt::format("{}: '{}'", added_name, content));
    const auto [known, is_new] = tokens.try_emplace(id, AddedToken{.id = id, .content = content});
    if (!is_new && known->second.content != content) {
      fail(ExitCode::kBadData,
           "{}: id {} is '{}', {} says '{}'",
           added_name,
           id,
           content,
           config_name,
           known->second.content);
    }
  }
  return tokens;
}

void place_added_tokens(const std::map<int64_t, AddedToken>& tokens,
                        int64_t pieces,
                        TokenTable& table) {
  for (const auto& [id, token] : tokens) {
    const auto size = static_cast<int64_t>(table.entries.size());
    if (token.content.empty()) {
      fail(ExitCode::kBadData, "{}: the added token {} is empty", table.where, id);
    }
    if (id < pieces) {
      const TokenEntry& entry = table.entries[static_cast<size_t>(id)];
      if (entry.bytes != token.content) {
        fail(ExitCode::kBadData,
             "{}: token {} is '{}', added tokens say '{}'",
             table.where,
             id,
             entry.bytes,
             token.content);
      }
      if (entry.is_special) continue;  // known to sentencepiece as a control token
    } else if (id > size) {
      fail(ExitCode::kBadData, "{}: no token has the id {}: ids have a hole", table.where, size);
    } else if (id == size) {
      table.entries.emplace_back();
    }
    table.entries[static_cast<size_t>(id)] = {token.content, token.is_special, false};
    table.added.add(token);
  }
}

// transformers puts BOS before each text unless add_bos_token is false.
std::vector<int64_t> leading_ids_of(const Json& config,
                                    const SentencePieceProcessor& processor,
                                    const std::string& where) {
  if (bool_or(config, "add_eos_token", false, where)) {
    fail(ExitCode::kBadData,
         "{}: add_eos_token is true; thoughtrank continues texts and cannot use that. Remove it",
         where);
  }
  if (!bool_or(config, "add_bos_token", true, where) || processor.bos_id() < 0) return {};
  return {processor.bos_id()};
}

// "IQ== 0": a token in base64 and its rank, line by line.
bool is_tiktoken(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, bytes.find('\n'));
  const size_t space = line.find(' ');
  return space != std::string_view::npos && space > 0 && space % 4 == 0 &&
         line.find_first_not_of("0123456789", space + 1) == std::string_view::npos &&
         line.size() > space + 1 && std::ranges::all_of(line.substr(0, space), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '+' || c == '/' || c == '=';
         });
}

std::unique_ptr<SentencePieceProcessor> load_processor(const std::filesystem::path& file) {
  auto processor = std::make_unique<SentencePieceProcessor>();
  const std::string bytes = read_text_file(file);  // a model is none, but begins with none of those
  if (is_tiktoken(bytes)) {
    fail(ExitCode::kBadData,
         "{}: is a tokenizer in Meta's own format (tiktoken), expected a sentencepiece model. Take "
         "the model's folder in Hugging Face's format, which has tokenizer.json",
         file.string());
  }
  std::string mistake;
  try {
    const auto status = processor->LoadFromSerializedProto(bytes);
    if (!status.ok()) mistake = status.ToString();
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {  // its trie throws, at a piece that begins with NUL
    mistake = error.what();
  }
  if (mistake.empty()) return processor;
  fail(ExitCode::kBadData, "{}: not a sentencepiece model: {}", file.string(), mistake);
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer_model(const std::filesystem::path& file) {
  auto processor = load_processor(file);
  const std::filesystem::path folder = file.parent_path();
  const Json config = read_optional(folder / "tokenizer_config.json");
  TokenTable table;
  table.where = file.string();
  fill_entries(*processor, table);
  place_added_tokens(collect_added_tokens(folder, config), processor->GetPieceSize(), table);
  table.leading_ids =
      leading_ids_of(config, *processor, (folder / "tokenizer_config.json").string());
  return std::make_unique<SentencePieceTokenizer>(std::move(table), std::move(processor));
}

}  // namespace thoughtrank
