// Tokenizers of Hugging Face folders: tokenizer.json (byte-level BPE, or SentencePiece-style BPE
// with byte fallback) and tokenizer.model. sentencepiece does the merges; pre-tokenization is
// PCRE2. Anything in a file that is not understood is an error that names it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace thoughtrank {

// A kv_block of a text. Only where `parse_special` do added and special tokens in it become their
// ids.
struct TextPart {
  std::string_view text;
  bool parse_special = false;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // The ids of ordinary text: no BOS, special tokens in it are plain characters. Invalid UTF-8 is
  // replaced by U+FFFD first. Equal to Hugging Face's encode(add_special_tokens=False) of text
  // without special tokens.
  [[nodiscard]] virtual std::vector<int64_t> encode(std::string_view text) const = 0;
  // The same, but added and special tokens in the text become their ids (Hugging Face's default).
  [[nodiscard]] virtual std::vector<int64_t> encode_with_special(std::string_view text) const = 0;
  // The ids of the parts as one text: ordinary text that meets across a border is tokenised
  // together, but a special token never lies across one. This is how a prompt is encoded.
  [[nodiscard]] virtual std::vector<int64_t> encode_parts(const std::vector<TextPart>& parts) const;
  // The bytes a token stands for (special tokens: their text). Byte tokens may be half a character.
  [[nodiscard]] virtual std::string_view token_bytes(int64_t id) const = 0;
  [[nodiscard]] virtual bool is_special(int64_t id) const = 0;
  [[nodiscard]] virtual int64_t vocabulary_size() const = 0;  // highest id + 1
  [[nodiscard]] virtual std::optional<int64_t> find_token(std::string_view content) const = 0;

  // The text of a whole sequence as Hugging Face decodes it (for SentencePiece styles the leading
  // space of the first token goes). decode(encode(t)) == t byte for byte for valid UTF-8 text.
  [[nodiscard]] virtual std::string decode(const std::vector<int64_t>& ids,
                                           bool skip_special) const = 0;
  // The ids the post-processor puts before a text (BOS), possibly none.
  [[nodiscard]] virtual std::vector<int64_t> leading_ids() const = 0;
};

// Loads tokenizer.json or else tokenizer.model (with tokenizer_config.json beside it).
// Error(kMissingInput) when neither is there.
[[nodiscard]] std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& folder);

// For a model with fewer rows than the tokenizer has tokens: the ids of encode(), encode_parts(),
// find_token() and leading_ids() are all below `rows`; where one would not be, Error(kBadData)
// names the token and the text.
[[nodiscard]] std::unique_ptr<Tokenizer> limit_to_rows(std::unique_ptr<Tokenizer> tokenizer,
                                                       int64_t rows);

}  // namespace thoughtrank
