#include "thoughtrank/core/json.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/expect_error.h"

namespace thoughtrank {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

void expect_refused(const std::string& text, std::string_view part) {
  expect_error([&] { (void)parse_json(text, "a.json"); }, ExitCode::kBadData, part);
}

TEST(Json, KeepsKeyOrderAndRoundTrips) {
  const std::string text = R"({"z":1,"a":[true,null,-2,0.5,"é"],"m":{"b":{},"a":[]}})";
  EXPECT_EQ(dump_json(parse_json(text, "a.json")), text);
}

TEST(Json, RefusesDuplicateKeysOnlyWithinOneObject) {
  expect_refused(R"({"a":1,"b":{"c":1,"c":2}})", "a.json: duplicate key 'c'");
  expect_refused(R"({"a":{"x":1},"a":2})", "duplicate key 'a'");
  EXPECT_EQ(parse_json(R"([{"a":1},{"a":{"a":2}}])", "a.json").size(), 2u);
}

TEST(Json, RefusesWhatIsTooDeep) {
  const std::string deepest = std::string(kDeepestJson, '[') + std::string(kDeepestJson, ']');
  EXPECT_TRUE(parse_json(deepest, "a.json").is_array());
  expect_refused("[" + deepest + "]", "nested deeper than 64");
  expect_refused(std::string(100000, '['), "nested deeper than 64");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += R"({"a":)";
  expect_refused(objects, "nested deeper than 64");
}

TEST(Json, RefusesWhatIsNotOneDocument) {
  expect_refused("", "a.json: not valid JSON");
  expect_refused("{} {}", "not valid JSON");
  expect_refused(R"({"a":1,})", "not valid JSON");
  expect_refused(R"({"a":1)", "not valid JSON");
  expect_refused("NaN", "not valid JSON");
  expect_refused("1e400", "not valid JSON");
  expect_refused("01", "not valid JSON");
  expect_refused("// note\n1", "not valid JSON");
  expect_refused("\xEF\xBB\xBF{}", "byte order mark");
  expect_refused(std::string("{}\0garbage", 10), "NUL byte");
}

TEST(Json, RefusesBadText) {
  expect_refused("\"\xC3\"", "not valid JSON");
  expect_refused("\"\xED\xA0\x80\"", "not valid JSON");
  expect_refused(R"("\ud800")", "not valid JSON");
  expect_refused("\"a\nb\"", "not valid JSON");
}

TEST(Json, MessagesStayShortAndPrintable) {
  const std::string hostile = "\"\x1b[2J" + std::string(100000, 'x');
  const Error error = error_of([&] { (void)parse_json(hostile, "a.json"); });
  EXPECT_LT(std::string(error.what()).size(), 500u);
  EXPECT_EQ(std::string(error.what()).find('\x1b'), std::string::npos);
}

TEST(Json, CarriesTheCallersExitCode) {
  expect_error(
      [] { (void)parse_json("{", "reply", ExitCode::kJudge); }, ExitCode::kJudge, "reply: not");
}

TEST(Json, DumpsCutTextWithReplacementCharacters) {
  const Json value = {{"text", "caf\xC3"}};
  EXPECT_EQ(dump_json(value), "{\"text\":\"caf\xEF\xBF\xBD\"}");
}

TEST(Json, NamesFileKeyAndFoundValue) {
  const Json config = parse_json(R"({"hidden_size":"abc"})", "config.json");
  const Error error =
      error_of([&] { (void)require_int(config, "hidden_size", 1, 1048576, "config.json"); });
  EXPECT_STREQ(error.what(),
               "config.json: 'hidden_size' should be an integer in [1, 1048576], found \"abc\"");
}

TEST(Json, ChecksIntegers) {
  EXPECT_EQ(checked_int(parse_json("9223372036854775807", "x"), 0, kMost, "x"), kMost);
  EXPECT_EQ(checked_int(parse_json("-5", "x"), -5, 5, "x"), -5);
  for (const char* text : {"-1",
                           "11",
                           "1.0",
                           "1e1",
                           "\"3\"",
                           "null",
                           "true",
                           "[1]",
                           "18446744073709551615",
                           "18446744073709551616",
                           "1e300"}) {
    expect_error([&] { (void)checked_int(parse_json(text, "x"), 0, 10, "x.json: 'n'"); },
                 ExitCode::kBadData,
                 "x.json: 'n' should be an integer in [0, 10], found ");
  }
}

TEST(Json, RequiresKeysAndTypes) {
  const Json row = parse_json(R"({"n":1.5,"b":true,"s":"t","l":[1,2],"bad":[1,-1]})", "r");
  EXPECT_EQ(require_number(row, "n", "r:1"), 1.5);
  EXPECT_TRUE(require_bool(row, "b", "r:1"));
  EXPECT_EQ(require_string(row, "s", "r:1"), "t");
  EXPECT_EQ(require_ints(row, "l", 0, 9, "r:1"), (std::vector<int64_t>{1, 2}));
  const auto refuses = [&](const std::function<void()>& call, std::string_view part) {
    expect_error(call, ExitCode::kBadData, part);
  };
  refuses([&] { (void)require(row, "x", "r:1"); }, "r:1: the key 'x' is missing");
  refuses([&] { (void)require(Json(3), "x", "r:1"); }, "r:1 should be an object, found 3");
  refuses([&] { (void)require_number(row, "s", "r:1"); }, "r:1: 's' should be a number");
  refuses([&] { (void)require_bool(row, "n", "r:1"); }, "'n' should be true or false, found 1.5");
  refuses([&] { (void)require_string(row, "b", "r:1"); }, "'b' should be a string, found true");
  refuses([&] { (void)require_ints(row, "bad", 0, 9, "r:1"); }, "'bad' should be an integer in");
  refuses([&] { (void)require_ints(row, "n", 0, 9, "r:1"); }, "'n' should be a list of integers");
}

}  // namespace
}  // namespace thoughtrank
