// What all tokenizers share: the table id -> bytes, the added tokens, decoding, and the walk over
// the parts of a text. A subclass only turns a run of ordinary text into ids.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.h"
#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

struct TokenEntry {
  std::string bytes;
  bool is_special = false;
  bool is_byte = false;  // "<0x0A>" of a SentencePiece-style vocabulary
};

struct TokenTable {
  std::string where;  // the file, for messages
  std::vector<TokenEntry> entries;
  AddedTokens added;
  std::vector<int64_t> leading_ids;
  bool strips_leading_space = false;  // decoding drops the space in front of the first word
  bool has_byte_fallback = false;     // decoding replaces bytes of a broken character one by one
};

class TableTokenizer : public Tokenizer {
 public:
  explicit TableTokenizer(TokenTable table);

  std::vector<int64_t> encode(std::string_view text) const override;
  std::vector<int64_t> encode_with_special(std::string_view text) const override;
  std::vector<int64_t> encode_parts(const std::vector<TextPart>& parts) const override;
  std::string_view token_bytes(int64_t id) const override;
  bool is_special(int64_t id) const override;
  int64_t vocabulary_size() const override;
  std::optional<int64_t> find_token(std::string_view content) const override;
  std::string decode(const std::vector<int64_t>& ids, bool skip_special) const override;
  std::vector<int64_t> leading_ids() const override { return table_.leading_ids; }

 protected:
  // Appends the ids of `text`: valid UTF-8, not empty, without added tokens. `is_first`: nothing
  // stands before it.
  virtual void encode_ordinary(std::string_view text,
                               bool is_first,
                               std::vector<int64_t>& ids) const = 0;

 private:
  [[nodiscard]] const TokenEntry& entry(int64_t id) const;

  TokenTable table_;
  std::unordered_map<std::string, int64_t> id_by_bytes_;
};

}  // namespace thoughtrank
