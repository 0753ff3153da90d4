// A tokenizer over a handful of given byte strings: longest match first, bytes without a token
// become token 0, "<unk>". Ids are positions in the list.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

class ToyTokenizer : public Tokenizer {
 public:
  // With `leading_space` a text gets a space in front, as SentencePiece does it.
  explicit ToyTokenizer(std::vector<std::string> tokens,
                        std::vector<int64_t> special = {},
                        bool leading_space = false)
      : tokens_(std::move(tokens)), special_(std::move(special)), leading_space_(leading_space) {
    tokens_.insert(tokens_.begin(), "<unk>");
  }

  std::vector<int64_t> encode(std::string_view text) const override {
    const std::string whole = leading_space_ ? " " + std::string(text) : std::string(text);
    std::vector<int64_t> ids;
    for (size_t at = 0; at < whole.size();) {
      ids.push_back(longest_at(std::string_view(whole).substr(at)));
      at += ids.back() == 0 ? 1 : token_bytes(ids.back()).size();
    }
    return ids;
  }
  std::vector<int64_t> encode_with_special(std::string_view text) const override {
    return encode(text);
  }
  std::string_view token_bytes(int64_t id) const override {
    return tokens_.at(static_cast<size_t>(id));
  }
  bool is_special(int64_t id) const override {
    return std::find(special_.begin(), special_.end(), id) != special_.end();
  }
  int64_t vocabulary_size() const override { return std::ssize(tokens_); }
  std::optional<int64_t> find_token(std::string_view content) const override {
    const auto found = std::find(tokens_.begin(), tokens_.end(), content);
    if (found == tokens_.end()) return std::nullopt;
    return found - tokens_.begin();
  }
  std::string decode(const std::vector<int64_t>& ids, bool) const override {
    std::string text;
    for (const int64_t id : ids) text += token_bytes(id);
    return text;
  }
  std::vector<int64_t> leading_ids() const override { return {}; }

 private:
  int64_t longest_at(std::string_view rest) const {
    int64_t best = 0;
    for (int64_t id = 1; id < vocabulary_size(); ++id) {
      const std::string_view bytes = token_bytes(id);
      const bool is_longer = best == 0 || bytes.size() > token_bytes(best).size();
      if (!is_special(id) && !bytes.empty() && is_longer && rest.starts_with(bytes)) best = id;
    }
    return best;
  }

  std::vector<std::string> tokens_;
  std::vector<int64_t> special_;
  bool leading_space_;
};

// Every printable ASCII character and the newline, then `more`; "<eos>", special, is the last.
inline ToyTokenizer ascii_tokenizer(std::vector<std::string> more = {}) {
  std::vector<std::string> tokens = {"\n"};
  for (char c = ' '; c <= '~'; ++c) tokens.emplace_back(1, c);
  tokens.insert(tokens.end(), more.begin(), more.end());
  tokens.emplace_back("<eos>");
  const int64_t eos = std::ssize(tokens);  // "<unk>" goes in front
  return ToyTokenizer(std::move(tokens), {eos});
}

}  // namespace thoughtrank
