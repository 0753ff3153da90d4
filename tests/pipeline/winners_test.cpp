// Winners with each other's thoughts: the control shuffled_thoughts.
#include "pipeline/winners.h"

#include <map>

#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/pipeline/select_again.h"

namespace thoughtrank {
namespace {

const std::vector<std::string> kShuffled = {"select.control=shuffled_thoughts",
                                            "prompts.per_round=4",
                                            "rounds=1",
                                            "train.sequence_length=512"};

// The winners of a published round, by prompt.
std::map<std::string, OutputRow> winners_of(const TinyRun& run) {
  std::map<std::string, OutputRow> rows;
  std::map<std::string, int64_t> branch;
  const RunFolder folder = run.folder();
  for (const auto& row : read_rows<BestOutputRow>(folder.file(1, RoundFile::best_outputs))) {
    branch[row.prompt_id] = row.winner;
  }
  for (const auto& row : read_rows<OutputRow>(folder.file(1, RoundFile::outputs))) {
    if (branch.at(row.prompt_id) == row.branch) rows[row.prompt_id] = row;
  }
  return rows;
}

TEST(ShuffledThoughts, TrainEachAnswerOnTheThoughtOfAnotherWinner) {
  TinyRun run;
  run.run_stage(Stage::generate, 1, kShuffled);
  run.run_stage(Stage::judge, 1, kShuffled);
  const ModelTexts texts = load_model_texts(kTinyModel, "auto");
  const auto parts = [&](const OutputRow& row) {
    return parts_of(row, *texts.tokenizer, "</thought>");
  };
  const auto winners = winners_of(run);
  const auto rows = read_rows<TrainingRow>(run.folder().file(1, RoundFile::training_data));
  ASSERT_EQ(rows.size(), 4u);
  for (const TrainingRow& row : rows) {
    const BranchParts own = parts(winners.at(row.prompt_id));
    int64_t others = 0;
    for (const auto& [prompt, other] : winners) {
      if (prompt == row.prompt_id) continue;
      TokenIds wanted = parts(other).thought;
      wanted.insert(wanted.end(), own.closing.begin(), own.closing.end());
      wanted.insert(wanted.end(), own.answer.begin(), own.answer.end());
      const auto length = std::min(wanted.size(), row.input_ids.size());
      others += TokenIds(row.input_ids.end() - static_cast<int64_t>(length), row.input_ids.end()) ==
                        wanted
                    ? 1
                    : 0;
    }
    EXPECT_GE(others, 1) << row.completion;
    EXPECT_NE(row.completion.find(winners.at(row.prompt_id).answer), std::string::npos);
    EXPECT_EQ(row.spans.back().to, std::ssize(row.input_ids));
  }
}

TEST(ShuffledThoughts, AreTheSameWhenTheRoundIsSelectedAgain) {
  TinyRun run;
  run.run_stage(Stage::generate, 1, kShuffled);
  run.run_stage(Stage::judge, 1, kShuffled);
  StopFlag stop;
  (void)select_again(run.config(kShuffled), 1, run.root() / "again", run.clock, stop);
  EXPECT_EQ(read_file(run.root() / "again" / "training_data.jsonl"),
            run.text(1, RoundFile::training_data));
}

TEST(OtherWinner, IsOfAnotherPromptOrNobody) {
  std::vector<OutputRow> outputs(5);
  const std::vector<std::string> prompts = {"a", "a", "a", "b", "b"};
  std::vector<Winner> winners;
  for (size_t n = 0; n < outputs.size(); ++n) {
    outputs[n].prompt_id = prompts[n];
    winners.push_back({.task = nullptr, .output = &outputs[n]});
  }
  for (int64_t seed = 0; seed < 20; ++seed) {
    for (size_t n = 0; n < winners.size(); ++n) {
      ASSERT_NE(other_winner(winners, n, seed), nullptr);
      EXPECT_NE(other_winner(winners, n, seed)->prompt_id, prompts[n]);
    }
  }
  winners.resize(3);
  EXPECT_EQ(other_winner(winners, 0, 1), nullptr);
}

}  // namespace
}  // namespace thoughtrank
