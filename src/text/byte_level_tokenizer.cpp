#include "text/byte_level_tokenizer.h"

#include <utility>

#include "text/byte_level.h"

namespace thoughtrank {
namespace {

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Regex read_split(const Json& value, const std::string& where) {
  check_keys(value, {"type", "pattern", "behavior", "invert"}, where);
  expect_value(value, "behavior", "Isolated", where);
  expect_value(value, "invert", false, where);
  const Json& pattern = require(value, "pattern", where);
  check_keys(pattern, {"Regex", "String"}, where + ".pattern");
  if (pattern.contains("String")) {
    return Regex::of_literal(require_string(pattern, "String", where), where);
  }
  return Regex(require_string(pattern, "Regex", where + ".pattern"), where + ".pattern");
}

Regex read_digits(const Json& value, const std::string& where) {
  check_keys(value, {"type", "individual_digits"}, where);
  return Regex(bool_or(value, "individual_digits", false, where) ? R"(\p{N})" : R"(\p{N}+)", where);
}

void read_byte_level(const Json& value, const std::string& where, PreTokenizer& pre_tokenizer) {
  check_keys(value, {"type", "add_prefix_space", "trim_offsets", "use_regex"}, where);
  pre_tokenizer.adds_prefix_space = bool_or(value, "add_prefix_space", true, where);
  if (bool_or(value, "use_regex", true, where)) {
    pre_tokenizer.last_split.emplace_back(kGpt2Pattern, where);
  }
}

}  // namespace

PreTokenizer read_pre_tokenizer(const Json& value, const std::string& where) {
  Json steps = Json::array({value});
  if (value.is_object() && value.value("type", Json()) == "Sequence") {
    check_keys(value, {"type", "pretokenizers"}, where);
    steps = require(value, "pretokenizers", where);
  }
  if (!steps.is_array() || steps.empty()) fail_unknown(where, value);
  PreTokenizer pre_tokenizer;
  for (size_t i = 0; i < steps.size(); ++i) {
    const Json& step = steps[i];
    const std::string name = fmt::format("{}[{}]", where, i);
    const std::string type = require_string(step, "type", name);
    const bool is_last = i + 1 == steps.size();
    if (type == "Split" && !is_last) {
      pre_tokenizer.splits.push_back(read_split(step, name));
    } else if (type == "Digits" && !is_last) {
      pre_tokenizer.splits.push_back(read_digits(step, name));
    } else if (type == "ByteLevel" && is_last) {
      read_byte_level(step, name, pre_tokenizer);
    } else {
      fail_unknown(name + " (known: Split and Digits, ByteLevel at the end)", step);
    }
  }
  return pre_tokenizer;
}

ByteLevelTokenizer::ByteLevelTokenizer(TokenTable table,
                                       const BpeModel& model,
                                       PreTokenizer pre_tokenizer)
    : TableTokenizer(table),
      pre_tokenizer_(std::move(pre_tokenizer)),
      merger_(model.pieces, /*byte_fallback=*/false, table.where) {
  for (size_t byte = 0; byte < 256; ++byte) {
    has_piece_[byte] = model.ids.contains(byte_characters()[byte]);
    if (!has_piece_[byte] && model.has_unknown) {
      fail(ExitCode::kBadData,
           "{}: model.unk_token is set and the vocabulary has no piece for the byte 0x{:02X}; "
           "thoughtrank "
           "understands an unknown token only where it is never needed",
           table.where,
           byte);
    }
  }
  if (!model.ignore_merges) return;
  for (const auto& [text, id] : model.ids) {
    if (!table.entries[static_cast<size_t>(id)].is_special) whole_.emplace(text, id);
  }
}

void ByteLevelTokenizer::encode_ordinary(std::string_view text,
                                         bool /*is_first*/,
                                         std::vector<int64_t>& ids) const {
  std::vector<std::string_view> segments = {text};
  for (const Regex& split : pre_tokenizer_.splits) {
    std::vector<std::string_view> finer;
    for (const std::string_view segment : segments) {
      const auto parts = split.isolate(segment);
      finer.insert(finer.end(), parts.begin(), parts.end());
    }
    segments = std::move(finer);
  }
  for (const std::string_view segment : segments) {
    const bool needs_space = pre_tokenizer_.adds_prefix_space && !segment.starts_with(' ');
    encode_segment(needs_space ? " " + std::string(segment) : std::string(segment), ids);
  }
}

void ByteLevelTokenizer::encode_segment(std::string_view segment, std::vector<int64_t>& ids) const {
  if (pre_tokenizer_.last_split.empty()) return encode_pre_token(segment, ids);
  for (const std::string_view part : pre_tokenizer_.last_split[0].isolate(segment)) {
    encode_pre_token(part, ids);
  }
}

void ByteLevelTokenizer::encode_pre_token(std::string_view bytes, std::vector<int64_t>& ids) const {
  std::string characters;  // all bytes, as the vocabulary writes them
  std::string known;       // those the vocabulary has
  for (const char byte : bytes) {
    const auto index = static_cast<unsigned char>(byte);
    characters += byte_characters()[index];
    if (has_piece_[index]) known += byte_characters()[index];
  }
  const auto whole = whole_.find(characters);
  if (whole != whole_.end()) {
    ids.push_back(whole->second);
  } else if (!known.empty()) {
    merger_.encode(known, ids);
  }
}

}  // namespace thoughtrank
