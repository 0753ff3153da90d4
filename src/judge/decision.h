// What a ranking posterior says about the choice of a winner, by samples from it: the chance of
// each item to be the best, the regret to expect from taking the one with the best mean, and whom a
// final should compare next (Thompson sampling).
#pragma once

#include <vector>

#include "judge/plackett_luce.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {

// One vector of utilities (items) drawn from the posterior.
[[nodiscard]] std::vector<double> sample_utilities(const Posterior& posterior,
                                                   RandomStream& random);

struct Outlook {
  std::vector<double> p_best;  // (items)
  double regret = 0;           // E[max u − u of the item with the best mean]
};
[[nodiscard]] Outlook look_ahead(const Posterior& posterior, size_t winner, RandomStream random);

// Up to `count` different items, each the best of one sample; filled up by posterior mean.
[[nodiscard]] std::vector<size_t> thompson_choice(const Posterior& posterior,
                                                  size_t count,
                                                  RandomStream random);

// Items by falling posterior mean, equal ones by index.
[[nodiscard]] std::vector<size_t> by_mean(const Posterior& posterior);

// P(u of `item` > Σ share_i u_i); `share` sums to 1.
[[nodiscard]] double confidence_over_average(const Posterior& posterior,
                                             size_t item,
                                             const std::vector<double>& share);

}  // namespace thoughtrank
