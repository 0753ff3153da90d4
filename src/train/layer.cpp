#include "train/layer.h"

#include <ATen/ATen.h>

#include "thoughtrank/kernels/linear.h"
#include "thoughtrank/kernels/training_ops.h"
#include "train/document_attention.h"

namespace thoughtrank {
namespace {

using Weights = std::vector<at::Tensor>;

Weights qkv_weights(const LlamaLayer& layer) { return {layer.q_proj, layer.k_proj, layer.v_proj}; }
Weights gate_up_weights(const LlamaLayer& layer) { return {layer.gate_proj, layer.up_proj}; }

void rotate_queries_and_keys(const at::Tensor& qkv, const LayerInput& input, bool is_inverse) {
  const LlamaConfig& config = input.config;
  rotate_heads(qkv.view({qkv.size(0), -1, config.head_dim}),
               {.cos = input.rope.cos,
                .sin = input.rope.sin,
                .heads = config.num_attention_heads + config.num_key_value_heads,
                .is_inverse = is_inverse});
}

at::Tensor normed(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& weight) {
  return scale_rows(x, scale, weight);
}

// Fills the tape from x to h.
void run_attention(const LlamaLayer& layer, const LayerInput& input, LayerTape& tape) {
  tape.x_scale = inverse_rms(tape.x, input.config.rms_norm_eps);
  tape.qkv = apply_linear(normed(tape.x, tape.x_scale, layer.input_layernorm),
                          stack_weights(qkv_weights(layer)));
  rotate_queries_and_keys(tape.qkv, input, /*is_inverse=*/false);
  AttentionOutput output = attend_documents(tape.qkv, input.offsets, input.config);
  tape.mixed = output.mixed;
  tape.log_sum_exps = std::move(output.log_sum_exps);
  tape.h = apply_linear(tape.mixed, layer.o_proj, tape.x);
  tape.h_scale = inverse_rms(tape.h, input.config.rms_norm_eps);
}

// Fills the tape's gate_up from h.
void run_gate_up(const LlamaLayer& layer, LayerTape& tape) {
  tape.gate_up = apply_linear(normed(tape.h, tape.h_scale, layer.post_attention_layernorm),
                              stack_weights(gate_up_weights(layer)));
}

// ∂/∂h given ∂/∂y.
at::Tensor backward_mlp(const LlamaLayer& layer, const at::Tensor& d_y, LayerTape& tape) {
  add_linear_weight_gradient(
      d_y,
      gated_activation_gradient(linear_input_gradient(d_y, layer.down_proj), tape.gate_up),
      {layer.down_proj});
  const at::Tensor d_gate_up = std::move(tape.gate_up);  // (T, 2·F)
  const Weights weights = gate_up_weights(layer);
  add_linear_weight_gradient(
      d_gate_up, normed(tape.h, tape.h_scale, layer.post_attention_layernorm), weights);
  add_rms_norm_gradients(linear_input_gradient(d_gate_up, stack_weights(weights)),
                         tape.h,
                         tape.h_scale,
                         layer.post_attention_layernorm,
                         {.d_x = d_y, .d_weight = layer.post_attention_layernorm.grad()});
  return d_y;
}

// ∂/∂x given ∂/∂h.
at::Tensor backward_attention(const LlamaLayer& layer,
                              const LayerInput& input,
                              const at::Tensor& d_h,
                              const LayerTape& tape) {
  add_linear_weight_gradient(d_h, tape.mixed, {layer.o_proj});
  const at::Tensor d_qkv =
      attend_documents_gradient(linear_input_gradient(d_h, layer.o_proj),
                                tape.qkv,
                                {.mixed = tape.mixed, .log_sum_exps = tape.log_sum_exps},
                                input.offsets,
                                input.config);
  rotate_queries_and_keys(d_qkv, input, /*is_inverse=*/true);
  const Weights weights = qkv_weights(layer);
  add_linear_weight_gradient(d_qkv, normed(tape.x, tape.x_scale, layer.input_layernorm), weights);
  add_rms_norm_gradients(linear_input_gradient(d_qkv, stack_weights(weights)),
                         tape.x,
                         tape.x_scale,
                         layer.input_layernorm,
                         {.d_x = d_h, .d_weight = layer.input_layernorm.grad()});
  return d_h;
}

}  // namespace

at::Tensor forward_layer(const LlamaLayer& layer,
                         const LayerInput& input,
                         const at::Tensor& x,
                         Checkpointing checkpointing,
                         LayerTape& tape) {
  tape = {};
  tape.x = x;
  run_attention(layer, input, tape);
  run_gate_up(layer, tape);
  at::Tensor y = apply_linear(gated_activation(tape.gate_up), layer.down_proj, tape.h);
  if (checkpointing != Checkpointing::none) tape.gate_up.reset();
  if (checkpointing == Checkpointing::full) {
    tape = {};
    tape.x = x;
  }
  return y;
}

at::Tensor backward_layer(const LlamaLayer& layer,
                          const LayerInput& input,
                          const at::Tensor& d_y,
                          LayerTape tape) {
  if (!tape.h.defined()) run_attention(layer, input, tape);
  if (!tape.gate_up.defined()) run_gate_up(layer, tape);
  return backward_attention(layer, input, backward_mlp(layer, d_y, tape), tape);
}

}  // namespace thoughtrank
