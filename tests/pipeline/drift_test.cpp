// How far trained weights have gone: their own greedy texts under both models.
#include "pipeline/drift.h"

#include <algorithm>
#include <cmath>

#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

double kl_of(const Json& record) { return record.at("kl_to_round_0").get<double>(); }

TEST(Drift, IsNoneWithoutTrainingAndGrowsWithTheLearningRate) {
  std::vector<double> found;
  for (const char* rate : {"0", "1e-4", "1e-2"}) {
    TinyRun run;
    ASSERT_TRUE(run.run(
        {"rounds=1", "checkpoint.dtype=float32", std::string("train.learning_rate=") + rate}));
    const Json record = run.journal_of("stage_finished").back();
    ASSERT_EQ(record["stage"], "evaluate");
    found.push_back(kl_of(record));
  }
  EXPECT_DOUBLE_EQ(found[0], 0);
  EXPECT_NE(found[1], 0);
  EXPECT_GT(found[2], 10 * std::abs(found[1]));
}

// By hand: log p of each text after its prompt under both models; the head and the close tag, which
// is forced after thoughts that are cut, as these are, are read only.
TEST(Drift, IsTheMeanDifferenceOfLogLikelihoods) {
  TinyRun run;
  ASSERT_TRUE(run.run({"rounds=1", "train.learning_rate=1e-2", "checkpoint.dtype=float32"}));
  const auto session =
      run.open({"rounds=1", "train.learning_rate=1e-2", "checkpoint.dtype=float32"});
  const auto rows = read_rows<EvalRow>(run.folder().file(1, RoundFile::eval));
  const int64_t head = std::ssize(session->texts.tokenizer->encode("<thought>"));
  const TokenIds close = session->texts.tokenizer->encode("</thought>");
  const auto is_forced = [&](const TokenIds& text, int64_t at) {
    const auto found = std::search(text.begin(), text.end(), close.begin(), close.end());
    const int64_t from = found - text.begin();
    return found != text.end() && from <= at && at < from + std::ssize(close);
  };
  double difference = 0;
  int64_t tokens = 0;
  for (const double sign : {-1.0, 1.0}) {
    const fs::path folder = sign < 0 ? fs::path(kTinyModel) : run.folder().checkpoint(1);
    Decoder decoder = load_decoder(folder, session->compute, {});
    for (size_t n = 0; n < rows.size(); ++n) {
      const auto& prompt = session->prompts.holdout[n].token_ids;
      const TokenIds& text = rows[n].token_ids;
      for (int64_t at = head; at < std::ssize(text); ++at) {
        if (is_forced(text, at)) continue;
        TokenIds before = prompt;
        before.insert(before.end(), text.begin(), text.begin() + at);
        difference +=
            sign * decoder.score(before, {{text[static_cast<size_t>(at)]}})[0].log_probability;
        tokens += sign > 0 ? 1 : 0;
      }
    }
  }
  EXPECT_NEAR(kl_of(run.journal_of("stage_finished").back()),
              difference / static_cast<double>(tokens),
              1e-3);
}

}  // namespace
}  // namespace thoughtrank
