#include "generate/heads.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "generate/token_bytes.h"
#include "generate/toy_tokenizer.h"
#include "support/expect_error.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

using Chars = std::vector<std::string>;

// The message of the Error(kConfig) that `act` throws.
template <class Act>
std::string config_error(Act act) {
  const Error error = error_of(act);
  EXPECT_EQ(error.code(), ExitCode::kConfig) << error.what();
  return error.what();
}

HeadFamily heads_of(const Tokenizer& tokenizer, const BranchOptions& branches) {
  return branch_heads(tokenizer, branches, {.vocab_size = 1000, .eos_ids = {}});
}

TEST(ExpandChars, RangesAndSingleCharactersInOrder) {
  const Chars all = expand_chars("a-zA-Z0-9");
  ASSERT_EQ(all.size(), 62u);
  EXPECT_EQ(all.front(), "a");
  EXPECT_EQ(all[26], "A");
  EXPECT_EQ(all.back(), "9");
  EXPECT_EQ(expand_chars("xb-d!"), (Chars{"x", "b", "c", "d", "!"}));
  EXPECT_EQ(expand_chars("-a"), (Chars{"-", "a"}));
  EXPECT_EQ(expand_chars("a-"), (Chars{"a", "-"}));
  EXPECT_EQ(expand_chars("a-a"), (Chars{"a"}));
}

TEST(ExpandChars, CharactersAreUtf8) {
  EXPECT_EQ(expand_chars("é-ëあ🙂"), (Chars{"é", "ê", "ë", "あ", "🙂"}));
  EXPECT_EQ(expand_chars("~-\u0081"), (Chars{"~", "\x7f", "\u0080", "\u0081"}));
  EXPECT_EQ(expand_chars("\u07ff-\u0800"), (Chars{"\u07ff", "\u0800"}));
  EXPECT_EQ(expand_chars("\uffff-\U00010000"), (Chars{"\uffff", "\U00010000"}));
}

TEST(ExpandChars, RefusesWhatMakesNoBranches) {
  EXPECT_NE(config_error([] { (void)expand_chars(""); }).find("nothing"), std::string::npos);
  EXPECT_NE(config_error([] { (void)expand_chars("\xff"); }).find("UTF-8"), std::string::npos);
  EXPECT_NE(config_error([] { (void)expand_chars("z-a"); }).find("'a-z'"), std::string::npos);
  EXPECT_NE(config_error([] { (void)expand_chars("a-cb"); }).find("'b' twice"), std::string::npos);
  EXPECT_NE(config_error([] { (void)expand_chars("a-zA-Z0-9!"); }).find("62"), std::string::npos);
  EXPECT_NE(config_error([] { (void)expand_chars("\u0001-\U0010ffff"); }).find("62"),
            std::string::npos);
}

TEST(Heads, LiteralEncodesTagAndCharacterInOnePiece) {
  const ToyTokenizer tokenizer = ascii_tokenizer({"<t", ">a"});
  const HeadFamily family = heads_of(tokenizer, {.chars = "ab", .open = "<t>", .close = "</t>"});
  ASSERT_EQ(family.heads.size(), 2u);
  const int64_t open = *tokenizer.find_token("<t");
  EXPECT_EQ(family.heads[0].ids, (TokenIds{open, *tokenizer.find_token(">a")}));
  EXPECT_EQ(family.heads[1].ids,
            (TokenIds{open, *tokenizer.find_token(">"), *tokenizer.find_token("b")}));
  EXPECT_EQ(family.heads[1].thought, "b");
  EXPECT_EQ(family.shared, 1);
}

TEST(Heads, TokenEncodesTheCharacterAlone) {
  const ToyTokenizer tokenizer = ascii_tokenizer({"<t", ">a"});
  const HeadFamily family =
      heads_of(tokenizer, {.chars = "ab", .open = "<t>", .close = "</t>", .mode = HeadMode::token});
  EXPECT_EQ(
      family.heads[0].ids,
      (TokenIds{
          *tokenizer.find_token("<t"), *tokenizer.find_token(">"), *tokenizer.find_token("a")}));
  EXPECT_EQ(family.shared, 2);
}

