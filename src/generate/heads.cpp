#include "generate/heads.h"

#include <algorithm>
#include <utility>

#include "generate/token_bytes.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

void check_tags(const BranchOptions& branches) {
  if (branches.open.empty() || branches.close.empty()) {
    fail(ExitCode::kConfig,
         "branches.{}: expected a tag such as '<thought>', found nothing",
         branches.open.empty() ? "open" : "close");
  }
}

void check_close(const BranchOptions& branches, const std::string& head) {
  if (head.find(branches.close) != std::string::npos) {
    fail(ExitCode::kConfig,
         "branches.close: '{}' is part of '{}', with which a branch begins: its thought would be "
         "closed before it begins. Choose another close tag.",
         branches.close,
         head);
  }
}

// Tokens whose bytes begin with the character.
std::vector<int64_t> tokens_beginning_with(const Tokenizer& tokenizer,
                                           const std::string& character,
                                           const TokenLimits& limits) {
  std::vector<int64_t> tokens;
  const int64_t count = std::min(tokenizer.vocabulary_size(), limits.vocab_size);
  for (int64_t id = 0; id < count; ++id) {
    const auto& eos = limits.eos_ids;
    if (tokenizer.token_bytes(id).starts_with(character) && !tokenizer.is_special(id) &&
        std::find(eos.begin(), eos.end(), id) == eos.end()) {
      tokens.push_back(id);
    }
  }
  if (tokens.empty()) {
    fail(ExitCode::kConfig,
         "branches.chars: no token of the model begins with '{}', which branches.mode "
         "'constrained' needs. Leave the character out or take mode 'literal'.",
         character);
  }
  return tokens;
}

Head make_head(const Tokenizer& tokenizer,
               const BranchOptions& branches,
               const std::string& character,
               const TokenLimits& limits) {
  Head head{.character = character, .thought = character, .ids = {}, .first_of = {}};
  if (branches.mode == HeadMode::literal) {
    head.ids = encode_exactly(tokenizer, branches.open + character, "branch head");
    return head;
  }
  head.ids = encode_exactly(tokenizer, branches.open, "branches.open");
  if (branches.mode == HeadMode::token) {
    const TokenIds ids = encode_exactly(tokenizer, character, "branches.chars");
    head.ids.insert(head.ids.end(), ids.begin(), ids.end());
  } else {
    head.thought.clear();
    head.first_of = tokens_beginning_with(tokenizer, character, limits);
  }
  return head;
}

// Ids that all heads begin with; each head keeps one of its own to begin with, unless its first
// token is still to be chosen.
int64_t shared_length(const std::vector<Head>& heads) {
  const TokenIds& first = heads.front().ids;
  int64_t shared = std::ssize(first);
  for (const Head& head : heads) {
    const auto parts = std::ranges::mismatch(first, head.ids);
    const int64_t most = std::ssize(head.ids) - (head.first_of.empty() ? 1 : 0);
    shared = std::min({shared, static_cast<int64_t>(parts.in1 - first.begin()), most});
  }
  return shared;
}

}  // namespace

HeadFamily branch_heads(const Tokenizer& tokenizer,
                        const BranchOptions& branches,
                        const TokenLimits& limits) {
  check_tags(branches);
  HeadFamily family;
  for (const std::string& character : expand_chars(branches.chars)) {
    check_close(branches, branches.open + character);
    const Head head = make_head(tokenizer, branches, character, limits);
    family.heads.insert(family.heads.end(), static_cast<size_t>(branches.samples_per_char), head);
  }
  family.shared = shared_length(family.heads);
  return family;
}

TokenIds open_tag_ids(const Tokenizer& tokenizer, const BranchOptions& branches) {
  return encode_exactly(tokenizer, branches.open, "branches.open");
}

HeadFamily open_head(const Tokenizer& tokenizer, const BranchOptions& branches) {
  TokenIds ids = open_tag_ids(tokenizer, branches);
  const int64_t shared = std::ssize(ids) - 1;
  return {.heads = {Head{.character = "", .thought = "", .ids = std::move(ids), .first_of = {}}},
          .has_thought = true,
          .shared = shared};
}

HeadFamily no_head() { return {.heads = {Head{}}, .has_thought = false, .shared = -1}; }

TokenIds encode_exactly(const Tokenizer& tokenizer, std::string_view text, std::string_view what) {
  TokenIds ids = tokenizer.encode(text);
  if (bytes_of(tokenizer, ids) == text) return ids;
  // SentencePiece puts a space before a text: after a newline, which it never merges, it does not.
  const TokenIds after_newline = tokenizer.encode("\n" + std::string(text));
  const auto newline = std::ranges::find_if(
      after_newline, [&](int64_t id) { return bytes_of(tokenizer, id).ends_with('\n'); });
  if (newline != after_newline.end()) {
    TokenIds rest(newline + 1, after_newline.end());
    if (bytes_of(tokenizer, rest) == text) return rest;
  }
  fail(ExitCode::kConfig,
       "{}: the model's tokenizer turns '{}' into tokens that read '{}'. Choose a text that it can "
       "write exactly.",
       what,
       text,
       to_valid_utf8(bytes_of(tokenizer, ids)));
}

}  // namespace thoughtrank
