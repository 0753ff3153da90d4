#include "thoughtrank/kernels/training_ops.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/training/training_rows.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/kernels/instruction_set.h"

namespace thoughtrank {
namespace {

namespace rows = training_rows;

constexpr int64_t kBlock = 32;    // rows that a thread takes at a time
constexpr int64_t kPiece = 4096;  // elements that take the place of a row where there are none

using Scratch = std::vector<float>;

// The rows of a contiguous tensor on the CPU, as float32.
class Rows {
 public:
  Rows(const at::Tensor& tensor, int64_t width)
      : data_(static_cast<char*>(tensor.mutable_data_ptr())),
        width_(width),
        is_narrow_(tensor.scalar_type() == at::kBFloat16) {
    if (!tensor.is_contiguous() || (!is_narrow_ && tensor.scalar_type() != at::kFloat)) {
      fail(ExitCode::kInternal,
           "training ops: expected contiguous rows of float32 or bfloat16, found {} of {}",
           tensor.is_contiguous() ? "contiguous ones" : "strided ones",
           at::toString(tensor.scalar_type()));
    }
  }

  // The row's own memory, or a widened copy of it in `scratch`.
  float* read(int64_t row, Scratch& scratch) const {
    if (!is_narrow_) return wide(row);
    scratch.resize(static_cast<size_t>(width_));
    rows::widen(narrow(row), scratch.data(), width_);
    return scratch.data();
  }
  // Where to write the row: its own memory, or `scratch`; then store().
  float* open(int64_t row, Scratch& scratch) const {
    if (!is_narrow_) return wide(row);
    scratch.resize(static_cast<size_t>(width_));
    return scratch.data();
  }
  void store(int64_t row, const float* values) const {
    if (is_narrow_) rows::narrow(values, narrow(row), width_);
  }

