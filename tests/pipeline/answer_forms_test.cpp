#include "pipeline/answer_forms.h"

#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

class AnswerForms : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> with_examples(std::vector<std::string> sets = {}) const {
    return run_.with_examples(std::move(sets));
  }
  // Rounds until the run is finished, stopped after so many looks at the clock each time.
  void run_with_stops(const std::vector<std::string>& sets) {
    for (int64_t looks = 3; looks < 400; looks += 3) {
      StopFlag stop;
      StoppingClock clock(stop, looks);
      try {
        (void)run_rounds(run_.config(sets), clock, stop);
        if (!stop.is_set()) return;
      } catch (const Error& error) {
        ASSERT_EQ(error.code(), ExitCode::kStopped) << error.what();
      }
    }
  }
  TinyRun run_;
};

FormRow row_of(AnswerForm form, std::optional<double> score, std::optional<double> win = {}) {
  FormRow row;
  row.form = form;
  row.score = score;
  row.win = win;
  return row;
}

TEST_F(AnswerForms, AreTwoAndFourWithExamples) {
  EXPECT_EQ(answer_forms(run_.config()).size(), 2u);
  EXPECT_EQ(answer_forms(run_.config(with_examples())).size(), 4u);
  EXPECT_EQ(answer_forms(run_.config(with_examples({"prompts.examples.train=true"}))).size(), 2u);
}

TEST_F(AnswerForms, ADirectAnswerHasTheRoomOfBoth) {
  const RunConfig config = run_.config();
  EXPECT_EQ(budget_of(config, AnswerForm::direct).answer_tokens, 14);
  EXPECT_EQ(budget_of(config, AnswerForm::direct_with_examples).answer_tokens, 14);
  EXPECT_EQ(budget_of(config, AnswerForm::thought).answer_tokens, 10);
}

TEST_F(AnswerForms, ExamplesBeforeADirectAnswerHaveNoThought) {
  const auto session = run_.open(with_examples());
  const auto text = [&](AnswerForm form) {
    return token_text(*session->texts.tokenizer, prompts_in_form(*session, form)[0].token_ids);
  };
  EXPECT_EQ(text(AnswerForm::direct).find("1 + 1"), std::string::npos);
  EXPECT_NE(text(AnswerForm::direct_with_examples).find("What is 1 + 1?\n\n2\n\n"),
            std::string::npos);
  EXPECT_NE(text(AnswerForm::thought_with_examples).find("<thought>One more.</thought>2"),
            std::string::npos);
}

TEST_F(AnswerForms, TheBestHasTheHighestMean) {
  const auto direct = AnswerForm::direct, thought = AnswerForm::thought;
  EXPECT_EQ(best_form({row_of(direct, 0.5), row_of(thought, 0.5)}), direct);
  EXPECT_EQ(best_form({row_of(direct, -2), row_of(thought, -1)}), thought);
  // Without a score: no better than the worst.
  EXPECT_EQ(
      best_form(
          {row_of(direct, -3), row_of(direct, -3), row_of(thought, {}), row_of(thought, -3.5)}),
      direct);
  EXPECT_EQ(best_form({row_of(direct, 0), row_of(thought, {})}), direct);
  EXPECT_EQ(best_form({row_of(direct, {}), row_of(thought, {}, 0.5)}), direct);
  EXPECT_EQ(best_form({row_of(direct, {}), row_of(thought, {}, 1)}), thought);
  EXPECT_EQ(best_form({row_of(direct, {}), row_of(thought, {}, 0)}), direct);
}

TEST_F(AnswerForms, AllArePublishedAndTheBestIsTheAnchor) {
  ASSERT_TRUE(run_.run(with_examples({"rounds=1"})));
  const auto forms = read_rows<FormRow>(run_.folder().file(0, RoundFile::forms));
  const auto anchors = read_rows<EvalRow>(run_.folder().file(0, RoundFile::eval));
  ASSERT_EQ(forms.size(), 4u * 2u);
  ASSERT_EQ(anchors.size(), 2u);
  const AnswerForm best = best_form(forms);
  size_t found = 0;
  for (const FormRow& row : forms) {
    if (row.form != best) continue;
    EXPECT_EQ(row.answer, anchors[found].answer);
    EXPECT_EQ(row.score, anchors[found++].score);
  }
  EXPECT_EQ(found, 2u);
  EXPECT_EQ(run_.journal_of("stage_finished")[0]["anchor"], word_of(best, kAnswerForms));
  for (const auto& form : kAnswerForms) {
    EXPECT_FALSE(fs::exists(run_.folder().heldout(form.word)));
  }
}

TEST_F(AnswerForms, EndInTheSameBytesWhereverTheyAreStopped) {
  const auto sets = with_examples({"rounds=1"});
  run_with_stops(sets);
  TinyRun whole;
  ASSERT_TRUE(whole.run(sets));
  for (const auto& [round, file] : {std::pair{0, RoundFile::forms},
                                    {0, RoundFile::eval},
                                    {1, RoundFile::outputs},
                                    {1, RoundFile::training_data},
                                    {1, RoundFile::eval}}) {
    EXPECT_EQ(run_.text(round, file), whole.text(round, file)) << file_name(file);
  }
  EXPECT_EQ(run_.weights(1), whole.weights(1));
}

// The direct answers stand for themselves; the others are compared with them, twice each.
TEST_F(AnswerForms, AreComparedWithTheDirectOneWhereAJudgeRanks) {
  TinyRun ranked;
  const auto sets = ranked.judged_by_program(with_examples({"rounds=1"}));
  ASSERT_TRUE(ranked.run(sets));
  int64_t compared = 0;
  for (const FormRow& row : read_rows<FormRow>(ranked.folder().file(0, RoundFile::forms))) {
    EXPECT_FALSE(row.score);
    if (row.form == AnswerForm::direct) {
      EXPECT_FALSE(row.win);
    } else {
      compared += row.win ? 1 : 0;
    }
  }
  EXPECT_EQ(compared, 3 * 2);
  for (const EvalRow& row : read_rows<EvalRow>(ranked.folder().file(0, RoundFile::eval))) {
    EXPECT_FALSE(row.win);
  }
}

}  // namespace
}  // namespace thoughtrank
