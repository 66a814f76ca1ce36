// The working set of a path, its sweeps, and the measure of how good a solution is.
// SPDX-License-Identifier: Apache-2.0
#include "ops/coordinate_path.h"

#include <algorithm>
#include <cmath>

#include "core/interrupt.h"
#include "core/parallel.h"
#include "kernels/dispatch.h"

namespace lepton {
namespace {

// Sweeps over the coordinates that are not zero, before the others are looked at again.
constexpr int64_t kActiveSweeps = 10;
// Sweeps after which it pays to look where they lead.
constexpr int64_t kPlainSweeps = 5;
// Relative error of an objective by rounding.
constexpr double kRounding = 1e-14;
// Multiplications between two looks for an interrupt: about 10 ms.
constexpr int64_t kInterruptWork = 1 << 26;
// Multiplications that a thread takes at a time.
constexpr int64_t kChunkWork = 1 << 18;
// Sweeps after which the gradient is computed anew, though they kept all of it up to date.
constexpr int64_t kRoundedSweeps = 100;

}  // namespace

CoordinatePath::CoordinatePath(const Quadratic& problem, const DescentRule& rule)
    : problem_(problem),
      rule_(rule),
      coef_(static_cast<size_t>(problem.size)),
      gradient_(problem.xy, problem.xy + problem.size),
      inside_(static_cast<size_t>(problem.size)),
      random_(static_cast<uint64_t>(rule.seed.value_or(0))) {
  double scale = problem.yy.value_or(0);
  if (!problem.yy)
    for (double q : gradient_) scale = std::max(scale, std::abs(q));
  limit_ = rule.tol * scale;
}

void CoordinatePath::start(const double* coef) {
  for (int64_t i = 0; i < problem_.size; ++i) {
    // A column of zeros has no coefficient but 0.
    coef_[i] = row(i)[i] > 0 ? coef[i] : 0;
    if (coef_[i] == 0) continue;
    copy_block(static_cast<int32_t>(i));
    add(static_cast<int32_t>(i));
  }
  compute_gradient();
  for (int64_t i = 0; i < problem_.size; ++i)
    if (problem_.factor[i] > 0) l1_ = std::max(l1_, pull(i) / problem_.factor[i]);
}

void CoordinatePath::store(double* coef) const { std::copy(coef_.begin(), coef_.end(), coef); }

// How strongly the gradient draws coordinate i away from 0.
double CoordinatePath::pull(int64_t i) const {
  return problem_.positive ? gradient_[i] : std::abs(gradient_[i]);
}

// Whether a coordinate outside of the working set should be inside.
bool CoordinatePath::drawn(int64_t i, double threshold) const {
  return !inside_[i] && pull(i) > threshold * problem_.factor[i] && row(i)[i] > 0;
}

// Takes all coordinates into the working set that are drawn by more than the threshold.
void CoordinatePath::admit(double threshold) {
  if (whole_) return;
  int64_t after = count();
  for (int64_t i = 0; i < problem_.size; ++i) after += drawn(i, threshold);
  if (after > problem_.size / 2) return take_all();
  for (int64_t i = 0; i < problem_.size; ++i)
    if (drawn(i, threshold)) {
      copy_block(static_cast<int32_t>(i));
      add(static_cast<int32_t>(i));
    }
}

void CoordinatePath::take_all() {
  members_.clear();
  for (std::vector<double>* own :
       {&own_coef_, &own_gradient_, &own_l1_, &own_diagonal_, &own_inverse_})
    own->clear();
  for (int64_t i = 0; i < problem_.size; ++i) add(static_cast<int32_t>(i));
  whole_ = true;
  copied_ = Tensor();
  block_ = problem_.gram;
  block_row_ = problem_.gram_row;
}

// Adds what the matrix says of a coordinate that is about to enter to the copy.
void CoordinatePath::copy_block(int32_t coordinate) {
  const int64_t last = count();
  if (last == 0 || last == copied_.length(0)) {
    const int64_t room = std::min(problem_.size, std::max<int64_t>(64, 2 * last));
    // An odd number of cache lines: rows do not push each other out of the cache.
    const Tensor larger = empty({room, ((room + 7) / 8 | 1) * 8}, DType::kFloat64);
    for (int64_t i = 0; i < last; ++i)
      std::copy_n(block_ + i * block_row_, last, larger.data<double>() + i * larger.length(1));
    copied_ = larger;
    block_ = larger.data<double>();
    block_row_ = larger.length(1);
  }
  double* const block = copied_.data<double>();
  for (int64_t i = 0; i < last; ++i)
    block[last * block_row_ + i] = block[i * block_row_ + last] = row(coordinate)[members_[i]];
  block[last * block_row_ + last] = row(coordinate)[coordinate];
}

void CoordinatePath::add(int32_t coordinate) {
  const double diagonal = row(coordinate)[coordinate], factor = problem_.factor[coordinate];
  inside_[coordinate] = true;
  members_.push_back(coordinate);
  own_coef_.push_back(coef_[coordinate]);
  own_gradient_.push_back(gradient_[coordinate]);
  own_diagonal_.push_back(diagonal);
  own_l1_.push_back(l1_ * factor);
  own_inverse_.push_back(diagonal > 0 ? 1 / (diagonal + l2_ * factor) : 0);
}

void CoordinatePath::set_penalty(double l1, double l2) {
  l1_ = l1;
  l2_ = l2;
  for (int64_t i = 0; i < count(); ++i) {
    const double factor = problem_.factor[members_[i]];
    own_l1_[i] = l1 * factor;
    own_inverse_[i] = own_diagonal_[i] > 0 ? 1 / (own_diagonal_[i] + l2 * factor) : 0;
  }
}

PathStep CoordinatePath::solve(double l1, double l2) {
  const double threshold = std::clamp(2 * l1 - l1_, l1 / 2, l1), last = l1_;
  set_penalty(l1, l2);
  PathStep step{gap(), 0};
  // A singular matrix may give a gap below 0, which then says nothing.
  if (step.gap >= 0 && step.gap <= limit_) return step;
  admit(threshold);
  predict(last);
  while (step.sweeps < rule_.max_iter) {
    descend(step.sweeps);
    refresh();
    step.gap = gap();
    if (!(step.gap > limit_)) break;
    admit(l1);
  }
  return step;
}

// Sweeps over the working set until it moves no more.
void CoordinatePath::descend(int64_t& sweeps) {
  extrapolation_.clear();
  const int64_t first = sweeps;
  int64_t active = 0;  // sweeps since all of it was looked at
  while (sweeps < rule_.max_iter) {
    const bool every = active == 0;
    const CoordinateChange largest = sweep(every);
    ++sweeps;
    const bool still = largest.change <= rule_.tol * largest.coef;
    if (still && (every || settled())) return;
    active = still || active == kActiveSweeps ? 0 : active + 1;
    if (!still && !rule_.seed && sweeps - first > kPlainSweeps) extrapolate();
  }
}

// Whether a sweep would leave the coordinates at 0 that the last one passed over.
bool CoordinatePath::settled() const {
  for (int64_t i = 0; i < count(); ++i)
    if (own_coef_[i] == 0 && own_inverse_[i] > 0 &&
        distance(0, own_gradient_[i], own_l1_[i], 0) > 0)
      return false;
  return true;
}

// Goes to where the last sweeps lead, if that is better. The gradient is an affine function of the
// coordinates, so that it need not be computed.
void CoordinatePath::extrapolate() {
  if (!extrapolation_.push(own_coef_, own_gradient_)) return;
  const auto next = extrapolation_.combine();
  extrapolation_.clear();
  if (next && improve(*next)) rounded_ = kRoundedSweeps;  // the factors may be large
}

// Goes along the line through the last two solutions, if that is better: a path is made of lines.
void CoordinatePath::predict(double last) {
  if (!before_.point.empty() && before_l1_ > last) {
    const double factor = std::min((last - l1_) / (before_l1_ - last), 1.0);
    Extrapolation::Combined next{own_coef_, own_gradient_};
    for (int64_t i = 0; i < count(); ++i) {
      next.point[i] += factor * (own_coef_[i] - before_.point[members_[i]]);
      next.image[i] += factor * (own_gradient_[i] - before_.image[members_[i]]);
    }
    if (improve(next)) rounded_ += kRoundedSweeps / 3;  // errors may be three times as large
  }
  before_ = {coef_, gradient_};
  before_l1_ = last;
}

// Whether the working set went there: only if that is better.
bool CoordinatePath::improve(const Extrapolation::Combined& next) {
  const Merit now = merit(own_coef_, own_gradient_), then = merit(next.point, next.image);
  // Close to the minimum only the gradient tells points apart.
  if (!(then.slope < now.slope && then.objective <= now.objective + kRounding * now.size))
    return false;
  own_coef_ = next.point;
  own_gradient_ = next.image;
  return true;
}

CoordinatePath::Merit CoordinatePath::merit(const std::vector<double>& coef,
                                            const std::vector<double>& gradient) const {
  Merit sum{0, 0, 0};
  for (int64_t i = 0; i < count(); ++i) {
    const double b = coef[i], l1 = own_l1_[i], l2 = l2_ * problem_.factor[members_[i]];
    if (problem_.positive && b < 0) return {INFINITY, INFINITY, 0};
    const double smooth = b * (problem_.xy[members_[i]] + gradient[i]) / 2;
    sum.objective += l1 * std::abs(b) - smooth + l2 * b * b / 2;
    sum.size += std::abs(smooth);
    const double slope = distance(b, gradient[i], l1, l2);
    sum.slope += slope * slope * own_inverse_[i];
  }
  return sum;
}

// Of 0 from the subdifferential at b.
double CoordinatePath::distance(double b, double gradient, double l1, double l2) const {
  if (b != 0) return std::abs(gradient - l2 * b - std::copysign(l1, b));
  return std::max((problem_.positive ? gradient : std::abs(gradient)) - l1, 0.0);
}

CoordinateChange CoordinatePath::sweep(bool every) {
  order_.clear();
  for (int64_t i = 0; i < count(); ++i)
    if (every || own_coef_[i] != 0) order_.push_back(static_cast<int32_t>(i));
  if (rule_.seed) shuffle();
  const int64_t visits = static_cast<int64_t>(order_.size());
  work_ += visits * count();
  ++rounded_;
  if (work_ >= kInterruptWork) {
    work_ = 0;
    check_interrupt();
  }
  if (visits == 0) return {0, 0};
  return kernels().coordinate->sweep({.n = count(),
                                      .gram = block_,
                                      .gram_row = block_row_,
                                      .order = order_.data(),
                                      .count = visits,
                                      .l1 = own_l1_.data(),
                                      .diagonal = own_diagonal_.data(),
                                      .inverse = own_inverse_.data(),
                                      .positive = problem_.positive,
                                      .gradient = own_gradient_.data(),
                                      .coef = own_coef_.data()});
}

// Another order at each call, from the seed alone (splitmix64).
void CoordinatePath::shuffle() {
  for (size_t i = order_.size(); i > 1; --i) {
    uint64_t bits = random_ += 0x9e3779b97f4a7c15;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    std::swap(order_[i - 1], order_[(bits ^ (bits >> 31)) % i]);
  }
}

// The coordinates and the gradient of all, after sweeps over the working set.
void CoordinatePath::refresh() {
  for (int64_t i = 0; i < count(); ++i) coef_[members_[i]] = own_coef_[i];
  if (whole_ && rounded_ < kRoundedSweeps)
    std::copy(own_gradient_.begin(), own_gradient_.end(), gradient_.begin());
  else
    compute_gradient();
}

void CoordinatePath::compute_gradient() {
  std::vector<const double*> rows;
  std::vector<double> factors;
  for (int64_t i = 0; i < count(); ++i) {
    if (own_coef_[i] == 0) continue;
    rows.push_back(row(members_[i]));
    factors.push_back(-own_coef_[i]);
  }
  const int64_t terms = static_cast<int64_t>(rows.size());
  parallel_for(0, problem_.size, kChunkWork / (terms + 1) + 64, [&](int64_t begin, int64_t end) {
    std::copy(problem_.xy + begin, problem_.xy + end, gradient_.begin() + begin);
    kernels().coordinate->add_rows(begin, end, terms, rows.data(), factors.data(),
                                   gradient_.data());
  });
  for (int64_t i = 0; i < count(); ++i) own_gradient_[i] = gradient_[members_[i]];
  rounded_ = 0;
}

// The duality gap of the last refresh. Its dual point is the residual, scaled until it is feasible
// (l1 > 0); the residual itself (l1 = 0); without any penalty there is none: the squared gradient.
double CoordinatePath::gap() const {
  if (!problem_.yy) return violation();
  double absolute = 0, square = 0, by_xy = 0, by_gradient = 0, largest = 0, slope = 0;
  for (int64_t i = 0; i < problem_.size; ++i) {
    const double b = coef_[i], g = gradient_[i], shrunk = g - l2_ * b;
    // Below 0 it draws no coordinate that may not be negative.
    const bool idle = problem_.positive && g < 0 && (l2_ > 0 || b == 0);
    absolute += std::abs(b);
    square += b * b;
    by_xy += b * problem_.xy[i];
    by_gradient += b * g;
    largest = std::max(largest, problem_.positive ? shrunk : std::abs(shrunk));
    if (!idle) slope += g * g;
  }
  // The residual's square, with the rows that stand for l2, and its product with the target.
  const double by_target = *problem_.yy - by_xy, residual = by_target - by_gradient;
  if (l1_ == 0)
    return l2_ == 0 ? slope : residual + l2_ * square / 2 - by_target + slope / (2 * l2_);
  const double whole = residual + l2_ * square, scale = largest > l1_ ? l1_ / largest : 1;
  return (whole + scale * scale * whole) / 2 + l1_ * absolute - scale * by_target;
}

// The largest distance of a coordinate from the condition of optimality.
double CoordinatePath::violation() const {
  double largest = 0;
  for (int64_t i = 0; i < problem_.size; ++i) {
    const double factor = problem_.factor[i];
    if (row(i)[i] > 0)
      largest = std::max(largest, distance(coef_[i], gradient_[i], l1_ * factor, l2_ * factor));
  }
  return largest;
}

}  // namespace lepton
