// Coordinate descent on quadratic functions with L1 and L2 penalties.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

/// Solves for each pair of penalties in turn, from where the one before ended; the first row of
/// coef is where the first begins. Returns the duality gaps and the numbers of sweeps.
std::vector<Tensor> coordinate_descent(const Tensor& coef, const Tensor& gram, const Tensor& xy,
                                       std::optional<double> yy, const Tensor& l1, const Tensor& l2,
                                       const std::optional<Tensor>& factor, double tol,
                                       int64_t max_iter, bool positive,
                                       std::optional<int64_t> seed);

template <class Visit>
void visit_coordinate_ops(Visit&& op) {
  op(
      OpInfo{
          .name = "coordinate_descent",
          .signature = "coef, gram, xy, yy, l1, l2, factor=None, tol=0.0001, max_iter=1000, "
                       "positive=False, seed=None",
          .doc =
              "Minimises b' G b / 2 - xy' b + sum(l1 * factor * abs(b) + l2 * factor * b**2 / 2) "
              "for each pair of l1 and l2 [n], where G is `gram` [p, p], symmetric and positive "
              "semidefinite, xy is [p] and `factor` [p] scales the penalties of each coordinate "
              "(0: "
              "free). Row 0 of `coef` [n, p] holds the first start; every row receives a solution, "
              "and is where the next begins. Returns duality gaps [n] and sweeps [n]. One is done "
              "when a sweep's largest change is at most tol times the largest coordinate and its "
              "gap at most tol * yy, where G = X'X, xy = X'y and yy = y'y; or after max_iter "
              "sweeps. Without yy, in place of gaps: the largest violation of the conditions of "
              "optimality, to be at most tol times the largest element of xy. All sums are in "
              "float64; with a seed coordinates come in random order; positive keeps them at 0 or "
              "above.",
          .formula = "(lambda r: [r[0] + r[1] - r[2], anything(l1.shape), r[3]])"
                     "(elastic_net(coef, gram, xy, yy, l1, l2, positive))",
          .samples =
              "0 * randn(2, 60), *(lambda x, y: (x.T @ x, x.T @ y, float(y @ y)))(randn(60, 60), "
              "randn(60)), 20 * rand(2), 60 * rand(2), tol=0.0, max_iter=200; "
              "0 * randn(1, 62), *(lambda x, y: (x.T @ x, x.T @ y, float(y @ y)))(randn(62, 62), "
              "randn(62)), 9 * rand(1), 60 * rand(1), tol=0.0, max_iter=200, positive=True, seed=3",
          .writes = "coef"},
      &coordinate_descent);
}

}  // namespace lepton
