// The library that users have: the operations of a decoding step, on CUDA only.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/kernels/decode_step.h"

namespace thoughtrank {
namespace {

TEST(Enqueue, RefusesTensorsOfTheCpu) {
  const at::Tensor gate_up = at::zeros({2, 16}), out = at::full({2, 8}, 7.0F);
  expect_error([&] { silu_mul_rows(gate_up, out); },
               ExitCode::kInternal,
               "the operations of a decoding step run on CUDA, found tensors on cpu");
  EXPECT_TRUE(out.eq(7).all().item<bool>());
}

}  // namespace
}  // namespace thoughtrank
