#include "thoughtrank/data/records.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data_room.h"
#include "examples.h"
#include "support/expect_error.h"

namespace thoughtrank {
namespace {

// The bytes of each example in its file.
template <class Row>
constexpr const char* kBytes = "";

template <>
inline constexpr const char* kBytes<PromptRow> =
    R"({"prompt_id":"p1","prompt":"Name a colour.\nOnly one: “ü”",)"
    R"("system":"Be brief.","answer":"red","token_ids":[1,2,128000]})";

template <>
inline constexpr const char* kBytes<OutputRow> =
    R"({"prompt_id":"p1","round":2,"branch":61,"char":"9","thought":"9 lives",)"
    R"("answer":"cat 🐈","token_ids":[5,6,7,8],"head_len":2,"answer_start":3,)"
    R"("answer_offset":1,"thought_end":"cap","finish":"loop","thought_logprob":-1.25,)"
    R"("answer_logprob":-0.1,"answer_margin":0.3333333333333333,"model_sha256":"ab"})";

template <>
inline constexpr const char* kBytes<VerdictRow> =
    R"({"prompt_id":"p1","round":1,"stage":"halve","call":3,)"
    R"("judge":"openai:some-judge","request_sha256":"cd","labels":["A","B"],)"
    R"("branches":[4,-1],"ranking":[-1,4],"scores":[0.5,2.0],"abstained":true,)"
    R"("reason":"no list","attempts":2,"input_tokens":900,"output_tokens":20,)"
    R"("usd":0.00125,"reply":"{\"ranking\": []}"})";

template <>
inline constexpr const char* kBytes<BestOutputRow> =
    R"({"prompt_id":"p1","round":1,"status":"trained","reason":"clear","winner":4,)"
    R"("runner_up":5,"worst":6,"items":[{"branch":4,"multiplicity":3,)"
    R"("branches":[2,4],"utility":1.5,"deviation":0.25,"p_best":0.75},)"
    R"({"branch":5,"multiplicity":1,"branches":[5],"utility":-1.0,)"
    R"("deviation":0.5,"p_best":0.0}],"regret":0.125,"calls":9,"usd":0.5})";

template <>
inline constexpr const char* kBytes<ThoughtRow> =
    R"({"prompt_id":"p1","round":1,"branch":4,"other_prompt_id":"p2","other_branch":9,)"
    R"("answer_tokens":7,"own":-0.5,"none":-1.25,"other":-2.0,"shuffled":-0.75,"lift":0.75,)"
    R"("model_sha256":"ab"})";

template <>
inline constexpr const char* kBytes<TrainingRow> =
    R"({"prompt_id":"p1","round":1,"branch":4,"prompt":"Name a colour.",)"
    R"("completion":"<thought>e</thought>red","input_ids":[1,2,3,4],)"
    R"("spans":[[2,3,0.5],[3,4,1.0]],"weight":2.0})";

template <>
inline constexpr const char* kBytes<PreferencePairRow> =
    R"({"prompt_id":"p1","round":1,"prompt":"Name a colour.","chosen":"red",)"
    R"("rejected":"house","prompt_ids":[1],"chosen_ids":[2,3],"rejected_ids":[4],)"
    R"("chosen_spans":[[1,3,1.0]],"rejected_spans":[[1,2,1.0]],"utility_gap":2.5})";

template <>
inline constexpr const char* kBytes<MetricsRow> =
    R"({"round":1,"step":7,"epoch":0.5,"loss":1.5,"grad_norm":0.25,)"
    R"("learning_rate":1e-05,"loss_tokens":100,"tokens":300,"skipped":true,)"
    R"("reward_margin":0.5,"reward_accuracy":1.0})";

template <>
inline constexpr const char* kBytes<EvalRow> =
    R"({"prompt_id":"p1","round":1,"thought":"hm","answer":"red","token_ids":[1,2],)"
    R"("score":-0.5,"win":0.5,"heldout_loss":2.25,"thought_tokens":1,)"
    R"("answer_tokens":2})";

template <class Row>
class Records : public testing::Test {};
using AllRecords = testing::Types<PromptRow,
                                  OutputRow,
                                  VerdictRow,
                                  BestOutputRow,
                                  ThoughtRow,
                                  TrainingRow,
                                  PreferencePairRow,
                                  MetricsRow,
                                  EvalRow>;
TYPED_TEST_SUITE(Records, AllRecords);

template <class Row>
Row read(const Json& json) {
  return from_json<Row>(json, "rows.jsonl:12");
}

TYPED_TEST(Records, ComeBackWithEveryValue) {
  const Json json = to_json(example<TypeParam>());
  const Json defaults = to_json(TypeParam{});
  for (const auto& [key, value] : json.items()) EXPECT_NE(value, defaults.at(key)) << key;
  const Json parsed = parse_json(dump_json(json), "rows.jsonl:1");
  EXPECT_EQ(dump_json(to_json(read<TypeParam>(parsed))), dump_json(json));
}

TYPED_TEST(Records, AreTheseBytes) {
  EXPECT_EQ(dump_json(to_json(example<TypeParam>())), kBytes<TypeParam>);
}

TYPED_TEST(Records, KeysAndTypesDoNotDependOnTheValues) {
  const Json full = to_json(example<TypeParam>());
  const Json defaults = to_json(TypeParam{});
  ASSERT_EQ(full.size(), defaults.size());
  for (auto a = full.begin(), b = defaults.begin(); a != full.end(); ++a, ++b) {
    EXPECT_EQ(a.key(), b.key());
    if (b->is_null()) continue;  // an optional number
    EXPECT_STREQ(a->type_name(), b->type_name()) << a.key();
    EXPECT_EQ(a->is_number_float(), b->is_number_float()) << a.key();
  }
}

TYPED_TEST(Records, EachMissingKeyIsAnErrorWithPlaceAndName) {
  const Json json = to_json(example<TypeParam>());
  for (const auto& [key, value] : json.items()) {
    if (key == "input_ids") continue;  // a training row without ids is the user's
    Json broken = json;
    broken.erase(key);
    expect_bad_data([&] { (void)read<TypeParam>(broken); }, {"rows.jsonl:12", key});
  }
}

TYPED_TEST(Records, EachWrongTypeIsAnErrorWithPlaceAndName) {
  const Json json = to_json(example<TypeParam>());
  for (const auto& [key, value] : json.items()) {
    Json broken = json;
    broken[key] = Json{{"an", "object"}};
    expect_bad_data([&] { (void)read<TypeParam>(broken); }, {"rows.jsonl:12", key});
    if (!value.is_array()) continue;
    broken[key] = Json::array({Json{{"an", "object"}}});
    expect_bad_data([&] { (void)read<TypeParam>(broken); }, {"rows.jsonl:12", key});
  }
}

TYPED_TEST(Records, EachIntegerOutOfRangeIsAnErrorWithPlaceAndName) {
  const Json json = to_json(example<TypeParam>());
  for (const auto& [key, value] : json.items()) {
    if (!value.is_number_integer()) continue;
    for (const Json& wrong : {Json(-2), Json(1.5), Json(18446744073709551615ull), Json("1")}) {
      Json broken = json;
      broken[key] = wrong;
      expect_bad_data([&] { (void)read<TypeParam>(broken); }, {"rows.jsonl:12", key});
    }
  }
}

TYPED_TEST(Records, AnUnknownKeyIsAnError) {
  Json json = to_json(example<TypeParam>());
  json["answr"] = 1;
  expect_bad_data([&] { (void)read<TypeParam>(json); }, {"rows.jsonl:12", "unknown key 'answr'"});
  expect_bad_data([&] { (void)read<TypeParam>(Json::array()); }, {"rows.jsonl:12", "object"});
}

// A row of type Row with `key` set to `value` must be refused, naming place and key.
template <class Row>
void expect_refused(const std::string& key, const Json& value) {
  Json json = to_json(example<Row>());
  json[key] = value;
  expect_bad_data([&] { (void)read<Row>(json); }, {"rows.jsonl:12", key});
}

TEST(RecordRules, ValuesOutsideTheFormatAreRefused) {
  expect_refused<OutputRow>("branch", 3968);
  expect_refused<OutputRow>("finish", "done");
  expect_refused<OutputRow>("finish", "eos|length");
  expect_refused<OutputRow>("thought_end", "end");
  expect_refused<OutputRow>("thought_end", "model|eos");
  expect_refused<OutputRow>("head_len", 5);
  expect_refused<OutputRow>("answer_start", 5);
  expect_refused<OutputRow>("token_ids", Json::array({1, -1}));
  expect_refused<VerdictRow>("stage", "pass_b");
  expect_refused<VerdictRow>("labels", Json::array({"A"}));
  expect_refused<VerdictRow>("scores", Json::array({1.0, 2.0, 3.0}));
  expect_refused<VerdictRow>("usd", nullptr);
  expect_refused<BestOutputRow>("winner", 3968);
  expect_refused<BestOutputRow>("status", "won");
  expect_refused<PromptRow>("prompt_id", "");
}

TEST(RecordRules, AHeldOutGenerationHasNoBranch) {
  OutputRow row = example<OutputRow>();
  row.branch = -1;
  row.char_ = "";
  row.thought_end = ThoughtEnd::none;
  EXPECT_EQ(read<OutputRow>(to_json(row)).branch, -1);
  EXPECT_EQ(read<OutputRow>(to_json(row)).thought_end, ThoughtEnd::none);
}

TEST(RecordRules, SpansAreTriplesInsideTheRow) {
  for (const char* spans :
       {"[[0, 5, 1]]", "[[2, 1, 1]]", "[[-1, 2, 1]]", "[[0, 1]]", "[1, 2, 3]", "[[0, 1, \"1\"]]"}) {
    expect_refused<TrainingRow>("spans", Json::parse(spans));
    expect_refused<PreferencePairRow>("chosen_spans", Json::parse(spans));
    expect_refused<PreferencePairRow>("rejected_spans", Json::parse(spans));
  }
  EXPECT_EQ(dump_json(to_json(example<TrainingRow>()).at("spans")), "[[2,3,0.5],[3,4,1.0]]");
}

TEST(RecordRules, ARankedItemNamesItsPlace) {
  Json json = to_json(example<BestOutputRow>());
  json["items"][1].erase("p_best");
  expect_bad_data([&] { (void)read<BestOutputRow>(json); },
                  {"rows.jsonl:12", "items[1]", "p_best"});
  json["items"][1]["p_best"] = 0.5;
  json["items"][0]["multiplicity"] = 0;
  expect_bad_data([&] { (void)read<BestOutputRow>(json); }, {"items[0]", "multiplicity"});
}

// Version 0.2.0 took the lowest branch of equal answers and named no others.
TEST(RecordRules, ARankedItemOfAnEarlierVersionHasNoBranches) {
  Json json = to_json(example<BestOutputRow>());
  for (Json& item : json["items"]) item.erase("branches");
  const BestOutputRow row = read<BestOutputRow>(json);
  EXPECT_EQ(row.items[0].branch, 4);
  EXPECT_TRUE(row.items[0].branches.empty());
  json["items"][0]["branches"] = Json::array({3968});
  expect_bad_data([&] { (void)read<BestOutputRow>(json); }, {"items[0]", "branches"});
}

TEST(RecordRules, ANumberThatIsNotFiniteIsNullWhereItCanBeMeasured) {
  MetricsRow row = example<MetricsRow>();
  row.loss = NAN;
  row.grad_norm = INFINITY;
  const Json json = parse_json(dump_json(to_json(row)), "metrics.jsonl:1");
  EXPECT_TRUE(json.at("loss").is_null());
  EXPECT_TRUE(std::isnan(read<MetricsRow>(json).loss));
  EXPECT_TRUE(std::isnan(read<MetricsRow>(json).grad_norm));
}

TEST(RecordRules, ANumberThatIsNotFiniteIsRefusedElsewhere) {
  TrainingRow row = example<TrainingRow>();
  row.weight = NAN;
  expect_error([&] { (void)to_json(row); }, ExitCode::kInternal, "'weight'");
}

TEST(RecordRules, InvalidUtf8IsReplacedWhenWritten) {
  PromptRow row = example<PromptRow>();
  row.prompt = "cut \xF0\x9F";
  EXPECT_NE(dump_json(to_json(row)).find("cut \xEF\xBF\xBD"), std::string::npos);
}

}  // namespace
}  // namespace thoughtrank
