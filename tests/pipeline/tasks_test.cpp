// Tasks that every round is asked, and the gate on them.
#include "pipeline/tasks.h"

#include <map>

#include "pipeline/tiny_run.h"
#include "thoughtrank/data/jsonl.h"
#include "thoughtrank/judge/reference.h"

namespace thoughtrank {
namespace {

class TasksTest : public testing::Test {
 protected:
  TasksTest() {
    std::string sums, options;
    for (int64_t n = 0; n < 5; ++n) {
      sums += fmt::format(
          "{{\"id\": \"s{0}\", \"question\": \"{0} + 1?\", \"answer\": \"so #### {1}\"}}\n",
          n,
          n + 1);
      options += fmt::format(
          "{{\"id\": \"c{0}\", \"question\": \"Which {0}?\", \"choices\": {{\"text\": "
          "[\"red\", \"blue\"], \"label\": [\"A\", \"B\"]}}, \"answerKey\": \"B\"}}\n",
          n);
    }
    write_plainly(run_.root() / "sums.jsonl", sums);
    write_plainly(run_.root() / "options.jsonl", options);
  }

  // The tasks as a value of --set; `more` goes into the first one.
  [[nodiscard]] std::vector<std::string> sets(const std::string& more = "",
                                              const std::vector<std::string>& others = {}) const {
    std::vector<std::string> all = {
        fmt::format("evaluate.tasks=[{{name: sums, path: {}{}}}, {{name: options, path: {}, match: "
                    "choice, prompts: 3, answer_tokens: 4}}]",
                    (run_.root() / "sums.jsonl").string(),
                    more,
                    (run_.root() / "options.jsonl").string()),
        "rounds=1"};
    all.insert(all.end(), others.begin(), others.end());
    return all;
  }
  [[nodiscard]] std::vector<TaskRow> rows(int64_t round) const {
    return read_rows<TaskRow>(run_.folder().file(round, RoundFile::tasks));
  }

  TinyRun run_;
};

TEST_F(TasksTest, EveryRoundIsAskedAndTheUntrainedModelInBothForms) {
  ASSERT_TRUE(run_.run(sets()));
  std::map<std::pair<std::string, AnswerForm>, int64_t> before, after;
  for (const TaskRow& row : rows(0)) ++before[{row.task, row.form}];
  for (const TaskRow& row : rows(1)) ++after[{row.task, row.form}];
  EXPECT_EQ(before,
            (std::map<std::pair<std::string, AnswerForm>, int64_t>{
                {{"sums", AnswerForm::direct}, 5},
                {{"sums", AnswerForm::thought}, 5},
                {{"options", AnswerForm::direct}, 3},
                {{"options", AnswerForm::thought}, 3}}));
  EXPECT_EQ(after,
            (std::map<std::pair<std::string, AnswerForm>, int64_t>{
                {{"sums", AnswerForm::thought}, 5}, {{"options", AnswerForm::thought}, 3}}));
  for (const TaskRow& row : rows(1)) {
    const bool is_sum = row.task == "sums";
    EXPECT_EQ(
        row.is_right,
        matches_reference(
            row.answer, row.reference, is_sum ? ReferenceMatch::numeric : ReferenceMatch::choice));
    EXPECT_EQ(row.reference.substr(0, 1), is_sum ? "s" : "B");
  }
  for (const auto& entry : fs::directory_iterator(run_.folder().work(1))) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("task-")) << entry.path();
  }
}

TEST_F(TasksTest, InterruptedRunsEndWithTheSameAnswers) {
  ASSERT_TRUE(run_.run(sets()));
  for (const int64_t looks : {18, 30, 90, 130}) {
    TinyRun other;
    StopFlag stop;
    StoppingClock clock(stop, looks);
    const RunConfig config = other.config(sets());
    expect_error(
        [&] { (void)run_rounds(config, clock, stop); }, ExitCode::kStopped, "stopped by signal");
    (void)run_rounds(config, other.clock, other.stop);
    for (const int64_t round : {0, 1}) {
      EXPECT_EQ(read_file(other.folder().file(round, RoundFile::tasks)),
                run_.text(round, RoundFile::tasks))
          << looks;
    }
  }
}

