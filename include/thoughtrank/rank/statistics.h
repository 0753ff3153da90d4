// The few statistics of an audit. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "thoughtrank/core/json.h"

namespace thoughtrank {

// A mean over independent values and its standard error.
class Mean {
 public:
  void add(double value) { sum_ += value, squares_ += value * value, ++count_; }
  [[nodiscard]] int64_t count() const { return count_; }
  [[nodiscard]] double value() const;  // 0 where there is nothing
  [[nodiscard]] double error() const;  // 0 for fewer than two values
  // At least `sigmas` standard errors away from zero.
  [[nodiscard]] bool is_clear(double sigmas = 3) const;
  // {"mean", "error", "count"}; null where there is nothing
  [[nodiscard]] Json to_json() const;

 private:
  double sum_ = 0;
  double squares_ = 0;
  int64_t count_ = 0;
};

// Kendall's tau-a of two orders of the same things: the share of pairs in the same order minus the
// share in the other. `first` and `second` hold the same values, each once; at least two.
[[nodiscard]] double kendall_tau(const std::vector<int64_t>& first,
                                 const std::vector<int64_t>& second);

// Spearman's rank correlation, ties at their mean rank; 0 where one side is constant.
[[nodiscard]] double spearman(const std::vector<double>& x, const std::vector<double>& y);

[[nodiscard]] double median(std::vector<double> values);  // of at least one

}  // namespace thoughtrank
