#include "pipeline/shown_prompts.h"

#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

class ShownPrompts : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> with(std::vector<std::string> sets = {}) const {
    return run_.with_examples(std::move(sets));
  }
  TinyRun run_;
};

bool ends_alike(const TokenIds& text, const TokenIds& end) {
  return text.size() >= end.size() && std::equal(end.rbegin(), end.rend(), text.rbegin());
}

TEST_F(ShownPrompts, HaveTheExamplesAsEarlierTurns) {
  const auto session = run_.open(with());
  const auto& alone = session->prompts.rounds.at(1);
  const auto shown = shown_prompts(session->config, session->texts, session->prompts, 2);
  ASSERT_EQ(shown.size(), alone.size());
  for (size_t n = 0; n < shown.size(); ++n) {
    const std::string text = token_text(*session->texts.tokenizer, shown[n].token_ids);
    const size_t first = text.find("<thought>One more.</thought>2");
    const size_t second = text.find("<thought>Two, three.</thought>3");
    EXPECT_LT(first, second);
    EXPECT_LT(second, text.rfind(shown[n].prompt)) << text;
    EXPECT_GT(shown[n].token_ids.size(), alone[n].token_ids.size() + 20);
    EXPECT_EQ(alone[n].token_ids, session->texts.prompt_ids(alone[n]));
  }
}

TEST_F(ShownPrompts, AreThePromptsAloneAfterTheRoundsWithExamples) {
  const auto session = run_.open(with({"prompts.examples.rounds=1"}));
  const auto ids = [&](int64_t round) {
    return shown_prompts(session->config, session->texts, session->prompts, round)[0].token_ids;
  };
  EXPECT_NE(ids(1), session->prompts.rounds[0][0].token_ids);
  EXPECT_EQ(ids(2), session->prompts.rounds[1][0].token_ids);
}

TEST_F(ShownPrompts, KeepTheExamplesEverywhereWhereTheyAreTrainedOn) {
  const auto session = run_.open(with({"prompts.examples.train=true"}));
  const PromptRow& held_out = session->prompts.holdout[0];
  EXPECT_EQ(held_out.token_ids, session->texts.prompt_ids(held_out, session->prompts.examples));
  EXPECT_NE(held_out.token_ids, session->texts.prompt_ids(held_out));
  EXPECT_EQ(shown_prompts(session->config, session->texts, session->prompts, 1)[0].token_ids,
            session->prompts.rounds[0][0].token_ids);
}

// What was generated under the examples is trained on without them, id for id.
TEST_F(ShownPrompts, AreInNoTrainingRow) {
  EXPECT_TRUE(run_.run(with({"rounds=1"})));
  const auto outputs = read_rows<OutputRow>(run_.folder().file(1, RoundFile::outputs));
  const auto rows = read_rows<TrainingRow>(run_.folder().file(1, RoundFile::training_data));
  const auto prompts = read_rows<PromptRow>(run_.folder().file(1, RoundFile::prompts));
  ASSERT_FALSE(rows.empty());
  for (const TrainingRow& row : rows) {
    const auto prompt = std::find_if(prompts.begin(), prompts.end(), [&](const PromptRow& one) {
      return one.prompt_id == row.prompt_id;
    });
    const auto output = std::find_if(outputs.begin(), outputs.end(), [&](const OutputRow& one) {
      return one.prompt_id == row.prompt_id && one.branch == row.branch;
    });
    ASSERT_TRUE(prompt != prompts.end() && output != outputs.end());
    EXPECT_EQ(row.input_ids.size(), prompt->token_ids.size() + output->token_ids.size());
    EXPECT_TRUE(ends_alike(row.input_ids, output->token_ids));
  }
  TinyRun alone;
  EXPECT_TRUE(alone.run({"rounds=1"}));
  EXPECT_EQ(alone.text(1, RoundFile::prompts), run_.text(1, RoundFile::prompts));
  EXPECT_NE(alone.text(1, RoundFile::outputs), run_.text(1, RoundFile::outputs));
}

TEST_F(ShownPrompts, AreFrozenByTheirContentsNotTheirPlace) {
  (void)run_.open(with());
  fs::copy_file(run_.root() / "examples.jsonl", run_.root() / "moved.jsonl");
  const std::string moved = "prompts.examples.path=" + (run_.root() / "moved.jsonl").string();
  EXPECT_NO_THROW((void)run_.open({moved}));
  expect_error([&] { (void)run_.open(with({"prompts.examples.rounds=1"})); },
               ExitCode::kConfig,
               "prompts.examples.rounds: 0 -> 1");
  expect_error([&] { (void)run_.open(); }, ExitCode::kConfig, "sha256.examples");
  write_plainly(run_.root() / "moved.jsonl",
                R"({"prompt": "What is 1 + 1?", "thought": "Else.", "answer": "2"})"
                "\n");
  expect_error([&] { (void)run_.open({moved}); }, ExitCode::kConfig, "sha256.examples");
}

TEST_F(ShownPrompts, CountForTheContextButNotForTheRows) {
  std::string rows;
  for (int n = 0; n < 200; ++n) {
    rows += R"({"prompt": "What is 1 + 1?", "thought": "One more than one.", "answer": "2"})"
            "\n";
  }
  write_plainly(run_.root() / "examples.jsonl", rows);
  expect_error([&] { (void)run_.open(with()); }, ExitCode::kConfig, "that fit the model's context");
  fs::resize_file(run_.root() / "examples.jsonl", rows.size() / 10);
  EXPECT_NO_THROW((void)run_.open(with({"train.sequence_length=64"})));
}

TEST_F(ShownPrompts, SettingsThatContradictAreRefused) {
  expect_error([&] { (void)run_.config({"prompts.examples.rounds=1"}); },
               ExitCode::kConfig,
               "need 'prompts.examples.path'");
  expect_error(
      [&] {
        (void)run_.config(with({"prompts.examples.rounds=1", "prompts.examples.train=true"}));
      },
      ExitCode::kConfig,
      "set one of them only");
}

}  // namespace
}  // namespace thoughtrank
