#include "pipeline/freeze.h"

#include <algorithm>

#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/core/files.h"

namespace thoughtrank {
namespace {

const RunIdentity kIdentity = {
    .model_sha256 = "m", .prompts_sha256 = "p", .template_sha256 = "t", .texts_sha256 = "x"};
const ComputeSetup kMachine = {
    .device = "cpu", .dtype = Dtype::float32, .train_dtype = Dtype::float32, .threads = 2};

RunConfig make_config() {
  RunConfig config;
  config.model.path = "/models/some";
  config.prompts.path = "/prompts.jsonl";
  return config;
}

ComputeSetup freeze(const TemporaryFolder& folder,
                    const RunConfig& config,
                    const ComputeSetup& compute = kMachine,
                    const RunIdentity& identity = kIdentity) {
  return freeze_or_check(folder / "run.json", config, compute, identity, "2026-01-01T00:00:00Z");
}

TEST(Freeze, TheFirstStartsMachineStays) {
  const TemporaryFolder folder;
  EXPECT_EQ(freeze(folder, make_config()).threads, 2);
  const ComputeSetup other = {
      .device = "cpu", .dtype = Dtype::bfloat16, .train_dtype = Dtype::bfloat16, .threads = 8};
  const ComputeSetup resumed = freeze(folder, make_config(), other);
  EXPECT_EQ(resumed.threads, 2);
  EXPECT_EQ(resumed.dtype, Dtype::float32);
}

Json frozen_in(const TemporaryFolder& folder) {
  return parse_json(read_file(folder / "run.json"), "run.json").at("frozen");
}

void begin_with(const TemporaryFolder& folder, const Json& set) {
  (void)freeze(folder, make_config());
  Json record = parse_json(read_file(folder / "run.json"), "run.json");
  record["frozen"]["instruction_set"] = set;
  if (set.is_null()) record["frozen"].erase("instruction_set");
  publish_file(folder / "run.json", record.dump());
}

TEST(Freeze, TheInstructionSetOfTheFirstStartStays) {
  const TemporaryFolder folder;
  begin_with(folder, "portable");
  EXPECT_EQ(freeze(folder, make_config()).instruction_set, InstructionSet::portable);
}

TEST(Freeze, AnInstructionSetThatTheMachineLacksIsRefusedUntilAnotherIsAskedFor) {
  const TemporaryFolder folder;
  begin_with(folder, "avx1024");
  expect_error([&] { (void)freeze(folder, make_config()); },
               ExitCode::kConfig,
               {"run.json", "avx1024", "--set instruction_set="});
  RunConfig config = make_config();
  config.instruction_set = "portable";
  ComputeSetup other = kMachine;
  other.instruction_set = InstructionSet::portable;
  EXPECT_EQ(freeze(folder, config, other).instruction_set, InstructionSet::portable);
  EXPECT_EQ(frozen_in(folder).at("instruction_set"), "portable");
  EXPECT_EQ(freeze(folder, make_config()).instruction_set, InstructionSet::portable);
}

TEST(Freeze, ARunOfBeforeThereWasAKeyHasNoMatrixTiles) {
  const TemporaryFolder folder;
  begin_with(folder, nullptr);
  const InstructionSet set = freeze(folder, make_config()).instruction_set;
  EXPECT_LT(set, InstructionSet::amx);
  EXPECT_EQ(frozen_in(folder).at("instruction_set"), name_of(set));
}

// A study is one process of many runs.
TEST(Freeze, TheInstructionSetOfOneRunIsNotThatOfTheNext) {
  const InstructionSet of_process = resolve_instruction_set("auto");
  use_instruction_set(InstructionSet::portable);
  EXPECT_EQ(resolve_instruction_set("auto"), of_process);
  use_instruction_set(of_process);
}

TEST(Freeze, WhatCannotChangeAResultMayChange) {
  const TemporaryFolder folder;
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

// This list grows only on purpose: whatever stands in it must not be able to change a result.
TEST(Freeze, TheseKeysMayChangeAndNoOthers) {
  RunConfig config;
  std::vector<std::string> keys;
  for (const ConfigOrigin& field : list_fields({}, [&](FieldVisitor& v) { config.visit(v); })) {
    if (field.may_change) keys.push_back(field.key);
  }
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(keys,
            (std::vector<std::string>{"checkpoint.keep",
                                      "device",
                                      "instruction_set",
                                      "judge.api_key_env",
                                      "judge.api_key_file",
                                      "judge.ca_file",
                                      "judge.concurrency",
                                      "judge.max_flip_rate",
                                      "judge.max_length_correlation",
                                      "judge.max_planted_errors",
                                      "judge.max_position_bias",
                                      "judge.max_usd",
                                      "judge.patience_s",
                                      "judge.price",
                                      "judge.proxy",
                                      "judge.rubric",
                                      "judge.timeout_s",
                                      "limits.hang_minutes",
                                      "limits.max_hours",
                                      "model.path",
                                      "prompts.drop_repeats",
                                      "prompts.examples.path",
                                      "prompts.path",
                                      "run_dir",
                                      "threads",
                                      "train.replay.path"}));
}

TEST(Freeze, ATreeMayBeMovedWhereItsContentsAreTheSame) {
  const TemporaryFolder folder;
  RunConfig config = make_config();
  JudgeServer other;
  other.kind = JudgeKind::command;
  other.rubric = "/here/rubric.txt";
  other.server.command = {"/here/rank.py", "--strict", "/here/taste.json", "https://here/x"};
  config.judge.first.server.command = other.server.command;
  config.judge.first.server.model = "/here/model";  // a name, whatever it looks like
  config.judge.others = {other};
  config.chat_template = "/here/mine.yaml";
  (void)freeze(folder, config);
  config.model.path = "/there/other-name";
  config.prompts.path = "/there/p.jsonl";
  config.judge.others[0].rubric = "/there/rubric.txt";
  config.judge.first.server.command = {
      "/there/rank.py", "--strict", "/there/taste.json", "https://here/x"};
  config.judge.others[0].server.command = config.judge.first.server.command;
  config.chat_template = "/there/mine.yaml";
  EXPECT_NO_THROW((void)freeze(folder, config));
  config.judge.first.server.model = "/there/model";
  expect_error([&] { (void)freeze(folder, config); }, ExitCode::kConfig, "judge.model");
  config.judge.first.server.model = "/here/model";
  config.judge.first.server.command[0] = "/there/another.py";
  expect_error([&] { (void)freeze(folder, config); }, ExitCode::kConfig, "another.py");
  config.judge.first.server.command[0] = "/there/rank.py";
  config.judge.first.server.command[3] = "https://there/x";
  expect_error([&] { (void)freeze(folder, config); }, ExitCode::kConfig, "https://there/x");
}

// Of each further judge, nothing may change: the list of them is one value.
TEST(Freeze, TheOtherJudgesStayAsTheyAre) {
  const TemporaryFolder folder;
  write_plainly(
      folder / "round.yaml",
      "model: {path: /models/some}\nprompts: {path: /prompts.jsonl}\n"
      "judge: {kind: reference, others: [{kind: command, command: [rank], concurrency: 3}]}\n");
  const auto load = [&](const std::vector<std::string>& sets) {
    return load_config({.file = (folder / "round.yaml").string(), .sets = sets});
  };
  (void)freeze(folder, load({}));
  EXPECT_NO_THROW((void)freeze(folder, load({"judge.concurrency=2"})));
  expect_error([&] { (void)freeze(folder, load({"judge.others=[]"})); },
               ExitCode::kConfig,
               "judge.others: [{");
}

TEST(Freeze, AllDifferencesStandInOneMessageSortedByKey) {
  const TemporaryFolder folder;
  (void)freeze(folder, make_config());
  RunConfig config = make_config();
  config.seed = 2;
  config.prompts.holdout = 8;
  config.limits.max_hours = 3;
  RunIdentity identity = kIdentity;
  identity.prompts_sha256 = "q";
  const Error error = error_of([&] { (void)freeze(folder, config, kMachine, identity); });
  EXPECT_EQ(std::string(error.what()),
            fmt::format("{0} was started with other values:\n"
                        "  prompts.holdout: 64 -> 8\n"
                        "  seed: 1 -> 2\n"
                        "  sha256.prompts: \"p\" -> \"q\"\n"
                        "Put them back, or start a new run folder with another run_dir; "
                        "--fork-from {0} --round N takes its rounds before N over (rounds and "
                        "train.sequence_length may go up; paths, keys, caps and time-outs may "
                        "change).",
                        (folder / "run.json").parent_path().string()));
}

TEST(Freeze, ARaisedSequenceLengthIsFrozenAnewAndNotLowered) {
  const TemporaryFolder folder;
  (void)freeze(folder, make_config());
  RunConfig longer = make_config();
  longer.train.sequence_length += 100;
  (void)freeze(folder, longer);
  const Json now = parse_json(read_file(folder / "run.json"), "now");
  EXPECT_EQ(now["config"]["train"]["sequence_length"], longer.train.sequence_length);
  expect_error(
      [&] { (void)freeze(folder, make_config()); }, ExitCode::kConfig, "train.sequence_length: ");
}

TEST(Freeze, AddedRoundsAreFrozenAnew) {
  const TemporaryFolder folder;
  (void)freeze(folder, make_config());
  const Json before = parse_json(read_file(folder / "run.json"), "before");
  RunConfig longer = make_config();
  longer.rounds = 9;
  (void)freeze(folder, longer);
  Json now = parse_json(read_file(folder / "run.json"), "now");
  EXPECT_EQ(now["config"]["rounds"], 9);
  now["config"]["rounds"] = 4;
  EXPECT_EQ(now, before);
  expect_error([&] { (void)freeze(folder, make_config()); }, ExitCode::kConfig, "rounds: 9 -> 4");
}

TEST(Freeze, AKeyThatTheFolderLacksIsADifference) {
  const TemporaryFolder folder;
  (void)freeze(folder, make_config());
  Json record = parse_json(read_file(folder / "run.json"), "run.json");
  record["config"]["generate"].erase("answer_tokens");
  record["version"] = "0.1.0";
  write_plainly(folder / "run.json", record.dump(2));
  expect_error([&] { (void)freeze(folder, make_config()); },
               ExitCode::kConfig,
               {"generate.answer_tokens: null -> 2048", "version: \"0.1.0\" -> "});
}

TEST(Freeze, ARecordOfAnotherShapeIsRefused) {
  const TemporaryFolder folder;
  for (const char* text : {R"({"config": [], "sha256": {}, "version": "x"})",
                           R"({"config": {"judge": 1}, "sha256": [1], "version": {}})"}) {
    write_plainly(folder / "run.json", text);
    expect_error(
        [&] { (void)freeze(folder, make_config()); }, ExitCode::kConfig, "seed: null -> 1");
  }
  write_plainly(folder / "run.json", R"({"config": {}})");
  expect_error([&] { (void)freeze(folder, make_config()); }, ExitCode::kBadData, "sha256");
}

// Every other key of the config, one at a time.
TEST(Freeze, AnyOtherChangeIsRefusedWithADiff) {
  const TemporaryFolder folder;
  (void)freeze(folder, make_config());
  const std::vector<std::pair<std::string, std::function<void(RunConfig&)>>> changes = {
      {"rounds: 4 -> 3", [](RunConfig& c) { c.rounds = 3; }},
      {"seed: 1 -> 2", [](RunConfig& c) { c.seed = 2; }},
      {"prompts.holdout: 64 -> 8", [](RunConfig& c) { c.prompts.holdout = 8; }},
      {"template", [](RunConfig& c) { c.chat_template = "plain"; }},
      {"branches.mode", [](RunConfig& c) { c.branches.mode = HeadMode::token; }},
      {"generate.answer_tokens", [](RunConfig& c) { c.generate.answer_tokens = 5; }},
      {"judge.kind", [](RunConfig& c) { c.judge.first.kind = JudgeKind::reference; }},
      {"judge.drop.loop: true -> false", [](RunConfig& c) { c.judge.drop.loop = false; }},
      {"select.max_regret", [](RunConfig& c) { c.select.max_regret = 0.5; }},
      {"train.learning_rate", [](RunConfig& c) { c.train.learning_rate = 1; }},
      {"checkpoint.dtype", [](RunConfig& c) { c.checkpoint.dtype = Dtype::float32; }},
  };
  for (const auto& [line, change] : changes) {
    RunConfig config = make_config();
    change(config);
    expect_error([&] { (void)freeze(folder, config); }, ExitCode::kConfig, line);
  }
}

TEST(Freeze, OtherWeightsPromptsOrTemplateAreRefused) {
  const TemporaryFolder folder;
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

TEST(Freeze, TextsMayBeNamedAsByAnEarlierVersion) {
  const TemporaryFolder folder;
  RunIdentity earlier = kIdentity, now = kIdentity;
  earlier.texts_sha256 = "by path";
  (void)freeze(folder, make_config(), kMachine, earlier);
  now.texts_sha256 = "by number";
  now.earlier_texts_sha256 = "by path";
  EXPECT_NO_THROW((void)freeze(folder, make_config(), kMachine, now));
  now.earlier_texts_sha256 = "other";
  expect_error([&] { (void)freeze(folder, make_config(), kMachine, now); },
               ExitCode::kConfig,
               "sha256.texts");
}

TEST(Freeze, ADamagedFileIsNamed) {
  const TemporaryFolder folder;
  write_plainly(folder / "run.json", "{\"config\":");
  expect_error([&] { (void)freeze(folder, make_config()); }, ExitCode::kBadData, "run.json");
}

}  // namespace
}  // namespace thoughtrank
