#include "thoughtrank/kernels/packed_linear.h"

#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "kernels/vector_kernels.h"
#include "thoughtrank/core/error.h"

namespace thoughtrank {
namespace {

void require_packable(const at::Tensor& weight, at::ScalarType dtype, int64_t in_features) {
  if (!weight.device().is_cpu() || weight.dim() != 2) {
    fail(ExitCode::kConfig, "packed weights must be matrices on the CPU");
  }
  if ((dtype != at::kFloat && dtype != at::kBFloat16) || weight.scalar_type() != dtype) {
    fail(ExitCode::kConfig,
         "packed weights must be all float32 or all bfloat16, found {}",
         at::toString(weight.scalar_type()));
  }
  if (weight.size(1) != in_features || (dtype == at::kBFloat16 && in_features % 2 != 0)) {
    fail(ExitCode::kConfig,
         "packed weights need one number of input features (even for bfloat16), found {} and {}",
         in_features,
         weight.size(1));
  }
}

// Writes column `column` of `panel` from one row of a weight matrix, C elements.
template <class T>
void pack_column(const T* row, int64_t C, int64_t column, T* panel) {
  constexpr int64_t kNeighbours = sizeof(T) == sizeof(float) ? 1 : 2;
  for (int64_t k = 0; k < C; ++k) {
    panel[(k / kNeighbours * kPanel + column) * kNeighbours + k % kNeighbours] = row[k];
  }
}

// (N_i, C) into columns [first, first + N_i) of the panels.
template <class T>
void pack_rows(const at::Tensor& weight, int64_t first, const at::Tensor& panels) {
  const int64_t C = weight.size(1);
  const T* rows = static_cast<const T*>(weight.const_data_ptr());
  T* out = static_cast<T*>(panels.mutable_data_ptr());
  at::parallel_for(0, weight.size(0), /*grain_size=*/64, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const int64_t column = first + n;
      pack_column(rows + n * C, C, column % kPanel, out + column / kPanel * kPanel * C);
    }
  });
}

// One panel times all rows of x, in tiles of about equal height.
template <class T>
void multiply_panel(const T* x, int64_t M, int64_t C, const T* panel, float* out, int64_t stride) {
  const TypedKernels<T>& kernels = vector_kernels().typed<T>();
  const int64_t tiles = (M + kernels.most_rows - 1) / kernels.most_rows;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t first = tile * M / tiles, rows = (tile + 1) * M / tiles - first;
    kernels.tile[static_cast<size_t>(rows)]({.a = x + first * C,
                                             .a_stride = C,
                                             .panel = panel,
                                             .depth = C,
                                             .c = out + first * stride,
                                             .c_stride = stride,
                                             .accumulates = false});
  }
}

// The last panel may hold fewer than 32 columns: it goes through `scratch` (M, 32).
template <class T>
void multiply_last_panel(
    const T* x, int64_t M, int64_t C, const T* panel, float* out, int64_t N, int64_t columns) {
  std::vector<float> scratch(static_cast<size_t>(M * kPanel));
  multiply_panel(x, M, C, panel, scratch.data(), kPanel);
  for (int64_t m = 0; m < M; ++m) {
    std::copy_n(scratch.data() + m * kPanel, columns, out + m * N + N - columns);
  }
}

template <class T>
void multiply(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& out) {
  const int64_t M = x.size(0), C = x.size(1), N = out.size(1);
  const T* rows = static_cast<const T*>(x.const_data_ptr());
  const T* packed = static_cast<const T*>(panels.const_data_ptr());
  float* result = out.mutable_data_ptr<float>();
  at::parallel_for(0, panels.size(0), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const T* panel = packed + p * kPanel * C;
      const int64_t columns = std::min(kPanel, N - p * kPanel);
      if (columns == kPanel) {
        multiply_panel(rows, M, C, panel, result + p * kPanel, N);
      } else {
        multiply_last_panel(rows, M, C, panel, result, N, columns);
      }
    }
  });
}

template <class T>
void multiply_range(
    const at::Tensor& x, const at::Tensor& panels, int64_t first, int64_t count, float* out) {
  const T* rows = static_cast<const T*>(x.const_data_ptr());
  const T* packed = static_cast<const T*>(panels.const_data_ptr());
  for (int64_t p = 0; p < count; ++p) {
    const T* panel = packed + (first + p) * kPanel * x.size(1);
    multiply_panel(rows, x.size(0), x.size(1), panel, out + p * kPanel, count * kPanel);
  }
}

}  // namespace

PackedLinear::PackedLinear(const std::vector<at::Tensor>& weights) {
  const at::ScalarType dtype = weights.at(0).scalar_type();
  in_features_ = weights[0].size(-1);
  for (const auto& weight : weights) {
    require_packable(weight, dtype, in_features_);
    out_features_ += weight.size(0);
  }
  panels_ = at::zeros({panel_count(), kPanel * in_features_}, weights[0].options());
  int64_t first = 0;
  for (const auto& weight : weights) {
    const at::Tensor rows = weight.detach().contiguous();  // (N_i, C)
    if (dtype == at::kFloat) {
      pack_rows<float>(rows, first, panels_);
    } else {
      pack_rows<Bf16>(rows, first, panels_);
    }
    first += rows.size(0);
  }
}

int64_t PackedLinear::panel_count() const { return (out_features_ + kPanel - 1) / kPanel; }

void PackedLinear::apply(const at::Tensor& x, const at::Tensor& out) const {
  if (dtype() == at::kFloat) {
    multiply<float>(x, panels_, out);
  } else {
    multiply<Bf16>(x, panels_, out);
  }
}

void PackedLinear::apply_panels(const at::Tensor& x,
                                int64_t first,
                                int64_t count,
                                float* out) const {
  if (dtype() == at::kFloat) {
    multiply_range<float>(x, panels_, first, count, out);
  } else {
    multiply_range<Bf16>(x, panels_, first, count, out);
  }
}

}  // namespace thoughtrank
