#include "decode/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

// The two highest logits, and log Σ exp(logit).
struct RowSummary {
  float best = -INFINITY;
  float second = -INFINITY;
  double log_sum_exp = 0;
  bool is_finite = true;
};

RowSummary summarise(const float* logits, int64_t vocab_size) {
  RowSummary row;
  for (int64_t id = 0; id < vocab_size; ++id) {
    const float logit = logits[id];
    row.is_finite = row.is_finite && std::isfinite(logit);
    if (logit > row.best) {
      row.second = row.best;
      row.best = logit;
    } else if (logit > row.second) {
      row.second = logit;
    }
  }
  if (!row.is_finite) return row;
  double sum = 0;
  for (int64_t id = 0; id < vocab_size; ++id) sum += std::exp(double{logits[id]} - row.best);
  row.log_sum_exp = row.best + std::log(sum);
  return row;
}

// Probabilities up to a factor: 1 for the best token.
std::vector<double> weights_of(const float* logits,
                               int64_t vocab_size,
                               float best,
                               double temperature) {
  std::vector<double> weights(static_cast<size_t>(vocab_size));
  for (size_t id = 0; id < weights.size(); ++id) {
    weights[id] = std::exp((double{logits[id]} - best) / temperature);
  }
  return weights;
}

// Walks through `ids` until they have `share` of their weight.
int64_t walk(const std::vector<int64_t>& ids, const std::vector<double>& weights, double share) {
  double total = 0;
  for (const int64_t id : ids) total += weights[static_cast<size_t>(id)];
  double passed = 0;
  int64_t last = ids.front();  // rounding may leave a rest behind the last token that has a weight
  for (const int64_t id : ids) {
    const double weight = weights[static_cast<size_t>(id)];
    if (weight <= 0) continue;
    last = id;
    passed += weight;
    if (passed > share * total) return id;
  }
  return last;
}

// The fewest most probable tokens with `top_p` of the weight, the best first.
std::vector<int64_t> nucleus(const float* logits,
                             const std::vector<double>& weights,
                             double top_p) {
  std::vector<int64_t> ids(weights.size());
  std::iota(ids.begin(), ids.end(), int64_t{0});
  const double wanted = top_p * std::accumulate(weights.begin(), weights.end(), 0.0);
  const auto is_before = [&](int64_t a, int64_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  // Most nuclei are small: the front is sorted in growing parts.
  double mass = 0;
  size_t sorted = 0;
  for (size_t part = 64; sorted < ids.size(); part *= 8) {
    const size_t end = std::min(sorted + part, ids.size());
    std::partial_sort(ids.begin() + static_cast<int64_t>(sorted),
                      ids.begin() + static_cast<int64_t>(end),
                      ids.end(),
                      is_before);
    for (; sorted < end; ++sorted) {
      mass += weights[static_cast<size_t>(ids[sorted])];
      if (mass < wanted) continue;
      ids.resize(sorted + 1);
      return ids;
    }
  }
  return ids;
}

}  // namespace

std::optional<TokenChoice> draw_token(const float* logits,
                                      int64_t vocab_size,
                                      const Sampling& sampling,
                                      int64_t draw) {
  const RowSummary row = summarise(logits, vocab_size);
  if (!row.is_finite) return std::nullopt;
  const auto weights = weights_of(logits, vocab_size, row.best, sampling.temperature);
  std::vector<int64_t> ids;
  if (sampling.top_p < 1) {
    ids = nucleus(logits, weights, sampling.top_p);
  } else {
    ids.resize(weights.size());
    std::iota(ids.begin(), ids.end(), int64_t{0});
  }
  RandomStream random(sampling.stream, "drawn token", {static_cast<uint64_t>(draw)});
  const int64_t id = walk(ids, weights, random.uniform());
  return TokenChoice{.id = id,
                     .is_forced = false,
                     .log_probability = double{logits[id]} - row.log_sum_exp,
                     .margin = double{row.best} - row.second};
}

}  // namespace thoughtrank
