#include "train/weight_arena.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace thoughtrank {
namespace {

// Tensors begin at multiples of this many elements: 128 bytes at least, as fresh tensors would.
constexpr int64_t kAlignment = 64;

int64_t padded(int64_t elements) { return (elements + kAlignment - 1) / kAlignment * kAlignment; }

int64_t arena_size(const NamedTensors& parameters) {
  int64_t size = 0;
  for (const auto& [name, tensor] : parameters) size += padded(tensor.numel());
  return size;
}

}  // namespace

WeightArena::WeightArena(Llama& model, at::ScalarType weights, at::ScalarType moments)
    : model_(model) {
  const at::NoGradGuard no_grad;
  if (model.config.tie_word_embeddings) model.lm_head = model.embed_tokens;
  NamedTensors parameters = model.named_parameters();
  const int64_t size = arena_size(parameters);
  const auto options = at::TensorOptions(model.embed_tokens.device());
  buffers_ = {.weights = at::zeros(size, options.dtype(weights)),
              .gradients = at::zeros(size, options.dtype(weights)),
              .first_moment = at::zeros(size, options.dtype(moments)),
              .second_moment = at::zeros(size, options.dtype(moments))};
  int64_t offset = 0;
  for (auto& [name, tensor] : parameters) {
    const auto view_of = [&](const at::Tensor& flat) {
      return flat.narrow(0, offset, tensor.numel()).view(tensor.sizes());
    };
    const at::Tensor home = view_of(buffers_.weights);
    home.copy_(tensor);
    const at::Tensor gradient = view_of(buffers_.gradients);
    tensor.set_data(home);
    tensor.set_requires_grad(true);
    tensor.mutable_grad() = gradient;
    offset += padded(tensor.numel());
  }
}

WeightArena::~WeightArena() {
  for (auto& [name, tensor] : model_.named_parameters()) {
    tensor.mutable_grad() = at::Tensor();
    tensor.set_requires_grad(false);
  }
}

void WeightArena::zero_gradients() { buffers_.gradients.zero_(); }

double WeightArena::gradient_norm() const {
  return at::linalg_vector_norm(buffers_.gradients, 2, {}, /*keepdim=*/false, at::kFloat)
      .item<double>();
}

uint64_t WeightArena::state_bytes() const {
  return buffers_.weights.nbytes() + buffers_.first_moment.nbytes() +
         buffers_.second_moment.nbytes();
}

}  // namespace thoughtrank
