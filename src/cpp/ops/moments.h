// Mean and squared distances of numbers that are taken in parts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lepton {

/// What m further numbers weigh beside `count`: the divisions of a merge, made once for all
/// channels.
struct MomentShare {
  double all, of_mean, of_squares;

  MomentShare(double count, double m)
      : all(count + m), of_mean(m / all), of_squares(count * of_mean) {}
};

/// The count of some numbers, their mean, and the sum of their squared distances from it.
struct Moments {
  double count = 0, mean = 0, squares = 0;

  /// Takes in further numbers with their own mean and squares. Right to rounding wherever the means
  /// lie, unlike a difference of sums of squares.
  void merge(const MomentShare& share, double other_mean, double other_squares) {
    const double delta = other_mean - mean;
    mean += delta * share.of_mean;
    squares += other_squares + delta * delta * share.of_squares;
    count = share.all;
  }
  void merge(double m, double other_mean, double other_squares) {
    merge(MomentShare(count, m), other_mean, other_squares);
  }
};

}  // namespace lepton
