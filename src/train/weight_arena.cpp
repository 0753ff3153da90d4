#include "train/weight_arena.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "thoughtrank/kernels/training_ops.h"

namespace thoughtrank {
namespace {

int64_t arena_size(const NamedTensors& parameters) {
  int64_t size = 0;
  for (const auto& [name, tensor] : parameters) size += padded_elements(tensor);
  return size;
}

NamedTensors parameters_of(Llama& model) {
  if (model.config.tie_word_embeddings) model.lm_head = model.embed_tokens;
  return model.named_parameters();
}

int64_t blocks_of(int64_t elements) { return (elements + kMomentBlock - 1) / kMomentBlock; }

// Zeros, but for the master, which is undefined.
AdamWArena make_buffers(int64_t size,
                        const at::TensorOptions& weights,
                        const at::TensorOptions& moments,
                        bool has_gradients) {
  AdamWArena buffers = {.weights = at::zeros(size, weights),
                        .gradients = has_gradients ? at::zeros(size, weights) : at::Tensor(),
                        .first_moment = at::zeros(size, moments),
                        .second_moment = at::zeros(size, moments)};
  if (buffers.first_moment.scalar_type() == at::kByte) {
    buffers.first_scale = at::zeros(blocks_of(size), moments.dtype(at::kFloat));
    buffers.second_scale = at::zeros(blocks_of(size), moments.dtype(at::kFloat));
  }
  return buffers;
}

}  // namespace

int64_t padded_elements(const at::Tensor& weight) {
  return (weight.numel() + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

WeightArena::WeightArena(Llama& model,
                         at::ScalarType weights,
                         at::ScalarType moments,
                         ArenaParts parts)
    : WeightArena(parameters_of(model), weights, moments, parts) {}

WeightArena::WeightArena(NamedTensors parameters,
                         at::ScalarType weights,
                         at::ScalarType moments,
                         ArenaParts parts)
    : parameters_(std::move(parameters)) {
  const at::NoGradGuard no_grad;
  const auto options = at::TensorOptions(parameters_.front().second.device());
  buffers_ = make_buffers(
      arena_size(parameters_), options.dtype(weights), options.dtype(moments), parts.has_gradients);
  int64_t offset = 0;
  for (auto& [name, tensor] : parameters_) {
    const auto view_of = [&](const at::Tensor& flat) {
      return flat.narrow(0, offset, tensor.numel()).view(tensor.sizes());
    };
    const at::Tensor home = view_of(buffers_.weights);
    home.copy_(tensor);
    tensor.set_data(home);
    tensor.set_requires_grad(true);
    if (parts.has_gradients) tensor.mutable_grad() = view_of(buffers_.gradients);
    offset += padded_elements(tensor);
  }
  if (parts.has_master && weights != at::kFloat) {
    buffers_.master = buffers_.weights.to(at::kFloat);
  }
}

WeightArena::~WeightArena() {
  for (auto& [name, tensor] : parameters_) {
    tensor.mutable_grad() = at::Tensor();
    tensor.set_requires_grad(false);
  }
}

void WeightArena::zero_gradients() { buffers_.gradients.zero_(); }

double WeightArena::gradient_norm() const { return norm_of(buffers_.gradients); }

int64_t WeightArena::offset(const at::Tensor& weight) const {
  return weight.storage_offset() - buffers_.weights.storage_offset();
}

AdamWArena WeightArena::slice(const at::Tensor& weight) const {
  const int64_t from = offset(weight);
  const auto part = [&](const at::Tensor& flat) {
    return flat.defined() ? flat.narrow(0, from, weight.numel()) : flat;
  };
  const auto blocks = [&](const at::Tensor& scales) {
    return scales.defined() ? scales.narrow(0, from / kMomentBlock, blocks_of(weight.numel()))
                            : scales;
  };
  return {.weights = part(buffers_.weights),
          .gradients = part(buffers_.gradients),
          .first_moment = part(buffers_.first_moment),
          .second_moment = part(buffers_.second_moment),
          .master = part(buffers_.master),
          .first_scale = blocks(buffers_.first_scale),
          .second_scale = blocks(buffers_.second_scale)};
}

NamedTensors WeightArena::state() const {
  NamedTensors state = {{"weights", buffers_.master.defined() ? buffers_.master : buffers_.weights},
                        {"first_moment", buffers_.first_moment},
                        {"second_moment", buffers_.second_moment}};
  if (buffers_.first_scale.defined()) {
    state.emplace_back("first_scale", buffers_.first_scale);
    state.emplace_back("second_scale", buffers_.second_scale);
  }
  return state;
}

void WeightArena::restore_weights() {
  if (buffers_.master.defined()) buffers_.weights.copy_(buffers_.master);
}

uint64_t WeightArena::state_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : state()) bytes += tensor.nbytes();
  return bytes;
}

}  // namespace thoughtrank
