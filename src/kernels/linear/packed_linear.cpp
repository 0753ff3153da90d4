#include "thoughtrank/kernels/packed_linear.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "kernels/vector/vector_kernels.h"
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

// Where element k of a column lies in its panel.
template <class T>
int64_t place_in_panel(int64_t k, int64_t column) {
  constexpr int64_t kNeighbours = sizeof(T) == sizeof(float) ? 1 : 2;
  return (k / kNeighbours * kPanel + column) * kNeighbours + k % kNeighbours;
}

// Writes column `column` of `panel` from one row of a weight matrix, C elements.
template <class T>
void pack_column(const T* row, int64_t C, int64_t column, T* panel) {
  for (int64_t k = 0; k < C; ++k) panel[place_in_panel<T>(k, column)] = row[k];
}

template <class T>
void unpack(const at::Tensor& panels, const std::vector<int64_t>& rows, float* out) {
  const T* packed = static_cast<const T*>(panels.const_data_ptr());
  for (const int64_t row : rows) {
    const T* panel = packed + row / kPanel * panels.size(1);
    for (int64_t k = 0; k < panels.size(1) / kPanel; ++k) {
      *out++ = widened(panel[place_in_panel<T>(k, row % kPanel)]);
    }
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

template <class Row>
struct RowsOfX {
  const Row* first;
  int64_t count;   // M
  int64_t stride;  // from row to row
  int64_t depth;   // C
};

template <class Row>
RowsOfX<Row> rows_of(const at::Tensor& x) {
  return {static_cast<const Row*>(x.const_data_ptr()), x.size(0), x.stride(0), x.size(1)};
}

struct PanelSums {
  float* first;  // (M, 32)
  int64_t stride;
};

// Depth [from, to) of a panel.
template <class Panel>
struct PanelBlock {
  const Panel* first;
  int64_t from, to;
};

// Rows [begin, end) of x times one block. `next` moves on by what the tile brings near.
template <class Row, class Panel>
void multiply_tile(const RowsOfX<Row>& x,
                   int64_t begin,
                   int64_t end,
                   const PanelBlock<Panel>& block,
                   const PanelSums& out,
                   const char*& next,
                   float* wide) {
  const int64_t depth = block.to - block.from;
  const TileKernels<Row, Panel>& kernels = vector_kernels().tiles<Row, Panel>();
  kernels.by_rows[static_cast<size_t>(end - begin)]({.a = x.first + begin * x.stride + block.from,
                                                     .a_stride = x.stride,
                                                     .panel = block.first,
                                                     .depth = depth,
                                                     .c = out.first + begin * out.stride,
                                                     .c_stride = out.stride,
                                                     .accumulates = block.from > 0,
                                                     .next = next,
                                                     .wide = wide});
  const int64_t brought = depth * kPanel * static_cast<int64_t>(sizeof(Panel)) / kernels.next_parts;
  next = kernels.next_parts == 1 ? nullptr : next + brought;
}

// All rows, in tiles of about equal height; meanwhile the block after this one comes near. The
// first tile keeps a bfloat16 panel widened for the others: the sums are the same, bit for bit.
template <class Row, class Panel>
void multiply_block(const RowsOfX<Row>& x, const PanelBlock<Panel>& block, const PanelSums& out) {
  constexpr bool kWidens = !std::is_same_v<Row, Panel>;
  alignas(kCacheLine) float wide[kWidens ? (kVectorDepth + 2) * kPanel : 1];
  const RowCut cut(x.count, vector_kernels().tiles<Row, Panel>());
  const char* next = reinterpret_cast<const char*>(block.first + (block.to - block.from) * kPanel);
  for (int64_t tile = 0; tile < cut.tiles; ++tile) {
    const int64_t begin = cut.first(tile), end = cut.first(tile + 1);
    if constexpr (kWidens) {
      if (tile > 0) {
        const PanelBlock<float> widened = {wide, block.from, block.to};
        multiply_tile(x, begin, end, widened, out, next, nullptr);
        continue;
      }
    }
    multiply_tile(x, begin, end, block, out, next, kWidens && cut.tiles > 1 ? wide : nullptr);
  }
}

template <class Row, class Panel>
void multiply_panel(const RowsOfX<Row>& x, const Panel* panel, const PanelSums& out) {
  const int64_t most = vector_kernels().tiles<Row, Panel>().most_depth;
  const int64_t blocks = x.depth / most + (x.depth % most > 0 ? 1 : 0);
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t from = b * (x.depth / 2) / blocks * 2;
    const int64_t to = b + 1 == blocks ? x.depth : (b + 1) * (x.depth / 2) / blocks * 2;
    multiply_block(x, PanelBlock<Panel>{panel + from * kPanel, from, to}, out);
  }
}

// The last panel may hold fewer than 32 columns: it goes through `scratch` (M, 32).
template <class Row, class Panel>
void multiply_last_panel(
    const RowsOfX<Row>& x, const Panel* panel, float* out, int64_t N, int64_t columns) {
  thread_local std::vector<float> scratch;
  scratch.resize(static_cast<size_t>(x.count * kPanel));
  multiply_panel(x, panel, {scratch.data(), kPanel});
  for (int64_t m = 0; m < x.count; ++m) {
    std::copy_n(scratch.data() + m * kPanel, columns, out + m * N + N - columns);
  }
}

template <class Row, class Panel>
void multiply(ThreadPool& pool,
              const at::Tensor& x,
              const at::Tensor& panels,
              const at::Tensor& out) {
  const RowsOfX<Row> rows = rows_of<Row>(x);
  const int64_t N = out.size(1);
  const Panel* packed = static_cast<const Panel*>(panels.const_data_ptr());
  float* result = out.mutable_data_ptr<float>();
  pool.for_each(panels.size(0), [&](int64_t p) {
    const Panel* panel = packed + p * kPanel * rows.depth;
    const int64_t columns = std::min(kPanel, N - p * kPanel);
    if (columns == kPanel) {
      multiply_panel(rows, panel, {result + p * kPanel, N});
    } else {
      multiply_last_panel(rows, panel, result, N, columns);
    }
  });
}

template <class Row, class Panel>
void multiply_range(
    const at::Tensor& x, const at::Tensor& panels, int64_t first, int64_t count, float* out) {
  const RowsOfX<Row> rows = rows_of<Row>(x);
  const Panel* packed = static_cast<const Panel*>(panels.const_data_ptr());
  for (int64_t p = 0; p < count; ++p) {
    const Panel* panel = packed + (first + p) * kPanel * rows.depth;
    multiply_panel(rows, panel, {out + p * kPanel, count * kPanel});
  }
}

// Calls `call` with the types of rows and panels.
template <class Callable>
void with_types(const at::Tensor& x, const at::Tensor& panels, const Callable& call) {
  if (panels.scalar_type() == at::kFloat) {
    call(float{}, float{});
  } else if (x.scalar_type() == at::kFloat) {
    call(float{}, Bf16{});
  } else {
    call(Bf16{}, Bf16{});
  }
}

}  // namespace

