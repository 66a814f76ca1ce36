// The state of coordinate descent along a path of penalties.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <vector>

#include "core/tensor.h"
#include "kernels/coordinate_table.h"
#include "ops/extrapolation.h"

namespace lepton {

/// b' G b / 2 - xy' b, to be penalised; borrowed.
struct Quadratic {
  int64_t size;
  const double* gram;
  int64_t gram_row;
  const double* xy;
  std::optional<double> yy;  // the square of the target, which a duality gap needs
  const double* factor;      // of the penalties of each coordinate
  bool positive;
};

/// When to stop, and in which order to visit coordinates: cyclic without a seed.
struct DescentRule {
  double tol;
  int64_t max_iter;
  std::optional<int64_t> seed;
};

struct PathStep {
  double gap;
  int64_t sweeps;
};

/// Coordinate descent from penalty to penalty. Sweeps see a working set alone, whose part of the
/// matrix is copied so that it lies close together; the strong rule (Tibshirani et al. 2012)
/// chooses who enters, and what it misses enters when the conditions of optimality are checked.
/// Where half of all are inside, all are, and the matrix is read where it is.
class CoordinatePath {
 public:
  CoordinatePath(const Quadratic& problem, const DescentRule& rule);
  /// Begins at these coordinates.
  void start(const double* coef);
  PathStep solve(double l1, double l2);
  /// Writes all coordinates.
  void store(double* coef) const;

 private:
  const double* row(int64_t i) const { return problem_.gram + i * problem_.gram_row; }
  bool drawn(int64_t i, double threshold) const;
  void admit(double threshold);
  void add(int32_t coordinate);
  void copy_block(int32_t coordinate);
  void take_all();
  void set_penalty(double l1, double l2);
  void descend(int64_t& sweeps);
  CoordinateChange sweep(bool every);
  bool settled() const;
  void shuffle();
  void extrapolate();
  void predict(double last);
  bool improve(const Extrapolation::Combined& next);
  // What is minimised on the working set, the size of its terms, and how far it is from stationary.
  struct Merit {
    double objective, size, slope;
  };
  Merit merit(const std::vector<double>& coef, const std::vector<double>& gradient) const;
  double distance(double b, double gradient, double l1, double l2) const;
  void refresh();
  void compute_gradient();
  double gap() const;
  double violation() const;
  double pull(int64_t i) const;
  int64_t count() const { return static_cast<int64_t>(members_.size()); }

  Quadratic problem_;
  DescentRule rule_;
  double limit_;                    // a gap at which a solution is good enough
  double l1_ = 0, l2_ = 0;          // the penalties in force
  std::vector<double> coef_;        // of all coordinates, as of the last refresh
  std::vector<double> gradient_;    // xy - G coef_
  Extrapolation::Combined before_;  // both of the solution before the last
  double before_l1_ = 0;
  std::vector<bool> inside_;
  // The working set: coordinates, and what the kernel takes of them.
  std::vector<int32_t> members_, order_;
  Tensor copied_;  // its part of the matrix, with room for more
  const double* block_ = nullptr;
  int64_t block_row_ = 0;
  bool whole_ = false;   // it holds all coordinates, in order, and the block is the matrix itself
  int64_t rounded_ = 0;  // sweeps since the gradient was computed anew
  std::vector<double> own_coef_, own_gradient_, own_l1_, own_diagonal_, own_inverse_;
  Extrapolation extrapolation_;
  uint64_t random_;
  int64_t work_ = 0;  // since the last look for an interrupt
};

}  // namespace lepton
