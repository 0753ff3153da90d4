#include "text/bpe_model.h"

#include <array>
#include <unordered_set>
#include <utility>

#include "text/unicode.h"

namespace thoughtrank {
namespace {

constexpr int64_t kLargestVocabulary = 1 << 22;

std::string in_quotes(std::string_view piece) { return dump_json(Json(std::string(piece))); }

void read_vocabulary(const BigJson& vocabulary, const std::string& where, BpeModel& model) {
  if (!vocabulary.is_object() || vocabulary.empty()) {
    fail(ExitCode::kBadData, "{}: should be an object of pieces and ids", where);
  }
  const auto count = static_cast<int64_t>(vocabulary.size());
  if (count > kLargestVocabulary) {
    fail(ExitCode::kBadData, "{}: {} pieces, at most {} allowed", where, count, kLargestVocabulary);
  }
  model.pieces.resize(vocabulary.size());
  for (const auto& [text, id_value] : vocabulary.items()) {
    if (text.empty()) fail(ExitCode::kBadData, "{}: holds an empty piece", where);
    const std::string entry = where + "[" + in_quotes(text) + "]";
    const int64_t id = checked_int(Json(id_value), 0, kLargestVocabulary, entry);
    if (id >= count) {
      fail(ExitCode::kBadData,
           "{} is {}, but there are only {} pieces: ids have a hole",
           entry,
           id,
           count);
    }
    MergePiece& piece = model.pieces[static_cast<size_t>(id)];
    if (!piece.text.empty()) {
      fail(ExitCode::kBadData, "{} is {}, which {} has too", entry, id, in_quotes(piece.text));
    }
    piece = {text, 0, PieceKind::kControl};
    model.ids.emplace(text, id);
  }
}

// "a b" or ["a", "b"].
std::pair<std::string, std::string> split_merge(const BigJson& merge, const std::string& where) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  if (merge.is_string()) {
    const auto text = merge.get<std::string>();
    const size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      return {text.substr(0, space), text.substr(space + 1)};
    }
  }
  fail(ExitCode::kBadData,
       "{} should be \"left right\" or [\"left\", \"right\"], found {}",
       where,
       dump_json(Json(merge)).substr(0, 200));
}

int64_t id_of(const BpeModel& model, const std::string& piece, const std::string& where) {
  const auto found = model.ids.find(piece);
  if (found == model.ids.end()) {
    fail(ExitCode::kBadData, "{}: {} is not in the vocabulary", where, in_quotes(piece));
  }
  return found->second;
}

// A piece may have several merges ("a"+"bc", "ab"+"c"). sentencepiece knows one score for all of
// them, so that they must stand next to each other, as all known converters write them.
void read_merges(const BigJson& merges, const std::string& where, BpeModel& model) {
  if (!merges.is_array()) fail(ExitCode::kBadData, "{}: should be a list", where);
  std::unordered_set<int64_t> seen;
  int64_t last_product = -1;
  int64_t rank = 0;
  for (size_t i = 0; i < merges.size(); ++i) {
    const std::string entry = fmt::format("{}[{}]", where, i);
    const auto [left, right] = split_merge(merges[i], entry);
    const int64_t left_id = id_of(model, left, entry);
    const int64_t right_id = id_of(model, right, entry);
    const int64_t product = id_of(model, left + right, entry);
    if (product != last_product) {
      MergePiece& piece = model.pieces[static_cast<size_t>(product)];
      if (piece.kind == PieceKind::kNormal) {
        fail(ExitCode::kBadData,
             "{} makes {}, whose other merges stand elsewhere in the list; thoughtrank needs them "
             "in a row",
             entry,
             in_quotes(piece.text));
      }
      piece.kind = PieceKind::kNormal;
      piece.score = -static_cast<float>(++rank);
      last_product = product;
      seen.clear();
    }
    if (!seen.insert(left_id << 32 | right_id).second) {
      fail(ExitCode::kBadData,
           "{}: {} + {} is there twice",
           entry,
           in_quotes(left),
           in_quotes(right));
    }
  }
}

void allow_characters(BpeModel& model) {
  for (auto& piece : model.pieces) {
    const bool is_character = character_size(piece.text[0]) == piece.text.size();
    if (is_character) piece.kind = PieceKind::kNormal;
  }
}

void allow_bytes(BpeModel& model, const std::string& where) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string name = fmt::format("<0x{:02X}>", byte);
    MergePiece& piece = model.pieces[static_cast<size_t>(id_of(model, name, where))];
    if (piece.kind != PieceKind::kControl) {
      fail(ExitCode::kBadData, "{}: a merge makes the byte piece {}", where, name);
    }
    piece.kind = PieceKind::kByte;
  }
}

}  // namespace

BpeModel read_bpe_model(BigJson model_json, const std::string& where) {
  if (!model_json.is_object()) fail(ExitCode::kBadData, "{}: should be an object", where);
  const BigJson vocabulary = std::exchange(model_json["vocab"], nullptr);
  const BigJson merges = std::exchange(model_json["merges"], nullptr);
  const Json rest(model_json);
  check_keys(rest,
             {"type",
              "dropout",
              "unk_token",
              "continuing_subword_prefix",
              "end_of_word_suffix",
              "fuse_unk",
              "byte_fallback",
              "ignore_merges",
              "vocab",
              "merges"},
             where);
  expect_value(rest, "type", "BPE", where);
  expect_value(rest, "dropout", 0.0, where);
  expect_value(rest, "continuing_subword_prefix", "", where);
  expect_value(rest, "end_of_word_suffix", "", where);
  static_cast<void>(bool_or(rest, "fuse_unk", false, where));  // no text reaches the unknown token
  BpeModel model;
  model.ignore_merges = bool_or(rest, "ignore_merges", false, where);
  model.byte_fallback = bool_or(rest, "byte_fallback", false, where);
  read_vocabulary(vocabulary, where + ".vocab", model);
  if (rest.contains("unk_token") && !rest["unk_token"].is_null()) {
    id_of(model, require_string(rest, "unk_token", where), where + ".unk_token");
    model.has_unknown = true;
  }
  read_merges(merges, where + ".merges", model);
  allow_characters(model);
  if (model.byte_fallback) allow_bytes(model, where + ".vocab");
  return model;
}

}  // namespace thoughtrank
