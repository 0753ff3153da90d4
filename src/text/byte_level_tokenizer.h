// Byte-level BPE (GPT-2, Llama 3, SmolLM2): the text is cut into pre-tokens by regular expressions,
// their bytes are written as characters, and each pre-token is merged on its own.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "text/bpe_model.h"
#include "text/regex.h"
#include "text/token_table.h"

namespace thoughtrank {

struct PreTokenizer {
  std::vector<Regex> splits;  // applied in turn
  bool adds_prefix_space = false;
  std::vector<Regex> last_split;  // ByteLevel's own, after the prefix space; none or one
};

// Reads "pre_tokenizer". Error(kBadData) naming the type that is not understood.
[[nodiscard]] PreTokenizer read_pre_tokenizer(const Json& value, const std::string& where);

// A vocabulary without some of the 256 byte characters drops those bytes from the text, as Hugging
// Face does.
class ByteLevelTokenizer : public TableTokenizer {
 public:
  ByteLevelTokenizer(TokenTable table, const BpeModel& model, PreTokenizer pre_tokenizer);

 protected:
  void encode_ordinary(std::string_view text,
                       bool is_first,
                       std::vector<int64_t>& ids) const override;

 private:
  void encode_segment(std::string_view segment, std::vector<int64_t>& ids) const;
  void encode_pre_token(std::string_view bytes, std::vector<int64_t>& ids) const;

  PreTokenizer pre_tokenizer_;
  std::unordered_map<std::string, int64_t> whole_;  // pre-tokens that win before merging
  std::array<bool, 256> has_piece_{};               // bytes the vocabulary knows
  Merger merger_;
};

}  // namespace thoughtrank
