// tokenizer.json: reads the parts, decides between the byte-level and the SentencePiece style, puts
// them together.
#include <unordered_set>
#include <utility>

#include "text/bpe_model.h"
#include "text/byte_level.h"
#include "text/byte_level_tokenizer.h"
#include "text/post_processor.h"
#include "text/sentencepiece_style.h"
#include "text/tokenizer_files.h"
#include "text/unicode.h"
#include "thoughtrank/core/file_kind.h"

namespace thoughtrank {
namespace {

constexpr uint64_t kLargestFile = 256u << 20;

AddedToken read_added_token(const Json& value, int64_t highest_id, const std::string& where) {
  check_keys(
      value, {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}, where);
  AddedToken token;
  token.id = require_int(value, "id", 0, highest_id, where);
  token.content = require_string(value, "content", where);
  if (token.content.empty()) fail(ExitCode::kBadData, "{}: empty content", where);
  const std::string name = where + " '" + token.content + "'";
  if (bool_or(value, "single_word", false, name)) {
    fail(ExitCode::kBadData, "{}: thoughtrank does not understand single_word", name);
  }
  token.takes_space_before = bool_or(value, "lstrip", false, name);
  token.takes_space_after = bool_or(value, "rstrip", false, name);
  token.is_late = bool_or(value, "normalized", true, name);
  token.is_special = require_bool(value, "special", name);
  return token;
}

// Puts an added token into vocabulary and table. It may have a place in the vocabulary; its id must
// agree.
void place_added_token(const AddedToken& token,
                       const std::string& where,
                       BpeModel& model,
                       TokenTable& table) {
  const auto known = model.ids.find(token.content);
  const auto index = static_cast<size_t>(token.id);
  if (known != model.ids.end() ? known->second != token.id : index < model.ids.size()) {
    fail(ExitCode::kBadData,
         "{}: '{}' has id {}, the vocabulary says otherwise",
         where,
         token.content,
         token.id);
  }
  if (index >= model.pieces.size()) model.pieces.resize(index + 1);
  if (known == model.ids.end()) {
    if (!model.pieces[index].text.empty()) {
      fail(ExitCode::kBadData, "{}: the id {} is there twice", where, token.id);
    }
    model.pieces[index] = {token.content, 0, PieceKind::kControl};
  }
  table.added.add(token);
}

void read_added_tokens(const Json& value,
                       bool has_normalizer,
                       const std::string& where,
                       BpeModel& model,
                       TokenTable& table) {
  if (!value.is_array()) fail(ExitCode::kBadData, "{}: should be a list", where);
  const auto highest_id = static_cast<int64_t>(model.ids.size() + value.size()) - 1;
  std::unordered_set<std::string> contents;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string entry = fmt::format("{}[{}]", where, i);
    const AddedToken token = read_added_token(value[i], highest_id, entry);
    if (!contents.insert(token.content).second) {
      fail(ExitCode::kBadData, "{}: '{}' is there twice", entry, token.content);
    }
    if (token.is_late && has_normalizer) {
      fail(ExitCode::kBadData,
           "{} '{}': thoughtrank does not understand normalized: true together with a normalizer. "
           "Set it to false",
           entry,
           token.content);
    }
    place_added_token(token, where, model, table);
  }
}

std::string bytes_of_entry(const MergePiece& piece, bool is_byte_level) {
  if (is_byte_level) return bytes_of_piece(piece.text).value_or(piece.text);
  if (piece.kind == PieceKind::kByte) {
    return std::string(1, static_cast<char>(std::stoi(piece.text.substr(3, 2), nullptr, 16)));
  }
  return replace_all(piece.text, kSpaceMark, " ");
}

void fill_entries(const BpeModel& model, bool is_byte_level, TokenTable& table) {
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const MergePiece& piece = model.pieces[id];
    if (piece.text.empty()) {
      fail(ExitCode::kBadData, "{}: no token has the id {}: ids have a hole", table.where, id);
    }
    table.entries.push_back(
        {bytes_of_entry(piece, is_byte_level), false, piece.kind == PieceKind::kByte});
  }
  for (const auto& token : table.added.all()) {
    table.entries[static_cast<size_t>(token.id)] = {token.content, token.is_special, false};
  }
}

// The style is told by the decoder: a ByteLevel one goes with byte characters.
bool is_byte_level_decoder(const Json& decoder, const std::string& where) {
  if (require_string(decoder, "type", where) != "ByteLevel") return false;
  check_keys(decoder, {"type", "add_prefix_space", "trim_offsets", "use_regex"}, where);
  return true;
}

void check_top_level(const Json& rest, const std::string& where) {
  // truncation and padding are settings of a caller of Hugging Face's library; its encode() for a
  // model sets them anew.
  check_keys(rest,
             {"version",
              "truncation",
              "padding",
              "added_tokens",
              "normalizer",
              "pre_tokenizer",
              "post_processor",
              "decoder",
              "model"},
             where);
  expect_value(rest, "version", "1.0", where);
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer_json(const std::filesystem::path& file) {
  const std::string where = file.string();
  BigJson whole = parse_big_json(read_text_file(file, kLargestFile), where);
  if (!whole.is_object()) fail(ExitCode::kBadData, "{}: should be an object", where);
  BpeModel model = read_bpe_model(std::exchange(whole["model"], nullptr), where + ": model");
  const Json rest(whole);
  check_top_level(rest, where);
  const Json normalizer = rest.value("normalizer", Json());
  const Json pre_tokenizer = rest.value("pre_tokenizer", Json());
  const Json& decoder = require(rest, "decoder", where);

  const bool is_byte_level = is_byte_level_decoder(decoder, where + ": decoder");
  if (is_byte_level && !normalizer.is_null()) fail_unknown(where + ": normalizer", normalizer);

  TokenTable table;
  table.where = where;
  read_added_tokens(require(rest, "added_tokens", where),
                    !normalizer.is_null(),
                    where + ": added_tokens",
                    model,
                    table);
  fill_entries(model, is_byte_level, table);
  table.leading_ids = read_leading_ids(rest.value("post_processor", Json()),
                                       static_cast<int64_t>(table.entries.size()),
                                       where + ": post_processor");
  if (is_byte_level) {
    PreTokenizer splits = read_pre_tokenizer(pre_tokenizer, where + ": pre_tokenizer");
    return std::make_unique<ByteLevelTokenizer>(
        std::move(table), std::move(model), std::move(splits));
  }
  if (!model.byte_fallback) {
    fail(ExitCode::kBadData,
         "{}: thoughtrank understands a ByteLevel decoder, or model.byte_fallback: true",
         where);
  }
  read_sentencepiece_decoder(decoder, where + ": decoder", table);
  SpaceRule rule = read_space_rule(normalizer, pre_tokenizer, where);
  return std::make_unique<SentencePieceStyleTokenizer>(
      std::move(table), std::move(model), std::move(rule));
}

}  // namespace thoughtrank
