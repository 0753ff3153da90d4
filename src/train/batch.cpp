#include "train/batch.h"

#include <ATen/ATen.h>

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

at::Tensor batch_loss(const Llama& model, const Batch& batch) {
  const at::Tensor hidden = forward_hidden(model, batch.tokens);                   // (T, C)
  return linear_cross_entropy({.hidden = hidden.index_select(0, batch.positions),  // (N, C)
                               .lm_head = model.lm_head,
                               .targets = batch.targets,
                               .weights = batch.weights},
                              default_chunk_rows(model.config.vocab_size));
}

}  // namespace thoughtrank
