// The least squares problem of a few iterates.
// SPDX-License-Identifier: Apache-2.0
#include "ops/extrapolation.h"

#include <array>
#include <cmath>
#include <utility>

namespace lepton {
namespace {

// Changes that are combined.
constexpr size_t kChanges = 5;
using Row = std::array<double, kChanges + 1>;  // of a linear system, with its right side

// Solves the system by elimination with pivots; false where it is singular.
bool solve(std::array<Row, kChanges>& rows) {
  for (size_t i = 0; i < kChanges; ++i) {
    for (size_t k = i + 1; k < kChanges; ++k)
      if (std::abs(rows[k][i]) > std::abs(rows[i][i])) std::swap(rows[i], rows[k]);
    if (!(std::abs(rows[i][i]) > 0)) return false;
    for (size_t k = 0; k < kChanges; ++k) {
      if (k == i) continue;
      const double factor = rows[k][i] / rows[i][i];
      for (size_t j = i; j <= kChanges; ++j) rows[k][j] -= factor * rows[i][j];
    }
  }
  for (size_t i = 0; i < kChanges; ++i) rows[i][kChanges] /= rows[i][i];
  return true;
}

}  // namespace

bool Extrapolation::push(const std::vector<double>& point, const std::vector<double>& image) {
  if (!history_.empty() && history_[0].point.size() != point.size()) clear();
  history_.push_back({point, image});
  return history_.size() == kChanges + 1;
}

std::optional<Extrapolation::Combined> Extrapolation::combine() const {
  const size_t n = history_[0].point.size();
  std::array<Row, kChanges> rows{};
  for (size_t p = 0; p < n; ++p) {
    std::array<double, kChanges> change;
    for (size_t i = 0; i < kChanges; ++i)
      change[i] = history_[i + 1].point[p] - history_[i].point[p];
    for (size_t i = 0; i < kChanges; ++i)
      for (size_t j = 0; j < kChanges; ++j) rows[i][j] += change[i] * change[j];
  }
  for (Row& row : rows) row[kChanges] = 1;
  if (!solve(rows)) return std::nullopt;
  double total = 0;
  for (const Row& row : rows) total += row[kChanges];
  if (!std::isfinite(1 / total)) return std::nullopt;
  Combined result{std::vector<double>(n), std::vector<double>(n)};
  for (size_t i = 0; i < kChanges; ++i) {
    const double factor = rows[i][kChanges] / total;
    for (size_t p = 0; p < n; ++p) {
      result.point[p] += factor * history_[i + 1].point[p];
      result.image[p] += factor * history_[i + 1].image[p];
    }
  }
  return result;
}

}  // namespace lepton
