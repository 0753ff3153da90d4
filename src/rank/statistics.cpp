#include "thoughtrank/rank/statistics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace thoughtrank {
namespace {

std::vector<double> mean_ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t from = 0; from < order.size();) {
    size_t to = from;
    while (to < order.size() && values[order[to]] == values[order[from]]) ++to;
    for (size_t i = from; i < to; ++i) ranks[order[i]] = static_cast<double>(from + to - 1) / 2;
    from = to;
  }
  return ranks;
}

}  // namespace

double Mean::value() const { return count_ > 0 ? sum_ / static_cast<double>(count_) : 0; }

double Mean::error() const {
  if (count_ < 2) return 0;
  const auto n = static_cast<double>(count_);
  const double variance = std::max(0.0, squares_ / n - value() * value()) * n / (n - 1);
  return std::sqrt(variance / n);
}

bool Mean::is_clear(double sigmas) const {
  return count_ >= 2 && std::abs(value()) > sigmas * error();
}

Json Mean::to_json() const {
  if (count_ == 0) return nullptr;
  return {{"mean", value()}, {"error", error()}, {"count", count_}};
}

double kendall_tau(const std::vector<int64_t>& first, const std::vector<int64_t>& second) {
  std::map<int64_t, size_t> place;
  for (size_t i = 0; i < second.size(); ++i) place[second[i]] = i;
  double balance = 0, pairs = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    for (size_t j = i + 1; j < first.size(); ++j) {
      balance += place.at(first[i]) < place.at(first[j]) ? 1 : -1;
      ++pairs;
    }
  }
  return balance / pairs;
}

double spearman(const std::vector<double>& x, const std::vector<double>& y) {
  const std::vector<double> a = mean_ranks(x), b = mean_ranks(y);
  const double middle = (static_cast<double>(x.size()) - 1) / 2;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - middle) * (b[i] - middle);
    aa += (a[i] - middle) * (a[i] - middle);
    bb += (b[i] - middle) * (b[i] - middle);
  }
  return aa == 0 || bb == 0 ? 0 : ab / std::sqrt(aa * bb);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace thoughtrank
