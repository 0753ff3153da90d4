// The parts of tokenizer.json that are read one by one: strict JSON, what stands before a text,
// how spaces are marked.
#include <gtest/gtest.h>

#include <vector>

#include "support/expect_error.h"
#include "text/post_processor.h"
#include "text/sentencepiece_style.h"
#include "text/strict_json.h"

namespace thoughtrank {
namespace {

using Ids = std::vector<int64_t>;

TEST(StrictJson, RefusesWhatTheLibraryLetsPass) {
  EXPECT_EQ(parse_big_json(R"({"a": {"b": 1}, "b": [{"a": 2}, {"a": 3}]})", "x")["b"][1]["a"], 3);
  const auto refuses = [](const std::string& text, const char* part) {
    expect_error(
        [&] { (void)parse_big_json(text, "t.json"); }, ExitCode::kBadData, {"t.json: ", part});
  };
  refuses(R"({"a": 1, "b": 2, "a": 1})", "the key \"a\" is there twice");
  refuses(R"({"x": [{"a": 1, "a": 1}]})", "twice");
  const auto nested = [](size_t depth, const char* innermost) {
    return std::string(depth, '[') + innermost + std::string(depth, ']');
  };
  refuses(nested(kDeepestJson + 1, ""), "nested deeper than 64");
  EXPECT_NO_THROW((void)parse_big_json(nested(kDeepestJson, "1"), "t"));
  refuses("{} {}", "not valid JSON");
  refuses("", "not valid JSON");
}

TEST(StrictJson, UnknownKeysAndValuesAreNamed) {
  const Json object = {{"a", 1}, {"b", nullptr}, {"yes", true}};
  EXPECT_NO_THROW(check_keys(object, {"yes", "b", "a", "more"}, "m"));
  expect_error([&] { check_keys(object, {"a", "b"}, "m"); }, ExitCode::kBadData, "m: ");
  expect_error([&] { check_keys(object, {"a", "b"}, "m"); }, ExitCode::kBadData, "'yes'");
  expect_error([&] { check_keys(Json::array(), {}, "m"); }, ExitCode::kBadData, "found []");
  expect_value(object, "a", 1, "m");
  expect_value(object, "b", 1, "m");
  expect_value(object, "none", 1, "m");
  expect_error([&] { expect_value(object, "a", 2, "m"); },
               ExitCode::kBadData,
               "m: 'a' is 1; thoughtrank understands only 2");
  EXPECT_TRUE(bool_or(object, "yes", false, "m"));
  EXPECT_TRUE(bool_or(object, "b", true, "m"));
  EXPECT_FALSE(bool_or(object, "none", false, "m"));
  expect_error([&] { (void)bool_or(object, "a", true, "m"); }, ExitCode::kBadData, "'a'");
}

TEST(StrictJson, LongValuesAreShownByTheirBeginning) {
  const std::string message =
      error_of([] { fail_unknown("m", Json(std::string(5000, 'x'))); }).what();
  EXPECT_LT(message.size(), 300U);
  EXPECT_NE(message.find("xxxx"), std::string::npos);
}

Json special(const char* name) { return {{"SpecialToken", {{"id", name}, {"type_id", 0}}}}; }
Json sequence(const char* name = "A") { return {{"Sequence", {{"id", name}, {"type_id", 0}}}}; }
Json template_of(const std::vector<Json>& single) {
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", Json::array()},
          {"special_tokens", {{"<s>", {{"ids", {1}}}}, {"two", {{"ids", {7, 8}}}}}}};
}

Ids leading_ids(const Json& processor) { return read_leading_ids(processor, 10, "post"); }

TEST(PostProcessor, IdsBeforeTheTextAreTakenInOrder) {
  EXPECT_EQ(leading_ids(nullptr), Ids{});
  EXPECT_EQ(leading_ids({{"type", "ByteLevel"}, {"trim_offsets", false}}), Ids{});
  EXPECT_EQ(leading_ids(template_of({sequence()})), Ids{});
  EXPECT_EQ(leading_ids(template_of({special("two"), special("<s>"), sequence()})), (Ids{7, 8, 1}));
  const Json steps = {
      {"type", "Sequence"},
      {"processors", {{{"type", "ByteLevel"}}, template_of({special("<s>"), sequence()})}}};
  EXPECT_EQ(leading_ids(steps), Ids{1});
}

TEST(PostProcessor, WhatIsNotUnderstoodIsRefused) {
  const auto refuses = [](const Json& processor, const char* part) {
    expect_error([&] { (void)leading_ids(processor); }, ExitCode::kBadData, part);
  };
  refuses({{"type", "RobertaProcessing"}}, "RobertaProcessing");
  refuses({{"type", "ByteLevel"}, {"magic", 1}}, "'magic'");
  refuses(template_of({special("<s>")}), "post.single");
  refuses(template_of({sequence("B")}), "post.single");
  refuses(template_of({sequence(), sequence()}), "post.single");
  refuses(template_of({special("none"), sequence()}), "'none'");
  refuses(template_of({sequence(), special("<s>")}), "puts the id 1 after each text");
  Json too_high = template_of({special("<s>"), sequence()});
  too_high["special_tokens"]["<s>"]["ids"] = {10};
  refuses(too_high, "post.special_tokens.<s>");
  const Json twice = {
      {"type", "Sequence"},
      {"processors",
       {template_of({special("<s>"), sequence()}), template_of({special("two"), sequence()})}}};
  refuses(twice, "post");
}

TEST(SpaceRule, StepsReplaceOrPutInFront) {
  const SpaceRule rule = {.steps = {{.replaces = "", .with = "▁"}, {.replaces = " ", .with = "▁"}}};
  EXPECT_EQ(apply_space_rule(rule, "a b", /*is_first=*/true), "▁a▁b");
  EXPECT_EQ(apply_space_rule({}, "a b", true), "a b");
}

TEST(SpaceRule, AMetaspaceMarksSpacesAndPutsOneInFrontByItsRule) {
  using Prefix = SpaceRule::Prefix;
  const auto applied = [](Prefix prefix, const char* text, bool is_first) {
    return apply_space_rule({.steps = {}, .has_metaspace = true, .prefix = prefix}, text, is_first);
  };
  EXPECT_EQ(applied(Prefix::kNever, "a  b", true), "a▁▁b");
  EXPECT_EQ(applied(Prefix::kFirst, "a b", true), "▁a▁b");
  EXPECT_EQ(applied(Prefix::kFirst, "a b", false), "a▁b");
  EXPECT_EQ(applied(Prefix::kAlways, "a b", false), "▁a▁b");
  for (const Prefix prefix : {Prefix::kNever, Prefix::kFirst, Prefix::kAlways}) {
    EXPECT_EQ(applied(prefix, " a", true), "▁a");  // it begins with one already
  }
}

}  // namespace
}  // namespace thoughtrank