TEST(Heads, ConstrainedOffersEveryTokenThatBeginsWithTheCharacter) {
  // "al" is special, "am" an eos, "an" beyond the model's vocabulary.
  std::vector<std::string> tokens = {"<", ">", "a", "b", "ab", "ba", " a", "al", "am", "an"};
  const ToyTokenizer tokenizer(tokens, /*special=*/{8});
  const HeadFamily family =
      branch_heads(tokenizer,
                   {.chars = "ab", .open = "<>", .close = "><", .mode = HeadMode::constrained},
                   {.vocab_size = 10, .eos_ids = {9}});
  EXPECT_EQ(family.heads[0].first_of, (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(family.heads[1].first_of, (std::vector<int64_t>{4, 6}));
  EXPECT_EQ(family.heads[0].ids, (TokenIds{1, 2}));
  EXPECT_EQ(family.heads[0].thought, "");
  EXPECT_EQ(family.shared, 2);  // each branch begins with the token it chooses
}

TEST(Heads, ConstrainedNeedsATokenForEachCharacter) {
  const ToyTokenizer tokenizer({"<", ">", "a"});
  const BranchOptions branches{
      .chars = "az", .open = "<", .close = ">", .mode = HeadMode::constrained};
  EXPECT_NE(config_error([&] { heads_of(tokenizer, branches); }).find("begins with 'z'"),
            std::string::npos);
}

TEST(Heads, EveryBranchKeepsAnIdOfItsOwn) {
  const ToyTokenizer tokenizer = ascii_tokenizer();
  const HeadFamily one = heads_of(tokenizer, {.chars = "a", .open = "<t>", .close = "</t>"});
  EXPECT_EQ(one.heads[0].ids.size(), 4u);
  EXPECT_EQ(one.shared, 3);
  const HeadFamily open = open_head(tokenizer, {.open = "<t>"});
  EXPECT_EQ(open.heads[0].ids.size(), 3u);
  EXPECT_EQ(open.heads[0].thought, "");
  EXPECT_EQ(open.shared, 2);
}

TEST(Heads, LeaveOutTheSpaceThatSentencePiecePutsInFront) {
  const ToyTokenizer tokenizer({" ", "\n", "<", ">", "a", "b", " a"}, {}, /*leading_space=*/true);
  for (const HeadMode mode : {HeadMode::literal, HeadMode::token}) {
    const HeadFamily family =
        heads_of(tokenizer, {.chars = "ab", .open = "<>", .close = "><", .mode = mode});
    EXPECT_EQ(bytes_of(tokenizer, family.heads[0].ids), "<>a");
    EXPECT_EQ(bytes_of(tokenizer, family.heads[1].ids), "<>b");
  }
  EXPECT_EQ(encode_exactly(tokenizer, "><", "close"), (TokenIds{4, 3}));
}

// Byte-level and SentencePiece tokenizers as their files give them.
TEST(Heads, AreTheirTextOnRealTokenizers) {
  for (const std::string kind : {"llama3_style", "llama2_style", "metaspace", "sentencepiece"}) {
    const auto tokenizer = load_tokenizer(std::string(TEST_DATA_DIR) + "/tokenizers/" + kind);
    const TokenLimits limits{.vocab_size = tokenizer->vocabulary_size(), .eos_ids = {}};
    for (const auto& [mode, word] : kHeadModes) {
      SCOPED_TRACE(kind + " " + word);
      const HeadFamily family = branch_heads(*tokenizer, {.mode = mode}, limits);
      ASSERT_EQ(family.heads.size(), 62u);
      for (const Head& head : family.heads) {
        EXPECT_EQ(bytes_of(*tokenizer, head.ids), "<thought>" + head.thought);
        for (const int64_t id : head.first_of) {
          EXPECT_EQ(tokenizer->token_bytes(id).substr(0, 1), head.character);
        }
      }
    }
    EXPECT_EQ(bytes_of(*tokenizer, encode_exactly(*tokenizer, "</thought>", "close")),
              "</thought>");
  }
}

// This one puts a space before each run of digits, which no head may have.
TEST(Heads, RefuseWhatARealTokenizerCannotWrite) {
  const auto tokenizer = load_tokenizer(std::string(TEST_DATA_DIR) + "/tokenizers/gpt2_style");
  const TokenLimits limits{.vocab_size = tokenizer->vocabulary_size(), .eos_ids = {}};
  EXPECT_EQ(branch_heads(*tokenizer, {.chars = "a-zA-Z"}, limits).heads.size(), 52u);
  EXPECT_NE(config_error([&] {
              (void)branch_heads(*tokenizer, {.chars = "0"}, limits);
            }).find("' <thought> 0'"),
            std::string::npos);
}

TEST(Heads, RefuseATextTheTokenizerCannotWrite) {
  const ToyTokenizer tokenizer({"<", ">", "a", "\n"});  // b and c both become <unk>
  EXPECT_NE(config_error([&] {
              heads_of(tokenizer, {.chars = "abc", .open = "<", .close = ">"});
            }).find("<unk>"),
            std::string::npos);
}

TEST(Heads, RefuseTagsThatDoNotGoTogether) {
  const ToyTokenizer tokenizer = ascii_tokenizer();
  const auto error = [&](BranchOptions branches) {
    return config_error([&] { heads_of(tokenizer, branches); });
  };
  EXPECT_NE(error({.open = ""}).find("branches.open"), std::string::npos);
  EXPECT_NE(error({.close = ""}).find("branches.close"), std::string::npos);
  EXPECT_NE(error({.open = "<t>", .close = "t>"}).find("'t>' is part of '<t>a'"),
            std::string::npos);
  EXPECT_NE(error({.open = "<t>", .close = ">Q"}).find("'<t>Q'"), std::string::npos);
}

}  // namespace
}  // namespace thoughtrank
