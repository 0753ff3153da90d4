#include "pipeline/heldout_gate.h"

#include <limits>

#include "pipeline/anchors.h"
#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/train/trainer.h"

namespace thoughtrank {
namespace {

PromptRow make_prompt(const ModelTexts& texts, const std::string& id, const std::string& answer) {
  PromptRow prompt;
  prompt.prompt_id = id;
  prompt.prompt = "What is one more than " + id + "?";
  prompt.answer = answer;
  prompt.token_ids = texts.prompt_ids(prompt);
  return prompt;
}

class HeldoutGates : public testing::Test {
 protected:
  HeldoutGates()
      : texts_(load_model_texts(kTinyModel, "auto")),
        prompts_{make_prompt(texts_, "p0", "1"), make_prompt(texts_, "p1", "two")} {}

  ModelTexts texts_;
  std::vector<PromptRow> prompts_;
};

TEST_F(HeldoutGates, TheLossIsOnTheAnswersTokens) {
  const auto rows = heldout_rows(texts_, prompts_, {"1", "two words"});
  ASSERT_EQ(rows.size(), 2u);
  const TokenIds answer = texts_.tokenizer->encode("two words");
  const int64_t begin = std::ssize(prompts_[1].token_ids);
  EXPECT_EQ(rows[1].prompt_id, "p1");
  EXPECT_EQ(TokenIds(rows[1].input_ids.begin(), rows[1].input_ids.begin() + begin),
            prompts_[1].token_ids);
  EXPECT_EQ(TokenIds(rows[1].input_ids.begin() + begin, rows[1].input_ids.end()), answer);
  ASSERT_EQ(rows[1].spans.size(), 1u);
  EXPECT_EQ(rows[1].spans[0].from, begin);
  EXPECT_EQ(rows[1].spans[0].to, begin + std::ssize(answer));
}

TEST_F(HeldoutGates, RowsEndAtTheModelsContext) {
  const int64_t begin = std::ssize(prompts_[0].token_ids);
  texts_.model.max_position_embeddings = begin + 3;
  const auto rows = heldout_rows(texts_, {prompts_[0]}, {"a long answer of many tokens"});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(std::ssize(rows[0].input_ids), begin + 3);
  EXPECT_EQ(rows[0].spans[0].to, begin + 3);
  texts_.model.max_position_embeddings = begin;
  EXPECT_TRUE(heldout_rows(texts_, {prompts_[0]}, {"no room"}).empty());
}

TEST_F(HeldoutGates, AnEmptyAnswerHasNoLoss) {
  const auto rows = heldout_rows(texts_, prompts_, {"", "two"});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].prompt_id, "p1");
}

TEST_F(HeldoutGates, OwnAnswersCountOnlyIfAllAreThere) {
  EXPECT_EQ(own_answers(prompts_), (std::vector<std::string>{"1", "two"}));
  EXPECT_EQ(own_answers({}), std::vector<std::string>{});
  prompts_[1].answer.clear();
  EXPECT_EQ(own_answers(prompts_), std::nullopt);
}

TEST_F(HeldoutGates, MeasuresTheTokenMeanOverAllAnswers) {
  const Llama model = load_llama(kTinyModel, at::kFloat, at::Device(at::kCPU));
  const HeldoutGate both = {.rows = heldout_rows(texts_, prompts_, {"1", "two words"})};
  const HeldoutGate first = {.rows = {both.rows[0]}}, second = {.rows = {both.rows[1]}};
  const auto tokens = [](const HeldoutGate& gate) {
    return static_cast<double>(gate.rows[0].spans[0].to - gate.rows[0].spans[0].from);
  };
  const double expected =
      (first.measure(model) * tokens(first) + second.measure(model) * tokens(second)) /
      (tokens(first) + tokens(second));
  EXPECT_NEAR(both.measure(model), expected, 1e-5);
}

TEST_F(HeldoutGates, AllowsItsShareAndNoMore) {
  const HeldoutGate gate = {
      .rows = {}, .max_worse = 0.25, .subject = "round 3", .advice = "round 2 stays the newest"};
  EXPECT_NO_THROW(gate.require_kept(2.0, 1.0));
  EXPECT_NO_THROW(gate.require_kept(2.0, 2.5));
  expect_error([&] { gate.require_kept(2.0, 2.51); },
               ExitCode::kTrainingHealth,
               {"round 3: training raised the held-out loss from 2.0000 to 2.5100",
                "train.max_heldout_worse allows 2.5000",
                "round 2 stays the newest"});
  expect_error([&] { gate.require_kept(2.0, std::numeric_limits<double>::quiet_NaN()); },
               ExitCode::kTrainingHealth,
               "nan");
}

// A rate at which the model forgets.
const std::vector<std::string> kForgets = {
    "train.max_heldout_worse=0.01", "train.learning_rate=0.2", "rounds=1"};

TEST(HeldoutGateOfARound, RefusesACheckpointThatForgets) {
  TinyRun run;
  for (int attempt = 0; attempt < 2; ++attempt) {
    expect_error([&] { (void)run.run(kForgets); },
                 ExitCode::kTrainingHealth,
                 {"round 1: training raised", "round 0 stays the newest"});
    EXPECT_FALSE(fs::exists(run.folder().checkpoint(1)));
    EXPECT_TRUE(fs::exists(run.folder().file(1, RoundFile::metrics)));
  }
}

TEST(HeldoutGateOfARound, LetsAGentleTrainingPass) {
  TinyRun run;
  EXPECT_TRUE(run.run({"train.max_heldout_worse=0.5", "train.learning_rate=1e-5", "rounds=1"}));
}

// Without answers of the prompts' own, the anchors are what is not to be forgotten.
TEST(HeldoutGateOfARound, FallsBackToTheAnchors) {
  TinyRun run;
  run.write_prompts(8, /*has_answers=*/false);
  for (const Stage stage : {Stage::generate, Stage::judge}) run.run_stage(stage, 1, kForgets);
  expect_error([&] { run.run_stage(Stage::train, 1, kForgets); },
               ExitCode::kMissingInput,
               {"train.max_heldout_worse needs", "eval.jsonl", "`thoughtrank run` makes it"});
  expect_error([&] { (void)run.run(kForgets); }, ExitCode::kTrainingHealth, "round 1: training");
}

TEST(Anchors, AreFoundByPromptNotByPlace) {
  TinyRun run;
  (void)run.run({"rounds=1"});
  const auto session = run.open({"rounds=1"});
  const fs::path file = run.folder().file(0, RoundFile::eval);
  auto rows = read_rows<EvalRow>(file);
  const std::vector<std::string> expected = {rows[0].answer, rows[1].answer};
  EXPECT_EQ(read_anchors(*session), expected);
  std::swap(rows[0], rows[1]);
  publish_rows(file, rows);
  EXPECT_EQ(read_anchors(*session), expected);
  rows.pop_back();
  publish_rows(file, rows);
  expect_error([&] { (void)read_anchors(*session); },
               ExitCode::kConfig,
               "no answer of the base model to the held-out prompt");
}

}  // namespace
}  // namespace thoughtrank
