#include "pipeline/thought_lift.h"

#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/select_rows.h"
#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {
namespace {

class ThoughtLift : public testing::Test {
 protected:
  explicit ThoughtLift(const std::vector<std::string>& sets = {}) : config_(run_.config(sets)) {
    run_.run_stage(Stage::generate, 1);
    run_.run_stage(Stage::judge, 1);
    tasks_ = read_judge_tasks(run_.folder(), 1);
    best_ = read_rows<BestOutputRow>(run_.folder().file(1, RoundFile::best_outputs));
  }

  std::vector<ThoughtRow> measure(const fs::path& store = {}, const fs::path& model = kTinyModel) {
    Progress progress(ProgressOptions(), run_.clock);
    return measure_thoughts({.config = config_,
                             .texts = texts_,
                             .compute = resolve_compute(config_),
                             .model_folder = model,
                             .round = 1,
                             .store = store,
                             .stop = run_.stop},
                            tasks_,
                            best_,
                            progress);
  }

  [[nodiscard]] std::vector<ThoughtRow> published() const {
    return read_rows<ThoughtRow>(run_.folder().file(1, RoundFile::thoughts));
  }

  TinyRun run_;
  RunConfig config_;
  ModelTexts texts_ = load_model_texts(kTinyModel, "auto");
  std::vector<JudgeTask> tasks_;
  std::vector<BestOutputRow> best_;
};

std::string bytes_of(const std::vector<ThoughtRow>& rows) {
  std::string bytes;
  for (const ThoughtRow& row : rows) bytes += dump_json(to_json(row)) + "\n";
  return bytes;
}

std::string text_of(const Tokenizer& tokenizer, const TokenIds& ids) {
  std::string text;
  for (const int64_t id : ids) text += tokenizer.token_bytes(id);
  return text;
}

TEST_F(ThoughtLift, ABranchHasThreeParts) {
  for (const JudgeTask& task : tasks_) {
    for (const OutputRow& output : task.outputs) {
      const BranchParts parts = parts_of(output, *texts_.tokenizer, config_.branches.close);
      TokenIds whole = parts.thought;
      whole.insert(whole.end(), parts.closing.begin(), parts.closing.end());
      EXPECT_EQ(std::ssize(whole), output.answer_start);
      whole.insert(whole.end(), parts.answer.begin(), parts.answer.end());
      EXPECT_EQ(whole, output.token_ids);
      const std::string closing = text_of(*texts_.tokenizer, parts.closing);
      EXPECT_NE(closing.find(config_.branches.close), std::string::npos) << closing;
      const std::string thought = text_of(*texts_.tokenizer, parts.thought);
      EXPECT_EQ(thought.find(config_.branches.open), 0u) << thought;
    }
  }
}

// Tokens that hold more than the tag: "x</th", "ought>y" would both be closing ones.
TEST_F(ThoughtLift, AClosingTokenMayHoldTheAnswersFirstBytes) {
  const Tokenizer& tokenizer = *texts_.tokenizer;
  const TokenIds tag = tokenizer.encode("</thought>"), tail = tokenizer.encode("> y");
  OutputRow row;
  row.token_ids = tokenizer.encode("<thought>a b");
  const auto thought = std::ssize(row.token_ids);
  row.token_ids.insert(row.token_ids.end(), tag.begin(), tag.end());
  row.answer_start = std::ssize(row.token_ids);
  row.token_ids.push_back(tail.back());
  EXPECT_EQ(std::ssize(parts_of(row, tokenizer, "</thought>").thought), thought);
  // The tag without its last bytes: those belong to the answer, and an earlier token to the tag.
  row.answer_offset = std::ssize(tokenizer.token_bytes(tag.back()));
  EXPECT_EQ(std::ssize(parts_of(row, tokenizer, "</thought>").thought), thought - 1);
}

TEST_F(ThoughtLift, ARowIsTheScoreOfTheSameAnswerAfterFourThoughts) {
  const auto rows = published();
  ASSERT_EQ(rows.size(), 2u);
  Decoder decoder = load_decoder(kTinyModel, resolve_compute(config_), {});
  const auto winners = trained_winners(tasks_, best_);
  for (size_t n = 0; n < rows.size(); ++n) {
    const ThoughtRow& row = rows[n];
    const OutputRow& output = *winners[n].output;
    EXPECT_EQ(row.branch, best_[n].winner);
    EXPECT_EQ(row.other_prompt_id, rows[1 - n].prompt_id);
    EXPECT_EQ(row.other_branch, rows[1 - n].branch);
    EXPECT_EQ(row.answer_tokens, std::ssize(output.token_ids) - output.answer_start);
    EXPECT_DOUBLE_EQ(row.lift, row.own - row.none);
    // What generation itself counted of the same tokens.
    EXPECT_NEAR(row.own * static_cast<double>(row.answer_tokens), output.answer_logprob, 1e-3);
    const auto parts = parts_of(output, *texts_.tokenizer, config_.branches.close);
    const auto score = [&](const TokenIds& thought) {
      TokenIds before = winners[n].task->prompt.token_ids;
      before.insert(before.end(), thought.begin(), thought.end());
      before.insert(before.end(), parts.closing.begin(), parts.closing.end());
      return decoder.score(before, {parts.answer})[0].log_probability /
             static_cast<double>(row.answer_tokens);
    };
    EXPECT_NEAR(row.none, score(texts_.tokenizer->encode(config_.branches.open)), 1e-5);
    EXPECT_NEAR(
        row.other.value(),
        score(parts_of(*winners[1 - n].output, *texts_.tokenizer, config_.branches.close).thought),
        1e-5);
    EXPECT_NE(row.own, row.none);
    EXPECT_NE(row.own, row.other);
  }
}

TEST_F(ThoughtLift, TheSameRunMeasuresTheSame) {
  EXPECT_EQ(bytes_of(measure()), bytes_of(published()));
  config_.seed = 4;  // shuffles otherwise
  EXPECT_NE(bytes_of(measure()), bytes_of(published()));
}

TEST_F(ThoughtLift, OneWinnerHasNoOther) {
  best_[1].status = SelectionStatus::uncertain;
  const auto rows = measure();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].other, std::nullopt);
  EXPECT_EQ(rows[0].other_prompt_id, "");
  EXPECT_EQ(rows[0].own, published()[0].own);
}

