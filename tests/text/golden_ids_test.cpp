// Our ids and texts equal those of tokenizers and sentencepiece
// (tests/fixtures/make_tokenizer_fixtures.py).
#include "support/trials.h"
#include "text/support.h"

namespace thoughtrank::test {
namespace {

using Ids = std::vector<int64_t>;

class GoldenIds : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(fixture(GetParam()));
  std::vector<Json> rows = read_golden(GetParam());
};

TEST_P(GoldenIds, EncodesAsTheReference) {
  ASSERT_GE(rows.size(), 50u);
  record_trials(rows.size());
  for (const auto& row : rows) {
    EXPECT_EQ(tokenizer->encode(row["text"].get<std::string>()), row["ids"].get<Ids>())
        << row["text"];
  }
}

TEST_P(GoldenIds, ParsesSpecialTokensAsTheReference) {
  int with_special = 0;
  for (const auto& row : rows) {
    if (!row.contains("special_ids")) continue;
    EXPECT_EQ(tokenizer->encode_with_special(row["text"].get<std::string>()),
              row["special_ids"].get<Ids>())
        << row["text"];
    with_special += row["special_ids"] != row["ids"] ? 1 : 0;
  }
  if (GetParam() == std::string("sentencepiece")) return;  // sentencepiece itself never parses them
  EXPECT_GT(with_special, 0);
}

TEST_P(GoldenIds, DecodesAsTheReference) {
  record_trials(rows.size());
  for (const auto& row : rows) {
    EXPECT_EQ(tokenizer->decode(row["ids"].get<Ids>(), /*skip_special=*/false),
              row["decoded"].get<std::string>());
  }
}

TEST_P(GoldenIds, PlainTextNeverBecomesASpecialToken) {
  record_trials(rows.size());
  for (const auto& row : rows) {
    for (const int64_t id : tokenizer->encode(row["text"].get<std::string>())) {
      EXPECT_FALSE(tokenizer->is_special(id)) << row["text"];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Styles,
    GoldenIds,
    testing::Values("llama3_style", "gpt2_style", "llama2_style", "metaspace", "sentencepiece"),
    [](const auto& style) { return std::string(style.param); });

}  // namespace
}  // namespace thoughtrank::test
