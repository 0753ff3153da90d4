#include "pipeline/freeze.h"

#include "pipeline/support.h"

namespace thoughtrank {
namespace {

const RunIdentity kIdentity = {
    .model_sha256 = "m", .prompts_sha256 = "p", .template_sha256 = "t", .texts_sha256 = "x"};
const ComputeSetup kMachine = {
    .device = "cpu", .dtype = "float32", .train_dtype = "float32", .threads = 2};

RunConfig make_config() {
  RunConfig config;
  config.model.path = "/models/some";
  config.prompts.path = "/prompts.jsonl";
  return config;
}

ComputeSetup freeze(const TestFolder& folder,
                    const RunConfig& config,
                    const ComputeSetup& compute = kMachine,
                    const RunIdentity& identity = kIdentity) {
  return freeze_or_check(folder / "run.json", config, compute, identity, "2026-01-01T00:00:00Z");
}

TEST(Freeze, TheFirstStartsMachineStays) {
  const TestFolder folder;
  EXPECT_EQ(freeze(folder, make_config()).threads, 2);
  const ComputeSetup other = {
      .device = "cpu", .dtype = "bfloat16", .train_dtype = "bfloat16", .threads = 8};
  const ComputeSetup resumed = freeze(folder, make_config(), other);
  EXPECT_EQ(resumed.threads, 2);
  EXPECT_EQ(resumed.dtype, "float32");
}

TEST(Freeze, WhatCannotChangeAResultMayChange) {
  const TestFolder folder;
  (void)freeze(folder, make_config());
  RunConfig config = make_config();
  config.rounds = 9;
  config.judge.max_usd = 5;
  config.judge.first.server.concurrency = 1;
  config.judge.first.server.timeout_s = 5;
  config.judge.first.server.api_key_env = "OTHER";
  config.checkpoint.keep = 3;
  config.limits.max_hours = 2;
  config.run_dir = "/moved";
  EXPECT_NO_THROW((void)freeze(folder, config));
}

// Every other key of the config, one at a time.
TEST(Freeze, AnyOtherChangeIsRefusedWithADiff) {
  const TestFolder folder;
  (void)freeze(folder, make_config());
  const std::vector<std::pair<std::string, std::function<void(RunConfig&)>>> changes = {
      {"rounds: 4 -> 3", [](RunConfig& c) { c.rounds = 3; }},
      {"seed: 1 -> 2", [](RunConfig& c) { c.seed = 2; }},
      {"model.path", [](RunConfig& c) { c.model.path = "/models/other"; }},
      {"prompts.holdout: 64 -> 8", [](RunConfig& c) { c.prompts.holdout = 8; }},
      {"template", [](RunConfig& c) { c.chat_template = "plain"; }},
      {"branches.mode", [](RunConfig& c) { c.branches.mode = "token"; }},
      {"generate.answer_tokens", [](RunConfig& c) { c.generate.answer_tokens = 5; }},
      {"judge.kind", [](RunConfig& c) { c.judge.first.kind = JudgeKind::reference; }},
      {"judge.drop.loop: true -> false", [](RunConfig& c) { c.judge.drop.loop = false; }},
      {"select.max_regret", [](RunConfig& c) { c.select.max_regret = 0.5; }},
      {"train.learning_rate", [](RunConfig& c) { c.train.learning_rate = 1; }},
      {"checkpoint.dtype", [](RunConfig& c) { c.checkpoint.dtype = "float32"; }},
  };
  for (const auto& [line, change] : changes) {
    RunConfig config = make_config();
    change(config);
    expect_error([&] { (void)freeze(folder, config); }, ExitCode::kConfig, line);
  }
}

TEST(Freeze, OtherWeightsPromptsOrTemplateAreRefused) {
  const TestFolder folder;
  (void)freeze(folder, make_config());
  for (std::string RunIdentity::*part : {&RunIdentity::model_sha256,
                                         &RunIdentity::prompts_sha256,
                                         &RunIdentity::template_sha256,
                                         &RunIdentity::texts_sha256}) {
    RunIdentity identity = kIdentity;
    identity.*part = "other";
    expect_error([&] { (void)freeze(folder, make_config(), kMachine, identity); },
                 ExitCode::kConfig,
                 "-> \"other\"");
  }
}

TEST(Freeze, ADamagedFileIsNamed) {
  const TestFolder folder;
  write_text(folder / "run.json", "{\"config\":");
  expect_error([&] { (void)freeze(folder, make_config()); }, ExitCode::kBadData, "run.json");
}

}  // namespace
}  // namespace thoughtrank
