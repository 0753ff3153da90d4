// What taking a winner costs by the ranking posterior: samples of it tell each item's chance to be
// the best, the regret to expect from the item that is taken, and which items a final should
// compare next (Thompson sampling).
#pragma once

#include <vector>

#include "thoughtrank/core/random.h"
#include "thoughtrank/rank/plackett_luce.h"

namespace thoughtrank {

// Draws one vector of utilities (items) from the posterior.
[[nodiscard]] std::vector<double> sample_utilities(const Posterior& posterior,
                                                   RandomStream& random);

struct PosteriorRegret {
  std::vector<double> p_best;  // (items) chance to be the best
  double expected = 0;         // E[max u − u of the winner]
  // `expected` as a share of what the best item promises over an average one, E[max u − Σ weight
  // u]: 0 = surely the best, 1 = no better than an average one. In σ, regret stays high where
  // several items are equally good, since one of them may always be a little better; as a share it
  // tells such a winner from one that a guess would have found.
  double share = 1;
};
// Estimates them from 500 samples of the posterior. `weights`, (items) with sum 1, are those of the
// average; empty: all alike.
[[nodiscard]] PosteriorRegret posterior_regret(const Posterior& posterior,
                                               size_t winner,
                                               RandomStream random,
                                               const std::vector<double>& weights = {});

// Returns up to `count` different items, each the best of one sample; where samples agree, the list
// is filled up by posterior mean.
[[nodiscard]] std::vector<size_t> thompson_sample(const Posterior& posterior,
                                                  size_t count,
                                                  RandomStream random);

// Returns the items by falling posterior mean, equal ones by index.
[[nodiscard]] std::vector<size_t> by_mean(const Posterior& posterior);

// Returns P(u of `item` > Σ weight_i u_i), where `weights` sum to 1.
[[nodiscard]] double confidence_over_average(const Posterior& posterior,
                                             size_t item,
                                             const std::vector<double>& weights);

}  // namespace thoughtrank
