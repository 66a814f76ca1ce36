// Entry points of the coordinate descent kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// One pass over coordinates of 1/2 b' G b - q' b + sum of l1_i |b_i| + l2_i / 2 b_i^2, each set to
/// its best value in turn.
struct CoordinateSweep {
  int64_t n;           // coordinates of the problem
  const double* gram;  // G [n, n], symmetric
  int64_t gram_row;
  const int32_t* order;  // the coordinates to visit
  int64_t count;
  const double* l1;
  const double* diagonal;  // G_ii
  const double* inverse;   // 1 / (G_ii + l2_i); 0 keeps b_i at 0
  bool positive;           // no coordinate goes below 0
  double* gradient;        // q - G b, kept up to date
  double* coef;            // b
};

/// How far a sweep went: the largest change of a coordinate, and the largest coordinate.
struct CoordinateChange {
  double change, coef;
};

struct CoordinateTable {
  CoordinateChange (*sweep)(const CoordinateSweep& call);
  /// y[i] += sum of factors[r] * rows[r][i] for begin <= i < end.
  void (*add_rows)(int64_t begin, int64_t end, int64_t count, const double* const* rows,
                   const double* factors, double* y);
};

}  // namespace lepton
