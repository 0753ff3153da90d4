#include "thoughtrank/kernels/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/vector/vector_kernels.h"

namespace thoughtrank {
namespace {

// A fixed cut of the vocabulary, so that sums do not depend on the number of threads.
constexpr int64_t kPanelsPerPiece = 32;
constexpr int64_t kPiece = kPanelsPerPiece * kPanel;  // tokens

// Joins the summaries of two pieces; `next` has the higher ids.
void join(LogitsSummary& all, double& sum, const LogitsSummary& next) {
  const float best = std::max(all.best, next.best);
  sum = sum * std::exp(static_cast<double>(all.best) - best) +
        next.sum * std::exp(static_cast<double>(next.best) - best);
  all.second = std::max({all.second, next.second, std::min(all.best, next.best)});
  if (next.best > all.best) all.best_id = next.best_id;
  all.best = best;
  all.is_finite = all.is_finite && next.is_finite;
}

VocabularyRow join_pieces(const LogitsSummary* pieces, int64_t count) {
  LogitsSummary all = pieces[0];
  double sum = all.sum;
  for (int64_t i = 1; i < count; ++i) join(all, sum, pieces[i]);
  return {.best_id = all.best_id,
          .best_logit = all.best,
          .second_logit = all.second,
          .log_sum_exp = all.best + std::log(sum),
          .wanted_logit = 0,
          .is_finite = all.is_finite};
}

}  // namespace

std::vector<VocabularyRow> read_vocabulary(ThreadPool& pool,
                                           const PackedLinear& lm_head,
                                           const at::Tensor& hidden,
                                           const std::vector<int64_t>& wanted) {
  const int64_t M = hidden.size(0), V = lm_head.out_features();
  const int64_t pieces = (V + kPiece - 1) / kPiece;
  std::vector<LogitsSummary> summaries(static_cast<size_t>(M * pieces));  // (M, pieces)
  std::vector<float> wanted_logits(static_cast<size_t>(M));
  pool.for_each(pieces, [&](int64_t piece) {
    thread_local std::vector<float> logits;  // (M, tokens rounded up to panels)
    logits.resize(static_cast<size_t>(M * kPiece));
    const int64_t first = piece * kPiece, tokens = std::min(kPiece, V - first);
    const int64_t panels = (tokens + kPanel - 1) / kPanel;
    lm_head.apply_panels(hidden, piece * kPanelsPerPiece, panels, logits.data());
    for (int64_t m = 0; m < M; ++m) {
      const float* row = logits.data() + m * panels * kPanel;
      LogitsSummary& summary = summaries[static_cast<size_t>(m * pieces + piece)];
      summary = vector_kernels().summarize(row, tokens);
      summary.best_id += first;
      if (wanted.empty()) continue;
      const int64_t id = wanted[static_cast<size_t>(m)] - first;
      if (id >= 0 && id < tokens) wanted_logits[static_cast<size_t>(m)] = row[id];
    }
  });
  std::vector<VocabularyRow> rows;
  for (int64_t m = 0; m < M; ++m) {
    rows.push_back(join_pieces(summaries.data() + m * pieces, pieces));
    rows.back().wanted_logit = wanted_logits[static_cast<size_t>(m)];
  }
  return rows;
}

}  // namespace thoughtrank
