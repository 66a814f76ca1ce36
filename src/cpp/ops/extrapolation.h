// Extrapolation of a converging sequence to its limit.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <vector>

namespace lepton {

/// Anderson extrapolation of the points of a linear fixed point iteration: the affine combination
/// whose change from one point to the next is least (Bertrand and Massias, "Anderson acceleration
/// of coordinate descent", 2021). Images of points under an affine map are combined with them.
class Extrapolation {
 public:
  void clear() { history_.clear(); }
  /// Takes the next point and its image; true when there are enough of them.
  bool push(const std::vector<double>& point, const std::vector<double>& image);
  /// The combinations of points and of images, or nothing where the changes are no basis.
  struct Combined {
    std::vector<double> point, image;
  };
  std::optional<Combined> combine() const;

 private:
  std::vector<Combined> history_;
};

}  // namespace lepton
