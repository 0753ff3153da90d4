#include "thoughtrank/rank/cholesky.h"

#include <cmath>
#include <utility>

#include "thoughtrank/core/error.h"

namespace thoughtrank {

Cholesky::Cholesky(SquareMatrix a) : lower_(std::move(a)) {
  const size_t n = lower_.n;
  for (size_t i = 0; i < n; ++i) {
    double* row_i = &lower_.values[i * n];
    for (size_t j = 0; j <= i; ++j) {
      const double* row_j = &lower_.values[j * n];
      double sum = row_i[j];
      for (size_t k = 0; k < j; ++k) sum -= row_i[k] * row_j[k];
      if (j < i) {
        row_i[j] = sum / row_j[j];
      } else if (sum > 0) {
        row_i[i] = std::sqrt(sum);
      } else {
        fail(ExitCode::kInternal, "ranking fit: matrix of size {} is not positive definite", n);
      }
    }
  }
}

double Cholesky::log_determinant() const {
  double sum = 0;
  for (size_t i = 0; i < lower_.n; ++i) sum += std::log(lower_.at(i, i));
  return 2 * sum;
}

std::vector<double> Cholesky::solve_lower(std::vector<double> b) const {
  for (size_t i = 0; i < lower_.n; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= lower_.at(i, k) * b[k];
    b[i] /= lower_.at(i, i);
  }
  return b;
}

std::vector<double> Cholesky::solve_upper(std::vector<double> b) const {
  for (size_t i = lower_.n; i-- > 0;) {
    b[i] /= lower_.at(i, i);
    for (size_t k = 0; k < i; ++k) b[k] -= lower_.at(i, k) * b[i];
  }
  return b;
}

std::vector<double> Cholesky::solve(std::vector<double> b) const {
  return solve_upper(solve_lower(std::move(b)));
}

}  // namespace thoughtrank
