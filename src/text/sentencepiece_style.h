// The SentencePiece style of tokenizer.json (Llama 2, TinyLlama): "▁" stands for a space, the text
// is merged as a whole, characters without a piece fall back to bytes ("<0xE2>").
#pragma once

#include <string>
#include <vector>

#include "text/bpe_model.h"
#include "text/token_table.h"

namespace thoughtrank {

struct SpaceRule {
  enum class Prefix { kNever, kFirst, kAlways };
  struct Step {
    std::string replaces;  // empty: `with` is put in front of the text
    std::string with;
  };
  std::vector<Step> steps;         // the normalizer
  bool has_metaspace = false;      // pre-tokenizer: ' ' -> "▁", and a "▁" in front by `prefix`
  Prefix prefix = Prefix::kNever;  // where the text does not begin with "▁" already
};

// Reads "normalizer" and "pre_tokenizer". Error(kBadData) naming what is not understood.
[[nodiscard]] SpaceRule read_space_rule(const Json& normalizer,
                                        const Json& pre_tokenizer,
                                        const std::string& where);
// The text as the merges see it: "a b" -> "▁a▁b".
[[nodiscard]] std::string apply_space_rule(const SpaceRule& rule, std::string text, bool is_first);

// Reads "decoder" into strips_leading_space.
void read_sentencepiece_decoder(const Json& decoder, const std::string& where, TokenTable& table);

class SentencePieceStyleTokenizer : public TableTokenizer {
 public:
  SentencePieceStyleTokenizer(TokenTable table, const BpeModel& model, SpaceRule rule);

 protected:
  void encode_ordinary(std::string_view text,
                       bool is_first,
                       std::vector<int64_t>& ids) const override;

 private:
  SpaceRule rule_;
  std::unordered_map<std::string, int64_t> whole_;  // texts that win before merging
  Merger merger_;
};

}  // namespace thoughtrank
