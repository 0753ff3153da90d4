#include "train/training_forward.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "thoughtrank/core/watchdog.h"
#include "thoughtrank/kernels/training_ops.h"

namespace thoughtrank {
namespace {

// The rotary angles of each token's place in its document, (T, D) float32.
RopeTable rope_of(const LlamaConfig& config, const PackedTokens& tokens) {
  int64_t longest = 0;
  const auto length = [&](size_t n) { return tokens.offsets[n] - tokens.offsets[n - 1]; };
  for (size_t n = 1; n < tokens.offsets.size(); ++n) longest = std::max(longest, length(n));
  const RopeTable table = make_rope_table(config, longest, tokens.ids.device());
  std::vector<at::Tensor> cos, sin;
  for (size_t n = 1; n < tokens.offsets.size(); ++n) {
    cos.push_back(table.cos.narrow(/*dim=*/0, /*start=*/0, length(n)));
    sin.push_back(table.sin.narrow(/*dim=*/0, /*start=*/0, length(n)));
  }
  return {at::cat(cos), at::cat(sin)};
}

// One micro-batch: forward() keeps what backward() needs.
class Pass : public torch::CustomClassHolder {
 public:
  Pass(const Llama& model, const PackedTokens& tokens, const ForwardOptions& options)
      : model_(model),
        ids_(tokens.ids),
        options_(options),
        input_{.config = model.config,
               .offsets = tokens.offsets,
               .rope = rope_of(model.config, tokens)} {}

  at::Tensor forward(bool keeps_tapes) {
    const at::Tensor& embedding = model_.embed_tokens;
    at::Tensor x = at::embedding(embedding, ids_)
                       .to(training_dtype(embedding.scalar_type(), embedding.device()));  // (T, C)
    for (const LlamaLayer& layer : model_.layers) {
      heartbeat();
      LayerTape tape;
      x = forward_layer(
          layer, input_, x, keeps_tapes ? options_.checkpointing : Checkpointing::full, tape);
      if (keeps_tapes) tapes_.push_back(std::move(tape));
    }
    const at::Tensor scale = inverse_rms(x, model_.config.rms_norm_eps);
    at::Tensor hidden = scale_rows(x, scale, model_.norm);
    if (keeps_tapes) last_x_ = x;
    return hidden;
  }

  void backward(at::Tensor d_hidden) {
    at::Tensor d_x = backward_norm(d_hidden);
    d_hidden.reset();
    for (size_t n = model_.layers.size(); n-- > 0;) {
      heartbeat();
      const std::vector<at::Tensor> weights = weights_of(model_.layers[n]);
      begin(weights);
      d_x = backward_layer(model_.layers[n], input_, d_x, std::move(tapes_[n]));
      end(weights);
    }
    backward_embedding(d_x);
  }

 private:
  at::Tensor backward_norm(const at::Tensor& d_hidden) {
    at::Tensor d_x = at::zeros_like(last_x_);
    begin({model_.norm});
    add_rms_norm_gradients(d_hidden.contiguous(),
                           last_x_,
                           inverse_rms(last_x_, model_.config.rms_norm_eps),
                           model_.norm,
                           {.d_x = d_x, .d_weight = model_.norm.grad()});
    end({model_.norm});
    last_x_.reset();
    return d_x;
  }

  void backward_embedding(const at::Tensor& d_x) {
    begin({model_.embed_tokens});
    const at::Tensor gradient = model_.embed_tokens.grad();
    const at::Tensor rows = d_x.to(gradient.scalar_type());
    if (gradient.is_cpu()) {
      gradient.index_add_(/*dim=*/0, ids_, rows);
    } else {  // index_add_ has no fixed order there
      gradient.index_put_({ids_}, rows, /*accumulate=*/true);
    }
    end({model_.embed_tokens});
  }

  void begin(const std::vector<at::Tensor>& weights) const {
    if (options_.observer != nullptr) options_.observer->begin(weights);
  }
  void end(const std::vector<at::Tensor>& weights) const {
    if (options_.observer != nullptr) options_.observer->end(weights);
  }

  const Llama& model_;
  at::Tensor ids_;  // (T)
  ForwardOptions options_;
  LayerInput input_;
  std::vector<LayerTape> tapes_;
  at::Tensor last_x_;  // (T, C) before the last norm
};

// The embedding stands for all weights: autograd calls backward() because it requires a gradient.
class HiddenStates : public torch::autograd::Function<HiddenStates> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context,
                            const at::Tensor& embedding,
                            const c10::intrusive_ptr<Pass>& pass,
                            bool keeps_tapes) {
    (void)embedding;
    context->saved_data["pass"] = c10::IValue::make_capsule(pass);
    return pass->forward(keeps_tapes);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list outputs) {
    const auto pass =
        c10::static_intrusive_pointer_cast<Pass>(context->saved_data["pass"].toCapsule());
    context->saved_data.clear();  // tapes are used up: a second backward must fail
    const at::NoGradGuard no_grad;
    pass->backward(std::move(outputs[0]));
    return {at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

std::vector<at::Tensor> weights_of(const LlamaLayer& layer) {
  return {layer.q_proj,
          layer.k_proj,
          layer.v_proj,
          layer.o_proj,
          layer.gate_proj,
          layer.up_proj,
          layer.down_proj,
          layer.input_layernorm,
          layer.post_attention_layernorm};
}

at::Tensor training_hidden(const Llama& model,
                           const PackedTokens& tokens,
                           const ForwardOptions& options) {
  if (options.is_plain) return forward_hidden(model, tokens);
  const bool keeps_tapes = at::GradMode::is_enabled() && model.embed_tokens.requires_grad();
  return HiddenStates::apply(
      model.embed_tokens, c10::make_intrusive<Pass>(model, tokens, options), keeps_tapes);
}

}  // namespace thoughtrank
