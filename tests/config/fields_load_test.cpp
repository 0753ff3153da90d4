#include <gtest/gtest.h>

#include "config/field_options.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/config/fields.h"

namespace thoughtrank {
namespace {

class FieldsLoad : public testing::Test {
 protected:
  // `yaml` as round.yaml, read with the folder as working directory.
  TestConfig load(const std::string& yaml, const std::vector<std::string>& sets = {}) {
    write_plainly(folder_ / "round.yaml", yaml);
    TestConfig config;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder_.path());
    const Error error =
        error_of([&] { load_fields({.file = "round.yaml", .sets = sets}, visit_of(config)); });
    std::filesystem::current_path(before);
    if (error.code() != ExitCode::kDone) throw error;
    return config;
  }
  // The whole message of what is wrong with `yaml`.
  std::string problems(const std::string& yaml, const std::vector<std::string>& sets = {}) {
    const Error error = error_of([&] { (void)load(yaml, sets); });
    EXPECT_EQ(error.code(), ExitCode::kConfig) << error.what();
    return error.what();
  }
  TemporaryFolder folder_;
};

TEST_F(FieldsLoad, ReadsEveryKind) {
  const TestConfig config = load(R"(run_dir: out
rounds: 2
private: true
threads: 8
betas: [0.5, 1e-5]
judge:
  kind: anthropic
  max_usd: 5
  group_size: 12
  api_key_env: "010"
  rubric: /etc/rubric.txt
  min_score: 0.25
  extra_body: {a: {b: [1, 2.5, true, "true", x, null]}, "c": -3}
  command: [python3, -u, "judge.py"]
)");
  EXPECT_EQ(config.run_dir, (std::filesystem::canonical(folder_.path()) / "out").string());
  EXPECT_EQ(config.rounds, 2);
  EXPECT_TRUE(config.private_run);
  EXPECT_EQ(config.threads, 8);
  EXPECT_EQ(config.betas, (std::vector<double>{0.5, 1e-5}));
  EXPECT_EQ(config.judge.kind, "anthropic");
  EXPECT_EQ(config.judge.max_usd, 5);
  EXPECT_EQ(config.judge.group_size, 12);
  EXPECT_EQ(config.judge.api_key_env, "010");
  EXPECT_EQ(config.judge.rubric, "/etc/rubric.txt");
  EXPECT_EQ(config.judge.min_score, 0.25);
  EXPECT_EQ(dump_json(config.judge.extra_body),
            R"({"a":{"b":[1,2.5,true,"true","x",null]},"c":-3})");
  EXPECT_EQ(config.judge.command, (std::vector<std::string>{"python3", "-u", "judge.py"}));
}

TEST_F(FieldsLoad, WhatIsAbsentKeepsItsDefault) {
  for (const char* yaml :
       {"", "# nothing\n", "judge:\n", "threads: auto\njudge: {min_score: null}"}) {
    const TestConfig config = load(yaml);
    EXPECT_EQ(config.run_dir, "runs/first");
    EXPECT_FALSE(config.threads.has_value());
    EXPECT_EQ(config.judge.group_size, 8);
    EXPECT_FALSE(config.judge.min_score.has_value());
  }
}

TEST_F(FieldsLoad, CollectsEveryProblemWithItsPlace) {
  EXPECT_EQ(problems(R"(rounds: 0
privat: true
judge:
  temprature: 1
  kind: opnai
  group_size: 8.0
  max_usd: lots
max_usd: 3
zzz: 1
)"),
            "round.yaml:1:9: 'rounds' should be an integer of at least 1, found '0'\n"
            "round.yaml:2:1: unknown key 'privat' (did you mean 'private'?)\n"
            "round.yaml:4:3: unknown key 'temprature' in 'judge' (did you mean 'temperature'?)\n"
            "round.yaml:5:9: 'judge.kind' should be one of openai, anthropic, command, found "
            "'opnai' (did you mean 'openai'?)\n"
            "round.yaml:6:15: 'judge.group_size' should be an integer in [2, 20], found '8.0'\n"
            "round.yaml:7:12: 'judge.max_usd' should be a number in [0, 1000000], found 'lots'\n"
            "round.yaml:8:1: unknown key 'max_usd' (did you mean 'judge.max_usd'?)\n"
            "round.yaml:9:1: unknown key 'zzz'");
}

TEST_F(FieldsLoad, ConvertsNothingSilently) {
  const auto refuses = [&](const std::string& yaml) {
    EXPECT_NE(problems(yaml).find("should be"), std::string::npos) << yaml;
  };
  for (const char* value : {"no", "off", "yes", "True", "1", "\"true\"", "null", "[true]"}) {
    refuses("private: " + std::string(value));
  }
  for (const char* value : {"010",
                            "+5",
                            "0x10",
                            "1_000",
                            "1e2",
                            "5.0",
                            "\"5\"",
                            "null",
                            "{}",
                            "-1",
                            "9223372036854775808",
                            "!!int 5x"}) {
    refuses("rounds: " + std::string(value));
  }
  for (const char* value :
       {".5", "5.", ".inf", ".nan", "nan", "1e999", "010", "\"1\"", "-1", "1e7"}) {
    refuses("judge: {max_usd: " + std::string(value) + "}");
  }
  for (const char* yaml : {"judge: 5",
                           "judge: [1]",
                           "- a",
                           "just text",
                           "betas: [1]",
                           "betas: 1",
                           "betas: {a: 0.1, b: 0.2}",
                           "betas: [0.1, 2]",
                           "betas: [0.1, x]",
                           "run_dir: null",
                           "run_dir: [a]",
                           "judge: {command: ls}",
                           "judge: {command: [[a]]}",
                           "threads: automatic",
                           "judge: {extra_body: 5}",
                           "judge: {extra_body: [5]}",
                           "judge: {api_key_env: }",
                           "judge: {min_score: 2}"}) {
    refuses(yaml);
  }
}

TEST_F(FieldsLoad, RefusesWhatYamlCppLetsPass) {
  EXPECT_EQ(problems("rounds: 1\njudge: {kind: openai}\nrounds: 2\n"),
            "round.yaml:3:1: duplicate key 'rounds' (first on line 1). Keep one of them");
  EXPECT_EQ(problems("judge:\n  max_usd: 1\n  max_usd: 1\n"),
            "round.yaml:3:3: duplicate key 'max_usd' (first on line 2). Keep one of them");
  EXPECT_EQ(problems("rounds: 1\n---\nrounds: 2\n"),
            "round.yaml:2:1: a second document begins here. Keep one of them");
  EXPECT_EQ(problems("judge:\n  max_usd: 1\t# x\n"), "round.yaml:2:13: tab character. Use spaces");
  EXPECT_NE(problems("judge:\n\tmax_usd: 1\n").find("round.yaml:2:1: tab"), std::string::npos);
  EXPECT_NE(problems("\xEF\xBB\xBFrounds: 1\n").find("round.yaml:1:1: begins with a byte order"),
            std::string::npos);
  EXPECT_NE(problems("rounds: &x 1\n").find("round.yaml:1:9: anchors"), std::string::npos);
  EXPECT_NE(problems("judge: {extra_body: {a: &a 1, b: *a}}\n").find("aliases"), std::string::npos);
  EXPECT_NE(problems("rounds: !!int 5\n").find("tags"), std::string::npos);
  EXPECT_NE(problems("? [a]\n: 1\n").find("a key should be a plain word"), std::string::npos);
}

TEST_F(FieldsLoad, RefusesBrokenFilesQuickly) {
  EXPECT_NE(problems("judge: {kind: openai\n").find("not valid YAML"), std::string::npos);
  EXPECT_NE(problems("rounds: 1\n  x: 2\n").find("round.yaml:2:"), std::string::npos);
  EXPECT_NE(problems("rounds: \xff\n").find("not valid UTF-8"), std::string::npos);
  EXPECT_NE(problems(std::string("rounds: 1\n\0", 11)).find("round.yaml:2:1: NUL"),
            std::string::npos);
  const std::string brackets =
      problems("judge: " + std::string(100000, '[') + std::string(100000, ']'));
  EXPECT_NE(brackets.find("nested deeper than 32"), std::string::npos) << brackets;
  std::string blocks;
  for (int depth = 0; depth < 500; ++depth)
    blocks += std::string(static_cast<size_t>(depth), ' ') + "a:\n";
  EXPECT_NE(problems(blocks).find("nested deeper than 32"), std::string::npos);
  EXPECT_EQ(error_of([&] { (void)load(std::string(2 << 20, '#')); }).code(), ExitCode::kConfig);
  TestConfig config;
  expect_error([&] { load_fields({.file = "none.yaml", .sets = {}}, visit_of(config)); },
               ExitCode::kMissingInput,
               "none.yaml: there is no such file");
}

TEST_F(FieldsLoad, SetsStandAboveTheFileAndTheLastWins) {
  const TestConfig config = load("rounds: 2\njudge: {max_usd: 1, group_size: 3, rubric: r}\n",
                                 {"judge.max_usd=5",
                                  "betas=[0.1, 0.2]",
                                  "judge.max_usd=6",
                                  "judge={kind: command, group_size: 4}",
                                  "judge.api_key_env=a=b",
                                  "judge.extra_body={x: 1}"});
  EXPECT_EQ(config.rounds, 2);
  EXPECT_EQ(config.judge.max_usd, 6);
  EXPECT_EQ(config.judge.kind, "command");
  EXPECT_EQ(config.judge.group_size, 4);
  EXPECT_EQ(config.judge.api_key_env, "a=b");
  EXPECT_EQ(config.betas, (std::vector<double>{0.1, 0.2}));
  EXPECT_EQ(dump_json(config.judge.extra_body), R"({"x":1})");
}

TEST_F(FieldsLoad, PathsAreRelativeToWhereTheyWereWritten) {
  std::filesystem::create_directory(folder_ / "sub");
  write_plainly(folder_ / "sub/round.yaml", "run_dir: ../out\njudge: {rubric: r.txt}\n");
  TestConfig config;
  load_fields({.file = (folder_ / "sub/round.yaml").string(), .sets = {"judge.rubric=q.txt"}},
              visit_of(config));
  EXPECT_EQ(config.run_dir, (folder_ / "out").string());
  EXPECT_EQ(config.judge.rubric, (std::filesystem::current_path() / "q.txt").string());
  load_fields({.file = "", .sets = {"judge.rubric=\"\""}}, visit_of(config));
  EXPECT_EQ(config.judge.rubric, "");
}

TEST_F(FieldsLoad, ProblemsOfSetsNameTheKeyOnly) {
  EXPECT_EQ(problems("rounds: x\n", {"rounds", "judge.api_key=sk-1", "judge.kind.x=1", "a..b=1"}),
            "round.yaml:1:9: 'rounds' should be an integer of at least 1, found 'x'\n"
            "--set rounds: should be key.path=value\n"
            "--set judge.api_key: unknown key 'api_key' in 'judge' (did you mean 'api_key_env'?)\n"
            "--set judge.kind.x: 'judge.kind' should be one of openai, anthropic, command, found a "
            "mapping\n"
            "--set a..b: unknown key 'a'");
  EXPECT_NE(problems("", {"rounds=1: 2: 3"}).find("--set rounds: "), std::string::npos);
}

}  // namespace
}  // namespace thoughtrank
