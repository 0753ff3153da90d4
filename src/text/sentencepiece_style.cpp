#include "text/sentencepiece_style.h"

#include <utility>

#include "text/unicode.h"

namespace thoughtrank {
namespace {

SpaceRule::Step read_replace(const Json& value, const std::string& where) {
  check_keys(value, {"type", "pattern", "content"}, where);
  const Json& pattern = require(value, "pattern", where);
  check_keys(pattern, {"String"}, where + ".pattern");
  SpaceRule::Step step{require_string(pattern, "String", where),
                       require_string(value, "content", where)};
  if (step.replaces.empty()) fail_unknown(where, value);
  return step;
}

void read_normalizer(const Json& value, const std::string& where, SpaceRule& rule) {
  if (value.is_null()) return;
  const std::string type = require_string(value, "type", where);
  if (type == "Prepend") {
    check_keys(value, {"type", "prepend"}, where);
    rule.steps.push_back({"", require_string(value, "prepend", where)});
  } else if (type == "Replace") {
    rule.steps.push_back(read_replace(value, where));
  } else if (type == "Sequence") {
    check_keys(value, {"type", "normalizers"}, where);
    const Json& steps = require(value, "normalizers", where);
    if (!steps.is_array()) fail_unknown(where, value);
    for (size_t i = 0; i < steps.size(); ++i) {
      read_normalizer(steps[i], fmt::format("{}[{}]", where, i), rule);
    }
  } else {
    fail_unknown(where + " (known: Prepend, Replace, Sequence)", value);
  }
}

void read_metaspace(const Json& value, const std::string& where, SpaceRule& rule) {
  if (value.is_null()) return;
  if (require_string(value, "type", where) != "Metaspace") {
    fail_unknown(where + " (known with this kind of vocabulary: Metaspace)", value);
  }
  check_keys(value, {"type", "replacement", "prepend_scheme", "split"}, where);
  expect_value(value, "replacement", std::string(kSpaceMark), where);
  if (bool_or(value, "split", true, where)) {
    fail(ExitCode::kBadData, "{}.split is true; thoughtrank understands only false", where);
  }
  const std::string scheme = require_string(value, "prepend_scheme", where);
  using Prefix = SpaceRule::Prefix;
  if (scheme == "first") {
    rule.prefix = Prefix::kFirst;
  } else if (scheme == "always") {
    rule.prefix = Prefix::kAlways;
  } else if (scheme != "never") {
    fail_unknown(where + ".prepend_scheme", value);
  }
  rule.has_metaspace = true;
}

}  // namespace

SpaceRule read_space_rule(const Json& normalizer,
                          const Json& pre_tokenizer,
                          const std::string& where) {
  SpaceRule rule;
  read_normalizer(normalizer, where + ": normalizer", rule);
  read_metaspace(pre_tokenizer, where + ": pre_tokenizer", rule);
  return rule;
}

std::string apply_space_rule(const SpaceRule& rule, std::string text, bool is_first) {
  for (const auto& step : rule.steps) {
    if (step.replaces.empty()) {
      text.insert(0, step.with);
    } else {
      text = replace_all(text, step.replaces, step.with);
    }
  }
  if (!rule.has_metaspace) return text;
  text = replace_all(text, " ", kSpaceMark);
  using Prefix = SpaceRule::Prefix;
  const bool wants_prefix =
      rule.prefix == Prefix::kAlways || (rule.prefix == Prefix::kFirst && is_first);
  if (wants_prefix && !text.starts_with(kSpaceMark)) text.insert(0, kSpaceMark);
  return text;
}

// Sequence[Replace("▁" -> " "), ByteFallback, Fuse] and perhaps Strip(" ", start 1).
void read_sentencepiece_decoder(const Json& decoder, const std::string& where, TokenTable& table) {
  static const BigJson kReplace = {
      {"type", "Replace"}, {"pattern", {{"String", kSpaceMark}}}, {"content", " "}};
  static const BigJson kByteFallback = {{"type", "ByteFallback"}};
  static const BigJson kFuse = {{"type", "Fuse"}};
  static const BigJson kStrip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  if (!decoder.is_object() || decoder.value("type", Json()) != "Sequence") {
    fail_unknown(where, decoder);
  }
  check_keys(decoder, {"type", "decoders"}, where);
  const BigJson steps(require(decoder, "decoders", where));  // sorted: equal in any order of keys
  const bool is_plain = steps == BigJson::array({kReplace, kByteFallback, kFuse});
  const bool is_stripping = steps == BigJson::array({kReplace, kByteFallback, kFuse, kStrip});
  if (!is_plain && !is_stripping) fail_unknown(where, decoder);
  table.strips_leading_space = is_stripping;
  table.has_byte_fallback = true;
}

SentencePieceStyleTokenizer::SentencePieceStyleTokenizer(TokenTable table,
                                                         const BpeModel& model,
                                                         SpaceRule rule)
    : TableTokenizer(table),
      rule_(std::move(rule)),
      merger_(model.pieces, /*byte_fallback=*/true, table.where) {
  if (!model.ignore_merges) return;
  for (const auto& [text, id] : model.ids) {
    if (!table.entries[static_cast<size_t>(id)].is_special) whole_.emplace(text, id);
  }
}

void SentencePieceStyleTokenizer::encode_ordinary(std::string_view text,
                                                  bool is_first,
                                                  std::vector<int64_t>& ids) const {
  const std::string prepared = apply_space_rule(rule_, std::string(text), is_first);
  const auto whole = whole_.find(prepared);
  if (whole != whole_.end()) {
    ids.push_back(whole->second);
  } else {
    merger_.encode(prepared, ids);
  }
}

}  // namespace thoughtrank
