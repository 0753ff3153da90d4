// A small config with one field of every kind, for the tests of config/fields.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/config/fields.h"

namespace thoughtrank {

enum class TestMatch : uint8_t { kExact, kNumeric };
inline constexpr EnumWords<TestMatch, 2> kTestMatches = {
    {{TestMatch::kExact, "exact"}, {TestMatch::kNumeric, "numeric"}}};

// A config with a choice that is an enum.
struct TestReference {
  TestMatch match = TestMatch::kExact;
  void visit(FieldVisitor& v) { v.choice("match", match, kTestMatches, "how answers compare"); }
};

struct TestJudge {
  std::string kind = "openai";
  double max_usd = 20;
  double temperature = 0;
  int64_t group_size = 8;
  std::string api_key_env;
  std::string rubric;
  std::optional<double> min_score;
  Json extra_body = Json::object();
  std::vector<std::string> command;
  void visit(FieldVisitor& v) {
    v.choice("kind", kind, {"openai", "anthropic", "command"}, "who judges");
    v.may_change().number("max_usd", max_usd, {0, 1e6}, "spending cap");
    v.number("temperature", temperature, {}, "of the judge");
    v.integer("group_size", group_size, {2, 20}, "answers per call");
    v.text("api_key_env", api_key_env, "variable with the key");
    v.path("rubric", rubric, "file with the rubric");
    v.optional_number("min_score", min_score, {0, 1}, "lowest score");
    v.json("extra_body", extra_body, "sent as it is");
    v.texts("command", command, "program and arguments");
  }
};

struct TestShelf {
  std::string path;
  int64_t size = 3;
  void visit(FieldVisitor& v) {
    v.path("path", path, "where it stands");
    v.may_change().integer("size", size, {1}, "how large it is");
  }
};

// A config with a list of groups.
struct TestLibrary {
  std::vector<TestShelf> shelves;
  void visit(FieldVisitor& v) {
    v.groups(
        "shelves",
        shelves,
        [](TestShelf& shelf, FieldVisitor& w) { shelf.visit(w); },
        "the shelves");
  }
};

struct TestConfig {
  std::string run_dir = "runs/first";
  int64_t rounds = 4;
  bool private_run = false;
  std::optional<int64_t> threads;
  std::vector<double> betas = {0.9, 0.95};
  TestJudge judge;
  void visit(FieldVisitor& v) {
    v.may_change().path("run_dir", run_dir, "where the run lives");
    v.integer("rounds", rounds, {1}, "how many rounds");
    v.boolean("private", private_run, "no publishing rules");
    v.auto_integer("threads", threads, {1, 1024}, "CPU threads");
    v.numbers("betas", betas, 2, {0, 1}, "of AdamW");
    v.group("judge", judge, "the judge");
  }
};

template <class Config>
std::function<void(FieldVisitor&)> visit_of(Config& config) {
  return [&config](FieldVisitor& v) { config.visit(v); };
}

}  // namespace thoughtrank
