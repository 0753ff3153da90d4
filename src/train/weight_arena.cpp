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

}  // namespace

int64_t padded_elements(const at::Tensor& weight) {
  return (weight.numel() + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

WeightArena::WeightArena(Llama& model,
                         at::ScalarType weights,
                         at::ScalarType moments,
                         bool has_gradients)
    : model_(model) {
  const at::NoGradGuard no_grad;
  if (model.config.tie_word_embeddings) model.lm_head = model.embed_tokens;
  NamedTensors parameters = model.named_parameters();
  const int64_t size = arena_size(parameters);
  const auto options = at::TensorOptions(model.embed_tokens.device());
  buffers_ = {.weights = at::zeros(size, options.dtype(weights)),
              .gradients = has_gradients ? at::zeros(size, options.dtype(weights)) : at::Tensor(),
              .first_moment = at::zeros(size, options.dtype(moments)),
              .second_moment = at::zeros(size, options.dtype(moments))};
  int64_t offset = 0;
  for (auto& [name, tensor] : parameters) {
    const auto view_of = [&](const at::Tensor& flat) {
      return flat.narrow(0, offset, tensor.numel()).view(tensor.sizes());
    };
    const at::Tensor home = view_of(buffers_.weights);
    home.copy_(tensor);
    tensor.set_data(home);
    tensor.set_requires_grad(true);
    if (has_gradients) tensor.mutable_grad() = view_of(buffers_.gradients);
    offset += padded_elements(tensor);
  }
}

WeightArena::~WeightArena() {
  for (auto& [name, tensor] : model_.named_parameters()) {
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
  const auto part = [&](const at::Tensor& flat) {
    return flat.defined() ? flat.narrow(0, offset(weight), weight.numel()) : flat;
  };
  return {.weights = part(buffers_.weights),
          .gradients = part(buffers_.gradients),
          .first_moment = part(buffers_.first_moment),
          .second_moment = part(buffers_.second_moment)};
}

uint64_t WeightArena::state_bytes() const {
  return buffers_.weights.nbytes() + buffers_.first_moment.nbytes() +
         buffers_.second_moment.nbytes();
}

}  // namespace thoughtrank
