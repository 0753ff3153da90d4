#include "train/batch.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <vector>

#include "thoughtrank/kernels/cross_entropy.h"

namespace thoughtrank {

Batch make_batch(const Sequence& sequence, double weight_scale, at::Device device) {
  std::vector<int64_t> ids, offsets = {0}, positions, targets;
  std::vector<float> weights;
  for (const TrainingRow* row : sequence) {
    const std::vector<float> row_weights = token_weights(*row);
    for (size_t i = 1; i < row_weights.size(); ++i) {
      if (row_weights[i] == 0) continue;
      positions.push_back(offsets.back() + static_cast<int64_t>(i) - 1);
      targets.push_back(row->input_ids[i]);
      weights.push_back(static_cast<float>(static_cast<double>(row_weights[i]) * weight_scale));
    }
    ids.insert(ids.end(), row->input_ids.begin(), row->input_ids.end());
    offsets.push_back(static_cast<int64_t>(ids.size()));
  }
  return {.tokens = {.ids = at::tensor(ids, at::kLong).to(device), .offsets = offsets},
          .positions = at::tensor(positions, at::kLong).to(device),
          .targets = at::tensor(targets, at::kLong).to(device),
          .weights = at::tensor(weights, at::kFloat).to(device)};
}

at::Tensor batch_loss(const Llama& model, const Batch& batch, const ForwardOptions& options) {
  const at::Tensor hidden = training_hidden(model, batch.tokens, options);  // (T, C)
  return linear_cross_entropy(
      {.hidden = hidden.index_select(0, batch.positions),  // (N, C)
       .lm_head = model.lm_head,
       .targets = batch.targets,
       .weights = batch.weights,
       .lm_head_gradient = hidden.requires_grad() ? model.lm_head.grad() : at::Tensor()},
      default_chunk_rows(model.config.vocab_size));
}

double mean_loss_of(const Llama& model, const std::vector<TrainingRow>& rows, const MeanLoss& how) {
  const at::NoGradGuard no_grad;
  const at::Device device = model.embed_tokens.device();
  std::vector<const TrainingRow*> all;
  double weight = 0, sum = 0;
  for (const TrainingRow& row : rows) {
    all.push_back(&row);
    const std::vector<float> weights = token_weights(row);
    for (size_t i = 1; i < weights.size(); ++i) weight += static_cast<double>(weights[i]);
  }
  how.micro_batches.run(
      pack_rows(all, how.sequence_length),
      [&] { sum = 0; },
      [&](const Sequence& micro_batch) {
        how.stop.throw_if_set();
        const Batch batch = make_batch(micro_batch, /*weight_scale=*/1, device);
        sum += batch_loss(model, batch, how.forward).item<double>();
      });
  return sum / weight;
}

}  // namespace thoughtrank
