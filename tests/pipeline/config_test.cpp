#include "thoughtrank/pipeline/config.h"

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace thoughtrank {
namespace {

RunConfig load(const TemporaryFolder& folder, const std::string& yaml) {
  write_plainly(folder / "round.yaml", yaml);
  return load_config({.file = (folder / "round.yaml").string(), .sets = {}});
}

const std::string kPaths = "model: {path: m}\nprompts: {path: p.jsonl}\n";
const std::string kLeast = kPaths + "judge: {kind: reference}\n";

TEST(Config, DefaultsAreTheDesigns) {
  const TemporaryFolder folder;
  const RunConfig config = load(folder, kLeast);
  EXPECT_EQ(config.rounds, 4);
  EXPECT_EQ(config.generate.thought_tokens, 128);
  EXPECT_EQ(config.generate.answer_tokens, 2048);
  EXPECT_EQ(config.prompts.holdout, 64);
  EXPECT_EQ(config.train.tokens_per_step, 16384);
  EXPECT_EQ(config.judge.scheme.group_size, 8);
}

TEST(Config, RelativePathsAreRelativeToTheFile) {
  const TemporaryFolder folder;
  const RunConfig config = load(folder, kLeast);
  EXPECT_EQ(std::filesystem::path(config.prompts.path), folder / "p.jsonl");
  const std::string judge = kPaths + "judge: {kind: command, command: [";
  EXPECT_EQ(load(folder, judge + "./rank.py, ./as-it-is]}\n").judge.first.server.command,
            (std::vector<std::string>{(folder / "rank.py").string(), "./as-it-is"}));
  EXPECT_EQ(load(folder, judge + "python3, ./rank.py]}\n").judge.first.server.command,
            (std::vector<std::string>{"python3", "./rank.py"}));
}

TEST(Config, AllProblemsComeInOneMessageWithTheirPlaces) {
  const TemporaryFolder folder;
  const std::string yaml =
      "rounds: 0\n"
      "judge:\n"
      "  kind: opanai\n"
      "  temprature: 1\n"
      "train: {learning_rate: fast}\n";
  for (const char* part : {"round.yaml:1:9: ",
                           "round.yaml:3:9: ",
                           "round.yaml:4:3: unknown key 'temprature'",
                           "round.yaml:5:24: "}) {
    expect_error([&] { (void)load(folder, yaml); }, ExitCode::kConfig, part);
  }
}

TEST(Config, SamplesAndTopPNeedATemperature) {
  const TemporaryFolder folder;
  expect_error([&] { (void)load(folder, kLeast + "branches: {samples_per_char: 2}\n"); },
               ExitCode::kConfig,
               "'branches.samples_per_char: 2' needs 'generate.temperature'");
  expect_error([&] { (void)load(folder, kLeast + "generate: {top_p: 0.9}\n"); },
               ExitCode::kConfig,
               "'generate.top_p: 0.9' needs 'generate.temperature'");
  const RunConfig config =
      load(folder,
           kLeast + "branches: {samples_per_char: 2}\ngenerate: {top_p: 0.9, temperature: 0.7}\n");
  EXPECT_EQ(branches_per_prompt(config.branches), 124);
}

TEST(Config, AJudgeHasNoDefaultKind) {
  const TemporaryFolder folder;
  for (const char* judge :
       {"", "judge: {model: x}\n", "judge: {kind: openai, others: [{model: x}]}\n"}) {
    const Error error = error_of([&] { (void)load(folder, kPaths + judge); });
    EXPECT_EQ(error.code(), ExitCode::kConfig);
    for (const auto& [kind, word] : kJudgeKinds) {
      EXPECT_NE(std::string(error.what()).find(fmt::format("\n  {} ", word)), std::string::npos)
          << word << error.what();
    }
  }
  expect_error([&] { (void)load(folder, kPaths + "judge: {kind: ''}\n"); },
               ExitCode::kConfig,
               "should be one of openai, anthropic");
}

TEST(Config, WhatARunNeedsMustBeThere) {
  const TemporaryFolder folder;
  expect_error(
      [&] { (void)load(folder, "rounds: 1\n"); }, ExitCode::kConfig, "'model.path' is missing");
  expect_error(
      [&] { (void)load(folder, "rounds: 1\n"); }, ExitCode::kConfig, "'prompts.path' is missing");
}

TEST(Config, ValuesThatMeanNothingAreRefused) {
  const TemporaryFolder folder;
  expect_error(
      [&] { (void)load(folder, kLeast + "device: gpu\n"); }, ExitCode::kConfig, "'device'");
  expect_error(
      [&] { (void)load(folder, kLeast + "branches: {chars: z-a}\n"); }, ExitCode::kConfig, "z-a");
  expect_error(
      [&] { (void)load(folder, kLeast + "rounds: 1\nrounds: 2\n"); }, ExitCode::kConfig, "rounds");
}

TEST(Config, TheShippedConfigsAreValid) {
  for (const char* name : {"quickstart.yaml", "llama-3.2-3b.yaml"}) {
    const fs::path file = fs::path(SOURCE_DIR) / "configs" / name;
    EXPECT_NO_THROW((void)load_config({.file = file.string(), .sets = {}})) << name;
  }
}

}  // namespace
}  // namespace thoughtrank
