// Steps that must not reach the weights: not finite, or far above what the accepted steps before
// them measured. A pure function of the metrics so far, so that a resumed run judges alike.
#pragma once

#include <string>
#include <vector>

#include "thoughtrank/data/records.h"

namespace thoughtrank {

// Accepted steps that are looked back on, and how many it takes to judge by them.
inline constexpr size_t kSpikeWindow = 128, kLeastSpikeHistory = 16;

// Why a step with this loss and gradient norm is skipped; empty when it is good. A spike is more
// than `sigmas` standard deviations above the mean of the last accepted steps; 0: none is.
// Deviations count as at least a tenth of the mean: steps that hardly differ are no reason to fear
// one that differs a little.
[[nodiscard]] std::string fault_of(double loss,
                                   double grad_norm,
                                   const std::vector<MetricsRow>& metrics,
                                   double sigmas);

}  // namespace thoughtrank
