#include "report/columns.h"

#include <gtest/gtest.h>

namespace thoughtrank {
namespace {

TEST(Columns, AreAsWideAsTheirWidestCell) {
  EXPECT_EQ(columns({{"round", "x"}, {"1", "long cell"}, {"", "y"}}),
            "round  x\n"
            "-----  ---------\n"
            "1      long cell\n"
            "       y\n");
}

TEST(Columns, NeitherSpacesNorRuleFollowTheLastCell) {
  const std::string text = columns({{"a", "bb"}, {"ccc", "d"}});
  EXPECT_EQ(text.find(" \n"), std::string::npos) << text;
  EXPECT_EQ(columns({{"one"}, {"2"}}), "one\n---\n2\n");
}

TEST(Columns, ARowMayBeShorterOrLongerThanTheFirst) {
  EXPECT_EQ(columns({{"a", "b"}, {"1"}, {"1", "2", "three"}}),
            "a  b\n"
            "-  -  -----\n"
            "1\n"
            "1  2  three\n");
  EXPECT_EQ(columns({}), "");
}

}  // namespace
}  // namespace thoughtrank
