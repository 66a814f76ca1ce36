// Coordinate descent: changes are gathered, and reach the gradient several rows at a time.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/coordinate_table.h"
#include "kernels/simd.h"

namespace lepton::LEPTON_ISA {

extern const CoordinateTable coordinate_table;

namespace {

/// Rows of the matrix that one pass over the gradient takes.
constexpr int64_t kRows = 8;
/// Doubles in a cache line, and in a matrix that the second-level cache holds.
constexpr int64_t kLine = 8, kNearMatrix = 1 << 15;

template <int count>
void add_some(int64_t begin, int64_t end, const double* const* rows, const double* factors,
              double* y) {
  using V = Vec<double>;
  V factor[count];
  const double* row[count];
#pragma GCC unroll 8
  for (int r = 0; r < count; ++r) {
    factor[r] = splat(factors[r]);
    row[r] = rows[r] + begin;
  }
  for_each_vector<double>(
      end - begin, [&](int64_t i, int64_t lanes) __attribute__((always_inline)) {
        V sum = load<double>(y + begin + i, lanes);
#pragma GCC unroll 8
        for (int r = 0; r < count; ++r)
          multiply_add<double>(sum, factor[r], load<double>(row[r] + i, lanes));
        store<double>(sum, y + begin + i, lanes);
      });
}

void add_rows(int64_t begin, int64_t end, int64_t count, const double* const* rows,
              const double* factors, double* y) {
  using Add = void (*)(int64_t, int64_t, const double* const*, const double*, double*);
  constexpr Add kAdd[kRows] = {add_some<1>, add_some<2>, add_some<3>, add_some<4>,
                               add_some<5>, add_some<6>, add_some<7>, add_some<8>};
  for (int64_t r = 0; r < count; r += kRows) {
    const int64_t some = count - r < kRows ? count - r : kRows;
    kAdd[some - 1](begin, end, rows + r, factors + r, y);
  }
}

CoordinateChange sweep(const CoordinateSweep& call) {
  // The gradient is exact but for the last few changes; these are added where it is looked at.
  const double* rows[kRows];
  double factors[kRows];
  int64_t pending = 0;
  CoordinateChange largest = {0, 0};
  const bool far = call.n * call.n > kNearMatrix;
  for (int64_t k = 0; k < call.count; ++k) {
    const int64_t i = call.order[k];
    // Rows come from afar one by one: the next ones are on their way while these are added.
    if (far && k + kRows < call.count && call.coef[call.order[k + kRows]] != 0) {
      const double* row = call.gram + call.order[k + kRows] * call.gram_row;
      for (int64_t c = 0; c < call.n; c += kLine) __builtin_prefetch(row + c, 0, 2);
    }
    double gradient = call.gradient[i];
    for (int64_t r = 0; r < pending; ++r) gradient += factors[r] * rows[r][i];
    const double old = call.coef[i], pull = gradient + call.diagonal[i] * old;
    const double beyond = __builtin_fabs(pull) - call.l1[i];
    const bool moves = beyond > 0 && !(call.positive && pull < 0);
    const double coef = moves ? __builtin_copysign(beyond, pull) * call.inverse[i] : 0;
    const double size = __builtin_fabs(coef);
    if (size > largest.coef) largest.coef = size;
    if (coef == old) continue;
    const double change = __builtin_fabs(coef - old);
    if (change > largest.change) largest.change = change;
    call.coef[i] = coef;
    rows[pending] = call.gram + i * call.gram_row;
    factors[pending] = old - coef;
    if (++pending == kRows) {
      add_rows(0, call.n, pending, rows, factors, call.gradient);
      pending = 0;
    }
  }
  add_rows(0, call.n, pending, rows, factors, call.gradient);
  return largest;
}

}  // namespace

const CoordinateTable coordinate_table = {sweep, add_rows};

}  // namespace lepton::LEPTON_ISA
