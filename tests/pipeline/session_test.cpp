#include "pipeline/session.h"

#include "pipeline/settle_batch.h"
#include "pipeline/tiny_run.h"

namespace thoughtrank {
namespace {

TEST(OpenSession, IsWholeWhenItIsMade) {
  TinyRun run;
  const auto session = run.open({}, {.batch = {.to = "calls.jsonl"}, .overlaps_judging = true});
  EXPECT_EQ(session->prompts.holdout.size(), 2u);
  EXPECT_EQ(session->prompts.rounds.size(), 2u);
  for (const PromptRow& prompt : session->prompts.rounds[0]) {
    EXPECT_EQ(prompt.token_ids, session->texts.prompt_ids(prompt));
  }
  EXPECT_TRUE(session->options.overlaps_judging);
  EXPECT_EQ(session->options.batch.to, "calls.jsonl");
  EXPECT_EQ(session->compute.threads, 1);
  EXPECT_TRUE(fs::exists(run.folder().frozen()));
  EXPECT_TRUE(fs::exists(run.folder().journal()));
}

TEST(OpenSession, RoundZerosWeightsAreTheBaseModels) {
  TinyRun run;
  const auto session = run.open();
  EXPECT_EQ(session->model_folder(0), kTinyModel);
  EXPECT_EQ(session->model_folder(2), run.folder().checkpoint(2));
}

TEST(OpenSession, ARunHasOneSessionAtATime) {
  TinyRun run;
  {
    const auto session = run.open();
    expect_error([&] { (void)run.open(); }, ExitCode::kLocked);
  }
  EXPECT_NO_THROW((void)run.open());
}

TEST(OpenSession, WhatAKilledRunLeftGoes) {
  TinyRun run;
  (void)run.open();
  const fs::path round = run.folder().round(1);
  fs::create_directories(round / ".tmp-checkpoint");
  fs::create_directories(run.folder().work(1));
  write_plainly(run.folder().root() / ".trash-x", "");
  write_plainly(run.folder().branches(1), "");
  (void)run.open();
  EXPECT_FALSE(fs::exists(round / ".tmp-checkpoint"));
  EXPECT_FALSE(fs::exists(run.folder().root() / ".trash-x"));
  EXPECT_TRUE(fs::exists(run.folder().branches(1))) << "that is work to go on with";
}

TEST(OpenSession, OtherWeightsThanThePinnedOnesAreRefused) {
  TinyRun run;
  const std::string zeros(64, '0');
  expect_error([&] { (void)run.open({"model.sha256=" + zeros}); },
               ExitCode::kConfig,
               "model.sha256 pins " + zeros);
  EXPECT_FALSE(fs::exists(run.folder().root()));
  EXPECT_NO_THROW((void)run.open({"model.sha256=" + weights_sha256(kTinyModel)}));
}

TEST(OpenSession, AReferenceJudgeNeedsEveryAnswer) {
  TinyRun run;
  EXPECT_NO_THROW((void)load_prompts(run.config({"judge.kind=reference"}),
                                     load_model_texts(kTinyModel, "auto")));
  run.write_prompts(8, /*has_answers=*/false);
  expect_error(
      [&] { (void)run.open({"judge.kind=reference"}); }, ExitCode::kConfig, "has no 'answer'");
}

TEST(OpenSession, PromptsThatDoNotFitAreLeftOut) {
  TinyRun run;
  std::string lines = read_file(run.root() / "prompts.jsonl");
  std::string words;
  for (int n = 0; n < 3000; ++n) words += "word ";
  lines += dump_json(Json{{"id", "long"}, {"prompt", words}}) + "\n";
  write_plainly(run.root() / "prompts.jsonl", lines);
  const auto session = run.open({"prompts.per_round=0", "rounds=1"});
  EXPECT_EQ(session->prompts.left_out, std::vector<std::string>{"long"});
  EXPECT_EQ(session->prompts.rounds[0].size(), 6u);
}

TEST(OpenSession, RowsThatCanPassTheSequenceLengthAreRefusedBeforeAnyWork) {
  TinyRun run;
  const std::string most = "train.sequence_length=";
  const Error error = error_of([&] { (void)run.open({most + "24"}); });
  EXPECT_EQ(error.code(), ExitCode::kConfig) << error.what();
  const std::string text = error.what();
  const std::string advice = "Raise train.sequence_length to ";
  ASSERT_NE(text.find(advice), std::string::npos) << text;
  const int64_t enough = std::stoll(text.substr(text.find(advice) + advice.size()));
  EXPECT_FALSE(fs::exists(run.folder().root())) << "nothing was begun";
  expect_error([&] { (void)run.open({most + std::to_string(enough - 1)}); },
               ExitCode::kConfig,
               "train.sequence_length is");
  // The pairs of preferences are twice as long.
  expect_error(
      [&] {
        (void)run.open({most + std::to_string(enough), "train.objective=dpo_nll"});
      },
      ExitCode::kConfig,
      "Raise train.sequence_length to " + std::to_string(2 * enough));
  EXPECT_NO_THROW((void)run.open({most + std::to_string(enough)}));
  EXPECT_NO_THROW((void)run.open({most + std::to_string(enough + 50)})) << "raised on resume";
  expect_error([&] { (void)run.open({most + std::to_string(enough)}); },
               ExitCode::kConfig,
               "train.sequence_length: ");
}

TEST(OpenSession, ReferencesThatCannotBeComparedAreRefusedBeforeAnyWork) {
  TinyRun run;
  write_plainly(run.root() / "prompts.jsonl",
                "{\"prompt\":\"a\",\"answer\":\"no number (\"}\n"
                "{\"prompt\":\"b\",\"answer\":\"1\"}\n{\"prompt\":\"c\",\"answer\":\"2\"}\n");
  const std::vector<std::string> small = {
      "rounds=1", "prompts.per_round=2", "prompts.holdout=1", "judge.kind=reference"};
  for (const char* match : {"judge.match=numeric", "judge.match=regex"}) {
    std::vector<std::string> sets = small;
    sets.emplace_back(match);
    expect_error([&] { (void)run.open(sets); }, ExitCode::kBadData, "'answer'");
  }
  EXPECT_FALSE(fs::exists(run.folder().root()));
}

TEST(OpenSession, ItsTextsAreThoseOfModelTemplateAndRubric) {
  TinyRun run;
  write_plainly(run.root() / "rubric.txt", "Prefer the shorter one.");
  const std::string rubric = "judge.rubric=" + (run.root() / "rubric.txt").string();
  const std::string plain = texts_sha256(run.config()), with = texts_sha256(run.config({rubric}));
  EXPECT_NE(plain, with);
  (void)run.open({rubric});
  write_plainly(run.root() / "rubric.txt", "Prefer the longer one.");
  EXPECT_NE(texts_sha256(run.config({rubric})), with);
  expect_error([&] { (void)run.open({rubric}); }, ExitCode::kConfig, "sha256.texts");
  const ModelTexts one = load_model_texts(kTinyModel, "plain");
  const ModelTexts other = load_model_texts(kTinyModel, "chatml");
  EXPECT_NE(template_sha256(one.chat_template), template_sha256(other.chat_template));
}

TEST(RequireJudge, RefusesAProgramThatIsNotThere) {
  TinyRun run;
  const auto session = run.open({"judge.kind=command", "judge.command=[/no/such/judge]"});
  expect_error([&] { require_judge(*session, 1); }, ExitCode::kConfig, "/no/such/judge");
  const auto sets = run.judged_by_program({"run_dir=" + (run.root() / "other").string()});
  const auto other = run.open(sets);
  EXPECT_NO_THROW(require_judge(*other, 1));
  EXPECT_EQ(run.judge_calls(), 0);
}

TEST(RequireJudge, RefusesACapBelowWhatIsSpent) {
  TinyRun run;
  const auto sets = run.judged_by_program({"judge.max_usd=0.25"});
  const auto session = run.open(sets);
  EXPECT_NO_THROW(require_judge(*session, 1));
  {
    Journal ledger(run.folder().ledger(), [](const Json&) {});
    ledger.append({{"type", "failed"}, {"request", "r"}, {"usd", 0.5}, {"reason", "no reply"}});
  }
  expect_error([&] { require_judge(*session, 1); },
               ExitCode::kConfig,
               "judge.max_usd is 0.25, but this run has already spent 0.5000");
}

// What was written to a batch file and never comes back.
TEST(SettleBatch, GivesUpWhatWasExported) {
  TinyRun run;
  {
    const auto session = run.open();
    settle_batch(*session);
    EXPECT_FALSE(fs::exists(run.folder().ledger())) << "nothing to settle";
    Journal ledger(run.folder().ledger(), [](const Json&) {});
    ledger.append({{"type", "batched"}, {"request", "r"}, {"reserved_usd", 0.5}});
  }
  const auto sets = run.judged_by_program({"run_dir=" + (run.root() / "other").string()});
  fs::create_directories(run.root() / "other");
  fs::copy_file(run.folder().ledger(), run.folder("other").ledger());
  const auto session = run.open(sets, {.batch = {.is_discarded = true}});
  settle_batch(*session);
  std::vector<std::string> types;
  read_journal(run.folder("other").ledger(),
               [&](const Json& record) { types.push_back(record["type"].get<std::string>()); });
  EXPECT_EQ(types, (std::vector<std::string>{"batched", "discarded"}));
}

}  // namespace
}  // namespace thoughtrank
