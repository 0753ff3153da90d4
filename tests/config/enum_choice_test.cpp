#include <gtest/gtest.h>

#include "config/field_options.h"
#include "support/expect_error.h"
#include "thoughtrank/config/fields.h"

namespace thoughtrank {
namespace {

TestReference load(const std::string& set) {
  TestReference options;
  load_fields({.file = "", .sets = {set}}, visit_of(options));
  return options;
}

TEST(EnumChoice, AWordBecomesAValue) {
  EXPECT_EQ(load("match=exact").match, TestMatch::kExact);
  EXPECT_EQ(load("match=numeric").match, TestMatch::kNumeric);
}

TEST(EnumChoice, AnUnknownWordNamesTheTable) {
  const Error error = error_of([] { (void)load("match=numeri"); });
  EXPECT_EQ(error.code(), ExitCode::kConfig);
  EXPECT_EQ(std::string(error.what()),
            "--set match: 'match' should be one of exact, numeric, found 'numeri' "
            "(did you mean 'numeric'?)");
}

TEST(EnumChoice, IsListedAsItsWord) {
  TestReference options{.match = TestMatch::kNumeric};
  EXPECT_EQ(dump_json(fields_to_json(visit_of(options))), R"({"match":"numeric"})");
  const Json schema = fields_schema(visit_of(options));
  EXPECT_EQ(dump_json(schema["properties"]["match"]["enum"]), R"(["exact","numeric"])");
  EXPECT_EQ(list_fields({}, visit_of(options)).at(0).value, "numeric");
}

TEST(EnumChoice, AValueWithoutAWordIsABugOfTheTable) {
  constexpr EnumWords<TestMatch, 1> kShort = {{{TestMatch::kExact, "exact"}}};
  EXPECT_EQ(value_of<TestMatch>("numeric", kShort), std::nullopt);
  EXPECT_THROW((void)word_of(TestMatch::kNumeric, kShort), std::out_of_range);
}

}  // namespace
}  // namespace thoughtrank
