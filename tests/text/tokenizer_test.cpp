#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "support/trials.h"
#include "text/support.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank::test {
namespace {

using Ids = std::vector<int64_t>;

TEST(Tokenizer, ByteLevelRoundTripsEveryByteOfAValidText) {
  const auto tokenizer = load_tokenizer(fixture("llama3_style"));
  std::string text;
  for (int c = 0; c < 128; ++c) text += static_cast<char>(c);
  text += "é ß 中文 👨‍👩‍👧 \xE1\xA0\x8E  \n\n \t";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text), /*skip_special=*/false), text);
  std::string bytes;
  for (const int64_t id : tokenizer->encode(text)) bytes += tokenizer->token_bytes(id);
  EXPECT_EQ(bytes, text);
}

// Code points of all planes, runs of digits and spaces, joiners.
std::string random_text(RandomStream& stream) {
  const std::vector<std::string> bits = {
      " ", "  ", "\n", "\t", "\u200d", "1", "20", "the", "👩", "\r\n", "'s"};
  std::string text;
  for (uint64_t left = stream.below(30); left > 0; --left) {
    if (stream.below(2) == 0) {
      text += bits[stream.below(bits.size())];
      continue;
    }
    const uint64_t plane = stream.below(4) == 0 ? stream.below(17) << 16 : 0;
    const auto code = static_cast<uint32_t>(plane + stream.below(plane == 0 ? 0xD800 : 0x10000));
    if (code < 0x80) {
      text += static_cast<char>(code);
    } else if (code < 0x800) {
      text += {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
    } else if (code < 0x10000) {
      text += {static_cast<char>(0xE0 | code >> 12),
               static_cast<char>(0x80 | (code >> 6 & 63)),
               static_cast<char>(0x80 | (code & 63))};
    } else {
      text += {static_cast<char>(0xF0 | code >> 18),
               static_cast<char>(0x80 | (code >> 12 & 63)),
               static_cast<char>(0x80 | (code >> 6 & 63)),
               static_cast<char>(0x80 | (code & 63))};
    }
  }
  return text;
}

TEST(Tokenizer, RandomTextsOfAllPlanesRoundTrip) {
  const int trials = trials_of(2000);
  record_trials(trials);
  RandomStream stream(1, "random texts");
  const auto tokenizer = load_tokenizer(fixture("llama3_style"));
  for (int n = 0; n < trials; ++n) {
    const std::string text = random_text(stream);
    ASSERT_EQ(tokenizer->decode(tokenizer->encode(text), /*skip_special=*/false), text) << n;
  }
}

TEST(Tokenizer, InvalidUtf8IsReplacedFirst) {
  for (const char* name : {"llama3_style", "llama2_style", "sentencepiece"}) {
    const auto tokenizer = load_tokenizer(fixture(name));
    EXPECT_EQ(tokenizer->encode("a\xFF\xE4\xB8z"), tokenizer->encode("a\uFFFD\uFFFDz")) << name;
  }
}

TEST(Tokenizer, ACharacterCutInHalfDecodesToReplacementCharacters) {
  const auto tokenizer = load_tokenizer(fixture("llama3_style"));
  const Ids ids = tokenizer->encode("\U0001F9FF");
  ASSERT_GE(ids.size(), 2u);
  EXPECT_EQ(tokenizer->decode({ids[0]}, /*skip_special=*/false), "\uFFFD");
}

TEST(Tokenizer, LongRunsOfOneCharacterRoundTrip) {
  for (const char* name : {"llama3_style", "llama2_style", "sentencepiece"}) {
    const auto tokenizer = load_tokenizer(fixture(name));
    for (const std::string character : {"a", " ", "\n", "€", "<"}) {
      std::string text;
      while (text.size() < 100'000) text += character;
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text), /*skip_special=*/false), text) << name;
    }
  }
}

