// The tokenizer of a model that has fewer rows than the tokenizer has tokens.
#include <algorithm>
#include <utility>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/shorten.h"
#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {
namespace {

class RowLimitedTokenizer : public Tokenizer {
 public:
  RowLimitedTokenizer(std::unique_ptr<Tokenizer> all, int64_t rows)
      : all_(std::move(all)), rows_(rows) {}

  [[nodiscard]] std::vector<int64_t> encode(std::string_view text) const override {
    return checked(all_->encode(text), text);
  }
  // Not for the model: `plan` compares such ids with those of the plain text.
  [[nodiscard]] std::vector<int64_t> encode_with_special(std::string_view text) const override {
    return all_->encode_with_special(text);
  }
  [[nodiscard]] std::vector<int64_t> encode_parts(
      const std::vector<TextPart>& parts) const override {
    std::string text;
    for (const TextPart& part : parts) text += part.text;
    return checked(all_->encode_parts(parts), text);
  }
  [[nodiscard]] std::string_view token_bytes(int64_t id) const override {
    return all_->token_bytes(id);
  }
  [[nodiscard]] bool is_special(int64_t id) const override { return all_->is_special(id); }
  [[nodiscard]] int64_t vocabulary_size() const override { return rows_; }
  [[nodiscard]] std::optional<int64_t> find_token(std::string_view content) const override {
    const auto id = all_->find_token(content);
    if (id) require_row(*id, content);
    return id;
  }
  [[nodiscard]] std::string decode(const std::vector<int64_t>& ids,
                                   bool skip_special) const override {
    return all_->decode(ids, skip_special);
  }
  [[nodiscard]] std::vector<int64_t> leading_ids() const override {
    return checked(all_->leading_ids(), "");
  }

 private:
  void require_row(int64_t id, std::string_view text) const {
    if (id < rows_) return;
    fail(ExitCode::kBadData,
         "the token '{}' has the id {}, but the model has {} rows (vocab_size in config.json), so "
         "that '{}' cannot be used. Leave that text out, or take the tokenizer that belongs to the "
         "model",
         shorten(all_->token_bytes(id)),
         id,
         rows_,
         shorten(text));
  }

  [[nodiscard]] std::vector<int64_t> checked(std::vector<int64_t> ids,
                                             std::string_view text) const {
    for (const int64_t id : ids) require_row(id, text);
    return ids;
  }

  std::unique_ptr<Tokenizer> all_;
  int64_t rows_;
};

}  // namespace

std::unique_ptr<Tokenizer> limit_to_rows(std::unique_ptr<Tokenizer> tokenizer, int64_t rows) {
  if (tokenizer->vocabulary_size() <= rows) return tokenizer;
  return std::make_unique<RowLimitedTokenizer>(std::move(tokenizer), rows);
}

}  // namespace thoughtrank
