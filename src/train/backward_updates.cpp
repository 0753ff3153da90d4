#include "train/backward_updates.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "thoughtrank/kernels/training_ops.h"

namespace thoughtrank {
namespace {

std::vector<at::Tensor> weights_beside_layers(const Llama& model) {
  std::vector<at::Tensor> weights = {model.embed_tokens, model.norm};
  if (!model.config.tie_word_embeddings) weights.push_back(model.lm_head);
  return weights;
}

bool is_layer(const std::vector<at::Tensor>& weights) { return weights.size() > 1; }

int64_t elements_of(const std::vector<at::Tensor>& weights) {
  int64_t elements = 0;
  for (const at::Tensor& weight : weights) elements += padded_elements(weight);
  return elements;
}

// The weights' .grad become views of `flat`, one after the other.
void place_gradients(const std::vector<at::Tensor>& weights, const at::Tensor& flat) {
  int64_t offset = 0;
  for (const at::Tensor& weight : weights) {
    weight.mutable_grad() = flat.narrow(0, offset, weight.numel()).view(weight.sizes());
    offset += padded_elements(weight);
  }
}

}  // namespace

BackwardUpdates::BackwardUpdates(const Llama& model, const WeightArena& arena, double largest_norm)
    : model_(model), arena_(arena), largest_norm_(largest_norm) {
  int64_t largest_layer = 0;
  for (const LlamaLayer& layer : model.layers) {
    largest_layer = std::max(largest_layer, elements_of(weights_of(layer)));
  }
  const std::vector<at::Tensor> others = weights_beside_layers(model);
  const at::TensorOptions options = arena.buffers().weights.options();
  layer_gradients_ = at::empty(largest_layer, options);
  whole_gradients_ = at::empty(elements_of(others), options);
  place_gradients(others, whole_gradients_);
}

BackwardUpdates::~BackwardUpdates() {
  for (const at::Tensor& weight : weights_beside_layers(model_))
    weight.mutable_grad() = at::Tensor();
}

void BackwardUpdates::begin_step(const AdamWUpdate& update) {
  update_ = update;
  square_sum_ = 0;
  whole_gradients_.zero_();
}

void BackwardUpdates::begin(const std::vector<at::Tensor>& weights) {
  if (!is_layer(weights)) return;  // those have their gradients from the step's beginning on
  layer_gradients_.zero_();
  place_gradients(weights, layer_gradients_);
}

void BackwardUpdates::end(const std::vector<at::Tensor>& weights) {
  for (const at::Tensor& weight : weights) {
    update_weight(weight);
    if (is_layer(weights)) weight.mutable_grad() = at::Tensor();
  }
}

double BackwardUpdates::finish_step() {
  if (!model_.config.tie_word_embeddings) end({model_.lm_head});
  return std::sqrt(square_sum_);
}

void BackwardUpdates::update_weight(const at::Tensor& weight) {
  AdamWArena slice = arena_.slice(weight);
  slice.gradients = weight.grad().view(-1);
  const double norm = norm_of(slice.gradients);
  if (!std::isfinite(norm)) throw NotFiniteGradient(norm);
  square_sum_ += norm * norm;
  AdamWUpdate update = update_;
  if (largest_norm_ > 0 && norm > largest_norm_) update.gradient_scale = largest_norm_ / norm;
  // The slice begins at element 0 of its own stream: another key for each weight.
  update.rounding.high ^= static_cast<uint32_t>(arena_.offset(weight) / kArenaAlignment + 1);
  apply_adamw(slice, update);
}

uint64_t BackwardUpdates::gradient_bytes() const {
  return layer_gradients_.nbytes() + whole_gradients_.nbytes();
}

}  // namespace thoughtrank