TEST(Tokenizer, KnowsWhatStandsBeforeAText) {
  EXPECT_EQ(load_tokenizer(fixture("gpt2_style"))->leading_ids(), Ids{});
  EXPECT_EQ(load_tokenizer(fixture("llama2_style"))->leading_ids(), Ids{1});
  EXPECT_EQ(load_tokenizer(fixture("sentencepiece"))->leading_ids(), Ids{1});
  const auto llama3 = load_tokenizer(fixture("llama3_style"));
  EXPECT_EQ(llama3->leading_ids(), Ids{llama3->find_token("<|begin_of_text|>").value()});
}

TEST(Tokenizer, FindsTokensByTheBytesTheyStandFor) {
  const auto tokenizer = load_tokenizer(fixture("llama3_style"));
  const auto end = tokenizer->find_token("<|eot_id|>");
  ASSERT_TRUE(end);
  EXPECT_TRUE(tokenizer->is_special(*end));
  EXPECT_EQ(tokenizer->token_bytes(*end), "<|eot_id|>");
  const auto space = tokenizer->find_token(" ");
  ASSERT_TRUE(space);
  EXPECT_EQ(tokenizer->encode(" "), Ids{*space});
  EXPECT_FALSE(tokenizer->find_token("no such token"));
  EXPECT_THROW(static_cast<void>(tokenizer->token_bytes(tokenizer->vocabulary_size())), Error);
  EXPECT_THROW(static_cast<void>(tokenizer->is_special(-1)), Error);
}

TEST(Tokenizer, SkipsSpecialTokensOnRequest) {
  const auto tokenizer = load_tokenizer(fixture("llama2_style"));
  Ids ids = tokenizer->encode("hello");
  ids.insert(ids.begin(), 1);
  ids.push_back(2);
  EXPECT_EQ(tokenizer->decode(ids, /*skip_special=*/true), "hello");
  EXPECT_EQ(tokenizer->decode(ids, /*skip_special=*/false), "<s> hello</s>");
}

TEST(Tokenizer, AddedTokensOfASentencePieceModelAreParsedOnRequest) {
  const auto tokenizer = load_tokenizer(fixture("sentencepiece"));
  const auto start = tokenizer->find_token("<|im_start|>");
  ASSERT_TRUE(start);
  EXPECT_EQ(*start, tokenizer->vocabulary_size() - 1);
  EXPECT_EQ(tokenizer->encode_with_special("<|im_start|></s>"), (Ids{*start, 2}));
  EXPECT_GT(tokenizer->encode("<|im_start|></s>").size(), 2u);
}

TEST(Tokenizer, PartsAreOneTextButSpecialTokensDoNotCrossBorders) {
  const auto tokenizer = load_tokenizer(fixture("llama3_style"));
  EXPECT_EQ(tokenizer->encode_parts({{"user\n", true}, {"\nfoo", false}}),
            tokenizer->encode("user\n\nfoo"));
  EXPECT_EQ(tokenizer->encode_parts({{"<|eot_", true}, {"id|>", false}}),
            tokenizer->encode("<|eot_id|>"));
  EXPECT_EQ(tokenizer->encode_parts({{"<|eot_", true}, {"id|>", true}}),
            tokenizer->encode("<|eot_id|>"));
  const Ids ids = tokenizer->encode_parts({{"<|eot_id|>", true}, {"<|eot_id|>", false}});
  EXPECT_EQ(ids[0], tokenizer->find_token("<|eot_id|>"));
  EXPECT_EQ(Ids(ids.begin() + 1, ids.end()), tokenizer->encode("<|eot_id|>"));
}

TEST(Tokenizer, AFolderWithoutTokenizerIsMissingInput) {
  const TemporaryFolder folder;
  expect_error([&] { static_cast<void>(load_tokenizer(folder.path())); },
               ExitCode::kMissingInput,
               "tokenizer.model");
}

}  // namespace
}  // namespace thoughtrank::test