 private:
  [[nodiscard]] float* wide(int64_t row) const {
    return reinterpret_cast<float*>(data_) + row * width_;
  }
  [[nodiscard]] uint16_t* narrow(int64_t row) const {
    return reinterpret_cast<uint16_t*>(data_) + row * width_;
  }
  char* data_;
  int64_t width_;
  bool is_narrow_;
};

// Calls body(row) for each of `count` rows, on all threads.
template <class Body>
void for_each_row(int64_t count, const Body& body) {
  at::parallel_for(0, count, kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

at::Tensor wide(const at::Tensor& x) { return x.to(at::kFloat); }

bool is_elsewhere(const at::Tensor& x) { return !x.is_cpu(); }

// The parts of d_weight of each block of rows, (blocks, C) float32: their sum has one order.
at::Tensor add_norm_blocks(const at::Tensor& d_y,
                           const at::Tensor& x,
                           const at::Tensor& inverse_rms,
                           const at::Tensor& wide_weight,
                           const at::Tensor& d_x) {
  const int64_t T = x.size(0), C = x.size(1), blocks = (T + kBlock - 1) / kBlock;
  const at::Tensor parts = at::zeros({blocks, C}, x.options().dtype(at::kFloat));
  const Rows d_y_rows(d_y, C), x_rows(x, C), d_x_rows(d_x, C), part_rows(parts, C);
  const float* scales = inverse_rms.const_data_ptr<float>();
  const float* weight = wide_weight.const_data_ptr<float>();
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    Scratch d_y_scratch, x_scratch, d_x_scratch, none;
    for (int64_t row = begin * kBlock; row < std::min(T, end * kBlock); ++row) {
      float* d_x_row = d_x_rows.read(row, d_x_scratch);
      rows::add_norm_gradients({.d_y = d_y_rows.read(row, d_y_scratch),
                                .x = x_rows.read(row, x_scratch),
                                .weight = weight,
                                .inverse_rms = scales[row],
                                .d_x = d_x_row,
                                .d_weight = part_rows.read(row / kBlock, none),
                                .n = C});
      d_x_rows.store(row, d_x_row);
    }
  });
  return parts;
}

void add_norm_gradients_elsewhere(const at::Tensor& d_y,
                                  const at::Tensor& x,
                                  const at::Tensor& inverse_rms,
                                  const at::Tensor& weight,
                                  const RmsNormGradients& gradients) {
  const at::Tensor r = inverse_rms.unsqueeze(1), scaled = wide(x) * r;  // (T, 1), (T, C)
  const at::Tensor d_scaled = wide(d_y) * wide(weight);                 // (T, C)
  const at::Tensor mean = (d_scaled * scaled).mean(/*dim=*/1, /*keepdim=*/true);
  gradients.d_x.add_((r * (d_scaled - scaled * mean)).to(gradients.d_x.scalar_type()));
  add_in_place(gradients.d_weight, (wide(d_y) * scaled).sum(/*dim=*/0));
}

at::Tensor cross_entropy_elsewhere(const at::Tensor& logits,
                                   const at::Tensor& targets,
                                   const at::Tensor& weights,
                                   bool wants_gradient) {
  const at::Tensor x = wide(logits), columns = targets.unsqueeze(1);         // (N, V), (N, 1)
  const at::Tensor log_sum = at::logsumexp(x, /*dim=*/1, /*keepdim=*/true);  // (N, 1)
  const at::Tensor losses = (log_sum - x.gather(1, columns)).squeeze(1) * weights;
  if (wants_gradient) {
    at::Tensor gradient = (x - log_sum).exp_();
    gradient.scatter_add_(1, columns, at::full_like(columns, -1, at::kFloat));
    logits.copy_(gradient.mul_(weights.unsqueeze(1)));
  }
  return losses;
}

// One row of logits; returns −log softmax(x)[target].
float cross_entropy_row(float* x, int64_t V, int64_t target, float weight, bool wants_gradient) {
  const float chosen = x[target];
  const float log_sum = rows::log_sum_exp(x, wants_gradient ? weight : 0, V);
  if (wants_gradient && weight == 0) std::fill_n(x, V, 0.0F);
  if (wants_gradient) x[target] -= weight;
  return log_sum - chosen;
}

}  // namespace

at::ScalarType training_dtype(at::ScalarType weights, at::Device device) {
  if (weights == at::kFloat || !device.is_cpu()) return weights;
  const bool is_fast = may_use(InstructionSet::avx512_bf16) &&
                       (__builtin_cpu_is("amd") || __builtin_cpu_supports("amx-bf16"));
  return is_fast ? at::kBFloat16 : at::kFloat;
}

at::Tensor inverse_rms(const at::Tensor& x, double eps) {
  if (is_elsewhere(x)) return at::rsqrt(wide(x).square().mean(/*dim=*/1) + eps);
  const int64_t T = x.size(0), C = x.size(1);
  at::Tensor result = at::empty({T}, x.options().dtype(at::kFloat));
  const Rows x_rows(x, C);
  auto* scales = result.mutable_data_ptr<float>();
  const auto small = static_cast<float>(eps);
  for_each_row(T, [&](int64_t row) {
    thread_local Scratch scratch;
    const float mean = rows::sum_of_squares(x_rows.read(row, scratch), C) / static_cast<float>(C);
    scales[row] = 1.0F / std::sqrt(mean + small);
  });
  return result;
}

at::Tensor scale_rows(const at::Tensor& x,
                      const at::Tensor& inverse_rms,
                      const at::Tensor& weight) {
  if (is_elsewhere(x)) {
    return (wide(x) * inverse_rms.unsqueeze(1) * wide(weight)).to(x.scalar_type());
  }
  const int64_t T = x.size(0), C = x.size(1);
  at::Tensor y = at::empty_like(x);
  const at::Tensor wide_weight = wide(weight);
  const Rows x_rows(x, C), y_rows(y, C);
  const float* scales = inverse_rms.const_data_ptr<float>();
  const float* factors = wide_weight.const_data_ptr<float>();
  for_each_row(T, [&](int64_t row) {
    thread_local Scratch x_scratch, y_scratch;
    float* out = y_rows.open(row, y_scratch);
    rows::scale(x_rows.read(row, x_scratch), scales[row], factors, out, C);
    y_rows.store(row, out);
  });
  return y;
}

void add_rms_norm_gradients(const at::Tensor& d_y,
                            const at::Tensor& x,
                            const at::Tensor& inverse_rms,
                            const at::Tensor& weight,
                            const RmsNormGradients& gradients) {
  if (is_elsewhere(x)) return add_norm_gradients_elsewhere(d_y, x, inverse_rms, weight, gradients);
  const at::Tensor parts = add_norm_blocks(d_y, x, inverse_rms, wide(weight), gradients.d_x);
  add_in_place(gradients.d_weight, parts.sum(/*dim=*/0));
}

void rotate_heads(const at::Tensor& x, const Rotation& rotation) {
  const int64_t T = x.size(0), heads = rotation.heads, D = x.size(2);
  const float direction = rotation.is_inverse ? -1.0F : 1.0F;
  if (is_elsewhere(x)) {
    const at::Tensor turned = x.narrow(1, 0, heads);                  // (T, heads, D)
    const auto halves = wide(turned).chunk(/*chunks=*/2, /*dim=*/2);  // [1 2 3 4] -> [-3 -4 1 2]
    const at::Tensor across = at::cat({-halves[1], halves[0]}, /*dim=*/2);
    turned.copy_(wide(turned) * rotation.cos.unsqueeze(1) +
                 across * rotation.sin.unsqueeze(1) * direction);
    return;
  }
  const Rows x_rows(x, x.size(1) * D), cos_rows(rotation.cos, D), sin_rows(rotation.sin, D);
  for_each_row(T, [&](int64_t row) {
    thread_local Scratch scratch, none;
    float* values = x_rows.read(row, scratch);
    const float *cos = cos_rows.read(row, none), *sin = sin_rows.read(row, none);
    for (int64_t h = 0; h < heads; ++h) rows::rotate(values + h * D, cos, sin, direction, D / 2);
    x_rows.store(row, values);
  });
}

at::Tensor gated_activation(const at::Tensor& gate_up) {
  const int64_t T = gate_up.size(0), F = gate_up.size(1) / 2;
  if (is_elsewhere(gate_up)) {
    return at::silu(gate_up.narrow(1, 0, F)) * gate_up.narrow(1, F, F);
  }
  at::Tensor y = at::empty({T, F}, gate_up.options());
  const Rows in(gate_up, 2 * F), out(y, F);
  for_each_row(T, [&](int64_t row) {
    thread_local Scratch in_scratch, out_scratch;
    const float* x = in.read(row, in_scratch);
    float* values = out.open(row, out_scratch);
    rows::gate(x, x + F, values, F);
    out.store(row, values);
  });
  return y;
}

at::Tensor gated_activation_gradient(const at::Tensor& d_y, const at::Tensor& gate_up) {
  const int64_t T = gate_up.size(0), F = gate_up.size(1) / 2;
  if (is_elsewhere(gate_up)) {
    const at::Tensor gate = gate_up.narrow(1, 0, F), up = gate_up.narrow(1, F, F);
    const at::Tensor act = at::silu(gate), y = act * up;
    const at::Tensor d_gate = at::silu_backward(d_y * up, gate);
    up.copy_(d_y * act);
    gate.copy_(d_gate);
    return y;
  }
  at::Tensor y = at::empty({T, F}, gate_up.options());
  const Rows in(gate_up, 2 * F), out(y, F), d_rows(d_y, F);
  for_each_row(T, [&](int64_t row) {
    thread_local Scratch in_scratch, out_scratch, d_scratch;
    float* x = in.read(row, in_scratch);
    float* values = out.open(row, out_scratch);
    rows::gate_gradient(d_rows.read(row, d_scratch), x, x + F, values, F);
    in.store(row, x);
    out.store(row, values);
  });
  return y;
}

at::Tensor cross_entropy_rows(const at::Tensor& logits,
                              const at::Tensor& targets,
                              const at::Tensor& weights,
                              bool wants_gradient) {
  if (is_elsewhere(logits))
    return cross_entropy_elsewhere(logits, targets, weights, wants_gradient);
  const int64_t N = logits.size(0), V = logits.size(1);
  at::Tensor losses = at::empty({N}, logits.options().dtype(at::kFloat));
  const Rows logit_rows(logits, V);
  const auto* target = targets.const_data_ptr<int64_t>();
  const auto* weight = weights.const_data_ptr<float>();
  auto* loss = losses.mutable_data_ptr<float>();
  at::parallel_for(0, N, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t n = begin; n < end; ++n) {
      float* x = logit_rows.read(n, scratch);
      loss[n] = weight[n] * cross_entropy_row(x, V, target[n], weight[n], wants_gradient);
      if (wants_gradient) logit_rows.store(n, x);
    }
  });
  return losses;
}