TEST_F(ThoughtLift, WhatIsMeasuredIsNotMeasuredAgain) {
  const fs::path store = run_.root() / "store.jsonl";
  const std::string first = bytes_of(measure(store));
  // Nothing is left to measure, so no model is asked for.
  EXPECT_EQ(bytes_of(measure(store, "nowhere")), first);
  best_[0].winner = best_[0].items.back().branch;
  EXPECT_NE(bytes_of(measure(store)), first);
}

// Stopped after each number of looks at the clock: at least once between the two rows.
TEST_F(ThoughtLift, AnInterruptedMeasurementGoesOnWhereItWas) {
  const std::string whole = bytes_of(published());
  std::vector<int64_t> kept;
  for (int64_t looks = 1; looks <= 8; ++looks) {
    const fs::path store = run_.root() / fmt::format("store-{}.jsonl", looks);
    StopFlag stop;
    StoppingClock clock(stop, looks);
    try {
      Progress progress(ProgressOptions(), clock);
      (void)measure_thoughts({.config = config_,
                              .texts = texts_,
                              .compute = resolve_compute(config_),
                              .model_folder = kTinyModel,
                              .round = 1,
                              .store = store,
                              .stop = stop},
                             tasks_,
                             best_,
                             progress);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kStopped);
    }
    kept.push_back(0);
    read_journal(store, [&](const Json&) { ++kept.back(); });
    EXPECT_EQ(bytes_of(measure(store)), whole);
  }
  EXPECT_GT(std::count(kept.begin(), kept.end(), 1), 0);
}

TEST(ThoughtLiftRun, AWinnerBelowMinLiftIsUncertainAndNotTrainedOn) {
  TinyRun plain;
  plain.run_stage(Stage::generate, 1);
  plain.run_stage(Stage::judge, 1);
  const auto lifts = read_rows<ThoughtRow>(plain.folder().file(1, RoundFile::thoughts));
  const double between = (lifts.at(0).lift + lifts.at(1).lift) / 2;
  TinyRun strict;
  const std::vector<std::string> sets = {fmt::format("select.min_lift={}", between)};
  strict.run_stage(Stage::generate, 1, sets);
  strict.run_stage(Stage::judge, 1, sets);
  const size_t weaker = lifts[0].lift < lifts[1].lift ? 0 : 1;
  const auto best = read_rows<BestOutputRow>(strict.folder().file(1, RoundFile::best_outputs));
  EXPECT_EQ(best[weaker].status, SelectionStatus::uncertain);
  EXPECT_EQ(best[1 - weaker].status, SelectionStatus::trained);
  const auto rows = read_rows<TrainingRow>(strict.folder().file(1, RoundFile::training_data));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].prompt_id, best[1 - weaker].prompt_id);
  EXPECT_EQ(strict.text(1, RoundFile::thoughts), plain.text(1, RoundFile::thoughts));
}

TEST(ThoughtLiftRun, ARoundHasASummary) {
  TinyRun run;
  run.run_stage(Stage::generate, 1);
  run.run_stage(Stage::judge, 1);
  const Json summary = parse_json(run.text(1, RoundFile::summary), "summary.json");
  EXPECT_EQ(summary["prompts"], 2);
  EXPECT_EQ(summary["branches"], 12);
  EXPECT_EQ(summary["right"]["prompts"], 2);
  EXPECT_EQ(summary["lift"]["winners"], 2);
  const Json record = run.journal_of("stage_finished").back();
  EXPECT_TRUE(record["files"].contains("summary.json"));
  EXPECT_TRUE(record["files"].contains("thoughts.jsonl"));
  EXPECT_FALSE(fs::exists(run.folder().thoughts(1))) << "unfinished work is left";
}

}  // namespace
}  // namespace thoughtrank
