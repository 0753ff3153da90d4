#include "thoughtrank/model/dtype.h"

#include <gtest/gtest.h>

namespace thoughtrank {
namespace {

TEST(Dtypes, HaveTheWordsAndBytesOfTheirTensors) {
  EXPECT_EQ(word_of(Dtype::float32), "float32");
  EXPECT_EQ(scalar_type(Dtype::float32), at::kFloat);
  EXPECT_EQ(bytes_of(Dtype::float32), 4);
  EXPECT_EQ(word_of(Dtype::bfloat16), "bfloat16");
  EXPECT_EQ(scalar_type(Dtype::bfloat16), at::kBFloat16);
  EXPECT_EQ(bytes_of(Dtype::bfloat16), 2);
  EXPECT_EQ(word_of(Dtype::float16), "float16");
  EXPECT_EQ(scalar_type(Dtype::float16), at::kHalf);
  EXPECT_EQ(bytes_of(Dtype::float16), 2);
}

TEST(Dtypes, AnUnknownWordIsNone) {
  EXPECT_EQ(value_of("float32", kDtypes), Dtype::float32);
  EXPECT_EQ(value_of("float64", kDtypes), std::nullopt);
  EXPECT_EQ(value_of("", kDtypes), std::nullopt);
}

TEST(Dtypes, AutoIsAChoiceWithoutADtype) {
  const auto choice = value_of("auto", kComputeDtypes);
  ASSERT_TRUE(choice.has_value());
  EXPECT_FALSE(choice->has_value());
  EXPECT_FALSE(value_of("float16", kComputeDtypes).has_value());
  EXPECT_EQ(word_of(std::optional<Dtype>(Dtype::bfloat16), kComputeDtypes), "bfloat16");
}

}  // namespace
}  // namespace thoughtrank