double norm_of(const at::Tensor& flat) {
  if (is_elsewhere(flat)) {
    return at::linalg_vector_norm(flat, 2, {}, /*keepdim=*/false, at::kFloat).item<double>();
  }
  const int64_t pieces = flat.numel() / kPiece;
  const Rows piece_rows(flat, kPiece);
  std::vector<double> sums(static_cast<size_t>(pieces));
  for_each_row(pieces, [&](int64_t row) {
    thread_local Scratch scratch;
    sums[static_cast<size_t>(row)] =
        static_cast<double>(rows::sum_of_squares(piece_rows.read(row, scratch), kPiece));
  });
  const int64_t rest = flat.numel() - pieces * kPiece;
  Scratch scratch;
  const float* last = Rows(flat.slice(/*dim=*/0, pieces * kPiece), rest).read(0, scratch);
  const auto last_sum = static_cast<double>(rows::sum_of_squares(last, rest));
  return std::sqrt(std::accumulate(sums.begin(), sums.end(), last_sum));
}

void add_in_place(const at::Tensor& target, const at::Tensor& source) {
  if (is_elsewhere(target)) {
    target.add_(source);
    return;
  }
  const int64_t pieces = target.numel() / kPiece, whole = pieces * kPiece;
  const at::Tensor to = target.view(-1), from = source.view(-1);
  const Rows to_rows(to, kPiece), from_rows(from, kPiece);
  for_each_row(pieces, [&](int64_t row) {
    thread_local Scratch to_scratch, from_scratch;
    float* sum = to_rows.read(row, to_scratch);
    rows::add(sum, from_rows.read(row, from_scratch), kPiece);
    to_rows.store(row, sum);
  });
  to.slice(/*dim=*/0, whole).add_(from.slice(/*dim=*/0, whole));
}

}  // namespace thoughtrank
