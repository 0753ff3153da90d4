// A run folder that version 0.2.0 left between the judge and the train stage of its first round;
// run.json holds @MODEL@ and @ROOT@ where the paths of that machine stood.
#include "pipeline/tiny_run.h"

namespace thoughtrank {
namespace {

const fs::path kOldFolder = fs::path(TEST_DATA_DIR) / "run_folder_0.2.0";

void replace_all(std::string& text, const std::string& part, const std::string& with) {
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at)) {
    text.replace(at, part.size(), with);
    at += with.size();
  }
}

class OldRunFolder : public testing::Test {
 protected:
  OldRunFolder() {
    fs::copy(kOldFolder, run_.folder().root(), fs::copy_options::recursive);
    std::string frozen = read_file(kOldFolder / "run.json");
    replace_all(frozen, "@MODEL@", kTinyModel);
    replace_all(frozen, "@ROOT@", run_.root().string());
    write_plainly(run_.folder().frozen(), frozen);
  }
  TinyRun run_;
};

// Defaults that are others today, as the run has them.
const std::vector<std::string> kDefaultsOfThen = {"judge.finals=5", "select.max_regret=0.25"};

TEST_F(OldRunFolder, GoesOnWhereItEnded) {
  EXPECT_TRUE(run_.run(kDefaultsOfThen));
  std::vector<std::string> begun;
  for (const Json& record : run_.journal_of("stage_started")) {
    begun.push_back(
        fmt::format("{} {}", record["round"].get<int64_t>(), record["stage"].get<std::string>()));
  }
  EXPECT_EQ(begun,
            (std::vector<std::string>{"1 generate",
                                      "1 judge",
                                      "0 evaluate",
                                      "1 train",
                                      "1 evaluate",
                                      "2 generate",
                                      "2 judge",
                                      "2 train",
                                      "2 evaluate"}));
  for (const RoundFile file : {RoundFile::outputs, RoundFile::verdicts, RoundFile::best_outputs}) {
    EXPECT_EQ(run_.text(1, file), read_file(kOldFolder / "round-01" / file_name(file)));
  }
  EXPECT_EQ(verify_folder(run_.folder().checkpoint(2)), "");
  EXPECT_FALSE(run_.run(kDefaultsOfThen));
}

TEST_F(OldRunFolder, TellsDefaultsThatHaveChanged) {
  expect_error([&] { (void)run_.run(); },
               ExitCode::kConfig,
               {"judge.finals: 5 -> 12", "select.max_regret: 0.25 -> 0.3", "Put them back"});
}

TEST_F(OldRunFolder, RefusesOtherValuesInOneMessage) {
  expect_error(
      [&] {
        (void)run_.run({"seed=4", "generate.answer_tokens=9"});
      },
      ExitCode::kConfig,
      {"generate.answer_tokens: 10 -> 9", "seed: 3 -> 4", "--fork-from"});
}

TEST_F(OldRunFolder, RefusesAnotherValueOfAKeyThatItDoesNotKnow) {
  expect_error(
      [&] {
        (void)run_.run({"train.rows=all", "train.anchor.ema=0.5"});
      },
      ExitCode::kConfig,
      {"train.rows: \"auto\" -> \"all\"", "train.anchor.ema: null -> 0.5"});
}

TEST_F(OldRunFolder, TakesWhatMayChange) {
  std::vector<std::string> sets = kDefaultsOfThen;
  sets.insert(sets.end(), {"limits.max_hours=5", "checkpoint.keep=7", "threads=2"});
  EXPECT_NO_THROW((void)run_.open(sets));
}

// The program of then wrote these names, and in this order. What came since may change on resume,
// or had its default then: a record without it is as good.
TEST_F(OldRunFolder, ANewRunFreezesTheSameFields) {
  TinyRun fresh;
  (void)fresh.open();
  const auto keys = [](const Json& json) {
    const Json flat = json.flatten();
    std::vector<std::string> paths;
    for (const auto& [path, value] : flat.items()) paths.push_back(path);
    return paths;
  };
  const Json before = parse_json(read_file(run_.folder().frozen()), "before");
  Json now = parse_json(read_file(fresh.folder().frozen()), "now");
  std::vector<std::string> now_keys = keys(now);
  for (const char* since : {"instruction_set",
                            "prompts/drop_repeats",
                            "prompts/examples/path",
                            "prompts/examples/rounds",
                            "prompts/examples/train",
                            "train/rows",
                            "train/replay/path",
                            "train/replay/share",
                            "train/anchor/ema",
                            "select/control",
                            "branches/samples_per_char",
                            "generate/temperature",
                            "generate/top_p",
                            "evaluate/tasks"}) {
    EXPECT_EQ(std::erase(now_keys, std::string("/config/") + since), 1u) << since;
  }
  EXPECT_EQ(std::erase(now_keys, "/config/select/min_lift"), 1u);
  EXPECT_EQ(std::erase(now_keys, "/frozen/instruction_set"), 1u);
  now["frozen"].erase("instruction_set");
  EXPECT_EQ(now_keys, keys(before));
  EXPECT_EQ(now["frozen"], before["frozen"]);
  EXPECT_EQ(now["sha256"], before["sha256"]);
}

}  // namespace
}  // namespace thoughtrank