// The untrained tiny model is never right: its answers become the references, so that it is.
TEST_F(TasksTest, ACheckpointThatUnlearntATaskIsNotPublished) {
  ASSERT_TRUE(run_.run(sets()));
  std::string own;
  for (const TaskRow& row : rows(0)) {
    if (row.task != "sums" || row.form != AnswerForm::direct) continue;
    own += dump_json({{"id", row.prompt_id},
                      {"prompt", fmt::format("{} + 1?", row.prompt_id.substr(1))},
                      {"answer", row.answer}}) +
           "\n";
  }
  write_plainly(run_.root() / "sums.jsonl", own);
  const std::vector<std::string> strict =
      sets(", match: exact, answer_tokens: 10, max_fall: 20",
           {"run_dir=" + (run_.root() / "strict").string(), "train.learning_rate=0.05"});
  expect_error([&] { (void)run_.run(strict); },
               ExitCode::kTrainingHealth,
               {"round 1: task sums fell from 100.0 % right",
                "its max_fall allows 20 points",
                "No checkpoint is made"});
  const RunFolder folder(run_.root() / "strict");
  EXPECT_FALSE(fs::exists(folder.checkpoint(1)));
  EXPECT_TRUE(fs::exists(folder.file(1, RoundFile::metrics)));
  EXPECT_EQ(read_rows<TaskRow>(folder.file(1, RoundFile::tasks)).size(), 8u) << "what fell";
  // A gate may be moved: nothing else of the run is.
  auto looser = strict;
  for (std::string& set : looser) {
    const size_t at = set.find("max_fall: 20");
    if (at != std::string::npos) set.replace(at, 12, "max_fall: 100");
  }
  EXPECT_TRUE(run_.run(looser));
  EXPECT_TRUE(fs::exists(folder.checkpoint(1)));
  // The rows that the gate has generated are those of the evaluation where it is passed.
  EXPECT_TRUE(
      run_.run(sets(", match: exact, answer_tokens: 10, max_fall: 100",
                    {"run_dir=" + (run_.root() / "loose").string(), "train.learning_rate=0.05"})));
  EXPECT_TRUE(fs::exists(RunFolder(run_.root() / "loose").checkpoint(1)));
}

TEST_F(TasksTest, QuestionsThatChangeBetweenStartsAreRefusedAndATreeMayMove) {
  ASSERT_TRUE(run_.run(sets()));
  const std::string file = read_file(run_.root() / "sums.jsonl");
  write_plainly(run_.root() / "sums.jsonl",
                R"({"id": "n", "prompt": "Other?", "answer": "1"})"
                "\n");
  expect_error([&] { (void)run_.run(sets()); }, ExitCode::kConfig, "sha256.tasks");
  fs::create_directories(run_.root() / "elsewhere");
  write_plainly(run_.root() / "elsewhere" / "sums.jsonl", file);
  std::vector<std::string> moved = sets();
  for (std::string& set : moved) {
    const std::string from = (run_.root() / "sums.jsonl").string();
    const size_t at = set.find(from);
    if (at != std::string::npos) {
      set.replace(at, from.size(), (run_.root() / "elsewhere" / "sums.jsonl").string());
    }
  }
  EXPECT_FALSE(run_.run(moved)) << "finished, and the same run";
}

TEST_F(TasksTest, ProblemsAreToldBeforeAnyWork) {
  const auto refuse = [&](const std::string& tasks, ExitCode code, const std::string& part) {
    expect_error([&] { (void)run_.run({"evaluate.tasks=" + tasks}); }, code, part);
    EXPECT_FALSE(fs::exists(run_.folder().journal()));
  };
  const std::string sums = (run_.root() / "sums.jsonl").string();
  refuse("[{name: a/b, path: " + sums + "}]", ExitCode::kConfig, "found 'a/b'");
  refuse("[{name: a}]", ExitCode::kConfig, "'a' has no 'path'");
  refuse("[{name: a, path: " + sums + "}, {name: a, path: " + sums + "}]",
         ExitCode::kConfig,
         "'a' stands twice");
  refuse("[{name: a, path: " + sums + ", match: choice}]",
         ExitCode::kBadData,
         "evaluate.tasks a: prompt 's0', \"0 + 1?\", match choice expects the label of an option");
  write_plainly(run_.root() / "none.jsonl", "{\"prompt\": \"x\"}\n");
  refuse("[{name: a, path: " + (run_.root() / "none.jsonl").string() + "}]",
         ExitCode::kConfig,
         "has no 'answer'");
  refuse("[{name: a, path: /no/such/file}]", ExitCode::kMissingInput, "/no/such/file");
}

TEST_F(TasksTest, WorkedExamplesStandBeforeEachQuestion) {
  const ModelTexts texts = load_model_texts(kTinyModel, "auto");
  (void)run_.with_examples();
  const RunConfig with =
      run_.config(sets(fmt::format(", examples: {}", (run_.root() / "examples.jsonl").string())));
  const auto plain = load_tasks(run_.config(sets()), texts);
  const auto shown = load_tasks(with, texts);
  EXPECT_GT(shown[0].prompts[0].token_ids.size(), plain[0].prompts[0].token_ids.size());
  EXPECT_EQ(shown[1].prompts[0].token_ids, plain[1].prompts[0].token_ids);
}

}  // namespace
}  // namespace thoughtrank
