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

NamedTensors parameters_of(Llama& model) {
  if (model.config.tie_word_embeddings) model.lm_head = model.embed_tokens;
  return model.named_parameters();
}

}  // namespace

WeightArena::WeightArena(Llama& model,
                         at::ScalarType weights,
                         at::ScalarType moments,
                         bool has_master)
    : WeightArena(parameters_of(model), weights, moments, has_master) {}

WeightArena::WeightArena(NamedTensors parameters,
                         at::ScalarType weights,
                         at::ScalarType moments,
                         bool has_master)
    : parameters_(std::move(parameters)) {
  const at::NoGradGuard no_grad;
  const int64_t size = arena_size(parameters_);
  const auto options = at::TensorOptions(parameters_.front().second.device());
  buffers_ = {.weights = at::zeros(size, options.dtype(weights)),
              .gradients = at::zeros(size, options.dtype(weights)),
              .first_moment = at::zeros(size, options.dtype(moments)),
              .second_moment = at::zeros(size, options.dtype(moments))};
  if (moments == at::kByte) {
    const int64_t blocks = (size + kMomentBlock - 1) / kMomentBlock;
    buffers_.first_scale = at::zeros(blocks, options.dtype(at::kFloat));
    buffers_.second_scale = at::zeros(blocks, options.dtype(at::kFloat));
  }
  int64_t offset = 0;
  for (auto& [name, tensor] : parameters_) {
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
  if (has_master && weights != at::kFloat) buffers_.master = buffers_.weights.to(at::kFloat);
}

WeightArena::~WeightArena() {
  for (auto& [name, tensor] : parameters_) {
    tensor.mutable_grad() = at::Tensor();
    tensor.set_requires_grad(false);
  }
}

void WeightArena::zero_gradients() { buffers_.gradients.zero_(); }

double WeightArena::gradient_norm() const {
  return at::linalg_vector_norm(buffers_.gradients, 2, {}, /*keepdim=*/false, at::kFloat)
      .item<double>();
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
