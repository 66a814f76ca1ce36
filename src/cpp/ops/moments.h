// Mean and squared distances of numbers that are taken in parts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lepton {

/// The count of some numbers, their mean, and the sum of their squared distances from it.
struct Moments {
  double count = 0, mean = 0, squares = 0;

  /// Takes in m further numbers with their own mean and squares. Right to rounding wherever the
  /// means lie, unlike a difference of sums of squares.
  void merge(double m, double other_mean, double other_squares) {
    const double all = count + m, delta = other_mean - mean;
    mean += delta * m / all;
    squares += other_squares + delta * delta * count * m / all;
    count = all;
  }
};

}  // namespace lepton