PackedLinear::PackedLinear(const std::vector<at::Tensor>& weights, HugePageArena& memory) {
  const at::ScalarType dtype = weights.at(0).scalar_type();
  in_features_ = weights[0].size(-1);
  for (const auto& weight : weights) {
    require_packable(weight, dtype, in_features_);
    out_features_ += weight.size(0);
  }
  panels_ = memory.take({panel_count(), kPanel * in_features_}, dtype);
  panels_.narrow(/*dim=*/0, panel_count() - 1, 1).zero_();  // its last columns may be nobody's
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

void PackedLinear::unpack_rows(const std::vector<int64_t>& rows, const at::Tensor& out) const {
  if (dtype() == at::kFloat) {
    unpack<float>(panels_, rows, out.mutable_data_ptr<float>());
  } else {
    unpack<Bf16>(panels_, rows, out.mutable_data_ptr<float>());
  }
}

void PackedLinear::apply(ThreadPool& pool, const at::Tensor& x, const at::Tensor& out) const {
  with_types(x, panels_, [&](auto row, auto panel) {
    multiply<decltype(row), decltype(panel)>(pool, x, panels_, out);
  });
}

void PackedLinear::apply_panels(const at::Tensor& x,
                                int64_t first,
                                int64_t count,
                                float* out) const {
  with_types(x, panels_, [&](auto row, auto panel) {
    multiply_range<decltype(row), decltype(panel)>(x, panels_, first, count, out);
  });
}

namespace {

template <class Row>
void apply_gated_typed(ThreadPool& pool,
                       const PackedLinear& gate,
                       const PackedLinear& up,
                       const at::Tensor& x,
                       const at::Tensor& out) {
  const int64_t M = x.size(0), F = gate.out_features();
  Row* to = static_cast<Row*>(out.mutable_data_ptr());
  pool.for_each(gate.panel_count(), [&](int64_t p) {
    thread_local std::vector<float> products;  // (2, M, 32)
    products.resize(static_cast<size_t>(2 * M * kPanel));
    float *gates = products.data(), *ups = gates + M * kPanel;
    gate.apply_panels(x, p, 1, gates);
    up.apply_panels(x, p, 1, ups);
    const int64_t columns = std::min(kPanel, F - p * kPanel);
    for (int64_t m = 0; m < M; ++m) {
      vector_kernels().rows<Row>().silu_mul(
          gates + m * kPanel, ups + m * kPanel, to + m * out.stride(0) + p * kPanel, columns);
    }
  });
}

}  // namespace

void apply_gated(ThreadPool& pool,
                 const PackedLinear& gate,
                 const PackedLinear& up,
                 const at::Tensor& x,
                 const at::Tensor& out) {
  if (out.scalar_type() == at::kFloat) {
    apply_gated_typed<float>(pool, gate, up, x, out);
  } else {
    apply_gated_typed<Bf16>(pool, gate, up, x, out);
  }
}

at::ScalarType activation_dtype(at::ScalarType weights) {
  const bool has_dot = vector_kernels().dot_tiles.most_rows > 0;
  return weights == at::kBFloat16 && has_dot ? at::kBFloat16 : at::kFloat;
}

}  // namespace thoughtrank
