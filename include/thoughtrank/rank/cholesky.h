// Cholesky factorisation of a small dense symmetric positive definite matrix, for the precision
// matrix of the ranking posterior (at most 62 × 62).
#pragma once

#include <cstddef>
#include <vector>

namespace thoughtrank {

struct SquareMatrix {
  explicit SquareMatrix(size_t size) : n(size), values(size * size, 0.0) {}
  size_t n;
  std::vector<double> values;  // (n, n) row by row
  double& at(size_t row, size_t column) { return values[row * n + column]; }
  [[nodiscard]] double at(size_t row, size_t column) const { return values[row * n + column]; }
};

// A = L·Lᵀ; reads the lower half of A only.
class Cholesky {
 public:
  explicit Cholesky(SquareMatrix a);
  [[nodiscard]] size_t size() const { return lower_.n; }
  [[nodiscard]] double log_determinant() const;                                // of A
  [[nodiscard]] std::vector<double> solve_lower(std::vector<double> b) const;  // L x = b
  [[nodiscard]] std::vector<double> solve_upper(std::vector<double> b) const;  // Lᵀ x = b
  [[nodiscard]] std::vector<double> solve(std::vector<double> b) const;        // A x = b

 private:
  SquareMatrix lower_;
};

}  // namespace thoughtrank
