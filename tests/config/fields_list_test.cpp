#include <gtest/gtest.h>

#include "config/field_options.h"
#include "support/temporary_folder.h"
#include "thoughtrank/config/fields.h"

namespace thoughtrank {
namespace {

const ConfigOrigin& entry(const std::vector<ConfigOrigin>& list, const std::string& key) {
  for (const ConfigOrigin& origin : list) {
    if (origin.key == key) return origin;
  }
  ADD_FAILURE() << "no entry " << key;
  return list.front();
}

TEST(FieldsList, NamesValueAndOriginInVisitingOrder) {
  const TemporaryFolder folder;
  const std::string file = (folder / "round.yaml").string();
  write_plainly(file, "rounds: 2\njudge:\n  max_usd: 5\n  group_size: 4\n  extra_body: {a: b}\n");
  const ConfigSource source{.file = file, .sets = {"judge.group_size=6", "betas=[0.1, 0.2]"}};
  TestConfig config;
  load_fields(source, visit_of(config));
  const auto list = list_fields(source, visit_of(config));
  ASSERT_EQ(list.size(), 14u);
  EXPECT_EQ(list[0].key, "run_dir");
  EXPECT_EQ(list[5].key, "judge.kind");
  EXPECT_EQ(entry(list, "rounds").origin, file + ":1:9");
  EXPECT_EQ(entry(list, "judge.max_usd").origin, file + ":3:12");
  EXPECT_EQ(entry(list, "judge.max_usd").value, "5");
  EXPECT_EQ(entry(list, "judge.max_usd").doc, "spending cap");
  EXPECT_EQ(entry(list, "judge.group_size").origin, "--set");
  EXPECT_EQ(entry(list, "judge.group_size").value, "6");
  EXPECT_EQ(entry(list, "judge.extra_body").value, R"({"a":"b"})");
  EXPECT_EQ(entry(list, "betas").value, "[0.1, 0.2]");
  EXPECT_EQ(entry(list, "threads").value, "auto");
  EXPECT_EQ(entry(list, "judge.min_score").value, "null");
  EXPECT_EQ(entry(list, "private").origin, "default");
}

std::vector<std::string> keys_that_may_change(const std::vector<ConfigOrigin>& list) {
  std::vector<std::string> keys;
  for (const ConfigOrigin& field : list) {
    if (field.may_change) keys.push_back(field.key);
  }
  return keys;
}

TEST(FieldsList, TellsWhichFieldsMayChangeOnResume) {
  TestConfig config;
  EXPECT_EQ(keys_that_may_change(list_fields({}, visit_of(config))),
            (std::vector<std::string>{"run_dir", "judge.max_usd"}));
}

// A list of groups is one value: what its items may change does not make the list free.
TEST(FieldsList, AMarkInsideAListStaysInside) {
  TestLibrary library;
  library.shelves.resize(2);
  const auto list = list_fields({}, [&](FieldVisitor& v) {
    library.visit(v);
    v.integer("after", library.shelves[0].size, {}, "stands behind the list");
  });
  EXPECT_EQ(keys_that_may_change(list), std::vector<std::string>{});
}

// The listed values, written as a file, give the same config.
TEST(FieldsList, ValuesRoundTripThroughYaml) {
  const TemporaryFolder folder;
  TestConfig config;
  config.threads = 3;
  config.judge.max_usd = 1e-5;
  config.judge.api_key_env = "true: \"x\" # \n\x01é";
  config.judge.command = {"null", "-5", "a b", ""};
  config.judge.extra_body = {{"a", {{"b", Json::array({1, "1", nullptr, 0.5})}}}};
  config.run_dir = "/runs/first";
  config.judge.rubric = "/r:x";
  std::string yaml, group;
  for (const ConfigOrigin& origin : list_fields({}, visit_of(config))) {
    const size_t dot = origin.key.find('.');
    if (dot != std::string::npos && group.empty()) yaml += group = "judge:\n";
    yaml += dot == std::string::npos ? "" : "  ";
    yaml += origin.key.substr(dot == std::string::npos ? 0 : dot + 1) + ": " + origin.value + "\n";
  }
  write_plainly(folder / "round.yaml", yaml);
  TestConfig again;
  load_fields({.file = (folder / "round.yaml").string(), .sets = {}}, visit_of(again));
  EXPECT_EQ(dump_json(fields_to_json(visit_of(again))), dump_json(fields_to_json(visit_of(config))))
      << yaml;
}

TEST(FieldsList, ResolvedConfigIsNestedJson) {
  TestConfig config;
  EXPECT_EQ(dump_json(fields_to_json(visit_of(config))),
            R"({"run_dir":"runs/first","rounds":4,"private":false,"threads":"auto",)"
            R"("betas":[0.9,0.95],"judge":{"kind":"openai","max_usd":20.0,"temperature":0.0,)"
            R"("group_size":8,"api_key_env":"","rubric":"","min_score":null,"extra_body":{},)"
            R"("command":[]}})");
}

TEST(FieldsList, SchemaHasTypesRangesDefaultsAndDocs) {
  TestConfig config;
  const Json schema = fields_schema(visit_of(config));
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["additionalProperties"], false);
  const auto property = [&](const char* key) { return dump_json(schema["properties"][key]); };
  EXPECT_EQ(property("rounds"),
            R"({"type":"integer","minimum":1,"default":4,"description":"how many rounds"})");
  EXPECT_EQ(property("threads"),
            R"({"anyOf":[{"const":"auto"},{"type":"integer","minimum":1,"maximum":1024}],)"
            R"("default":"auto","description":"CPU threads"})");
  const Json& judge = schema["properties"]["judge"];
  EXPECT_EQ(judge["additionalProperties"], false);
  EXPECT_EQ(judge["description"], "the judge");
  EXPECT_EQ(dump_json(judge["properties"]["kind"]["enum"]), R"(["openai","anthropic","command"])");
  EXPECT_EQ(dump_json(judge["properties"]["extra_body"]["type"]), R"(["object","null"])");
  EXPECT_EQ(judge["properties"].size(), 9u);
}

}  // namespace
}  // namespace thoughtrank
