// Coordinate descent along a path: what the op checks, and the loop over penalties.
// SPDX-License-Identifier: Apache-2.0
#include "ops/coordinate_descent.h"

#include "autograd/node.h"
#include "core/parallel.h"
#include "ops/coordinate_path.h"
#include "ops/doubles.h"

namespace lepton {
namespace {

constexpr const char* kOp = "coordinate_descent";

}  // namespace

std::vector<Tensor> coordinate_descent(const Tensor& coef, const Tensor& gram, const Tensor& xy,
                                       std::optional<double> yy, const Tensor& l1, const Tensor& l2,
                                       const std::optional<Tensor>& factor, double tol,
                                       int64_t max_iter, bool positive,
                                       std::optional<int64_t> seed) {
  check<ValueError>(coef.ndim() == 2, kOp, ": coef expects 2 axes, got shape ", coef.shape());
  const int64_t n = coef.length(0), p = coef.length(1);
  check<ValueError>(p <= INT32_MAX, kOp, ": coef expects fewer than 2^31 columns, got ", p);
  check<ValueError>(tol >= 0, kOp, ": tol expects a number of at least 0, got ", tol);
  check<ValueError>(max_iter >= 1, kOp, ": max_iter expects a count from 1, got ", max_iter);
  check<ValueError>(!yy || !factor, kOp, ": yy expects None where factor is given");
  check_writable(kOp, coef);
  const GradMode off(false);
  const FlushDenormals flush;
  // A part of a larger matrix is read where it is.
  Tensor g = doubles(kOp, "gram", gram, {p, p});
  if (g.strides()[1] != 1) g = contiguous(g);
  const Tensor q = contiguous(doubles(kOp, "xy", xy, {p}));
  const Tensor first = non_negative_doubles(kOp, "l1", l1, {n});
  const Tensor second = non_negative_doubles(kOp, "l2", l2, {n});
  const Tensor scale =
      factor ? non_negative_doubles(kOp, "factor", *factor, {p}) : ones({p}, DType::kFloat64);
  // The operands may share memory with coef: it is written when they have been read.
  const Tensor result = clone(contiguous(doubles(kOp, "coef", coef, {n, p})));
  Tensor gaps = empty({n}, DType::kFloat64), sweeps = empty({n}, DType::kInt64);

  CoordinatePath path({.size = p,
                       .gram = g.data<double>(),
                       .gram_row = g.strides()[0],
                       .xy = q.data<double>(),
                       .yy = yy,
                       .factor = scale.data<double>(),
                       .positive = positive},
                      {.tol = tol, .max_iter = max_iter, .seed = seed});
  for (int64_t i = 0; i < n; ++i) {
    double* const row = result.data<double>() + i * p;
    if (i == 0) path.start(row);
    const PathStep step = path.solve(first.data<double>()[i], second.data<double>()[i]);
    path.store(row);
    gaps.data<double>()[i] = step.gap;
    sweeps.data<int64_t>()[i] = step.sweeps;
  }
  copy_into(coef, result);
  written(coef);
  return {gaps, sweeps};
}

}  // namespace lepton
