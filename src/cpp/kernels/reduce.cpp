// Reductions of rows and of columns, arg-extrema and scans.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/arithmetic.h"
#include "kernels/dtypes.h"
#include "kernels/reduce_table.h"

namespace lepton::LEPTON_ISA {

extern const ReduceTable reduce_table;

namespace {

struct Sum {
  template <class V>
  LEPTON_INLINE V apply(V a, V b) {
    return Add::forward(a, b);
  }
  template <class T>
  LEPTON_INLINE T identity() {
    return 0;
  }
};
struct Prod {
  template <class V>
  LEPTON_INLINE V apply(V a, V b) {
    return Multiply::forward(a, b);
  }
  template <class T>
  LEPTON_INLINE T identity() {
    return 1;
  }
};
/// The lowest value of T; the highest is its complement, or its negative.
template <class T>
LEPTON_INLINE T lowest() {
  if constexpr (kIsFloating<T>)
    return -infinity<T>();
  else
    return T(-1) > 0 ? T(0) : static_cast<T>(uint64_t{1} << (8 * sizeof(T) - 1));
}
struct Max {
  template <class V>
  LEPTON_INLINE V apply(V a, V b) {
    return Maximum::forward(a, b);
  }
  template <class T>
  LEPTON_INLINE T identity() {
    return lowest<T>();
  }
};
struct Min {
  template <class V>
  LEPTON_INLINE V apply(V a, V b) {
    return Minimum::forward(a, b);
  }
  template <class T>
  LEPTON_INLINE T identity() {
    if constexpr (kIsFloating<T>)
      return infinity<T>();
    else
      return static_cast<T>(~lowest<T>());
  }
};
template <bool first, class A, class B>
struct Choose {
  using type = A;
};
template <class A, class B>
struct Choose<false, A, B> {
  using type = B;
};
template <bool first, class A, class B>
using If = typename Choose<first, A, B>::type;

struct Any {
  template <class T>
  LEPTON_INLINE T apply(T a, T b) {
    return static_cast<T>(a | b);
  }
  template <class T>
  LEPTON_INLINE bool identity() {
    return false;
  }
};
struct All {
  template <class T>
  LEPTON_INLINE T apply(T a, T b) {
    return static_cast<T>(a & b);
  }
  template <class T>
  LEPTON_INLINE bool identity() {
    return true;
  }
};

/// Accumulators of a row: eight of element i mod 8 for strided or integer elements, four vectors
/// for contiguous floating ones. Then they are joined in pairs, so rounding errors grow slowly.
constexpr int kParts = 8;

template <class Op, class T, int parts>
LEPTON_INLINE T join(T (&part)[parts]) {
  for (int width = parts / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) part[i] = Op::apply(part[i], part[i + width]);
  return part[0];
}

template <class Op, class T>
LEPTON_INLINE T row_strided(int64_t n, const Storage<T>* x, int64_t stride) {
  using Acc = decltype(Op::template identity<T>());
  Acc part[kParts];
  for (Acc& p : part) p = Op::template identity<T>();
  int64_t i = 0;
  for (; i + kParts <= n; i += kParts)
    for (int k = 0; k < kParts; ++k)
      part[k] = Op::apply(part[k], static_cast<Acc>(x[(i + k) * stride]));
  for (; i < n; ++i)
    part[i % kParts] = Op::apply(part[i % kParts], static_cast<Acc>(x[i * stride]));
  return join<Op>(part);
}

template <class Op, class T>
LEPTON_INLINE T row_contiguous(int64_t n, const T* x) {
  constexpr int64_t kCount = kLanes<T>;
  constexpr int kVectors = 4;
  const Vec<T> none = splat(Op::template identity<T>());
  Vec<T> part[kVectors] = {none, none, none, none};
  int64_t i = 0;
  for (; i + kVectors * kCount <= n; i += kVectors * kCount)
    for (int k = 0; k < kVectors; ++k) part[k] = Op::apply(part[k], load(x + i + k * kCount));
  for (; i + kCount <= n; i += kCount) part[0] = Op::apply(part[0], load(x + i));
  if (i < n) {
    T rest[kCount];
    store<T>(none, rest);
    memcpy(rest, x + i, static_cast<size_t>(n - i) * sizeof(T));
    part[1] = Op::apply(part[1], load(rest));
  }
  T lane[kCount];
  store<T>(join<Op>(part), lane);
  return join<Op>(lane);
}

/// Integers and bools: exact in any order, so the compiler may choose one.
template <class Op, class T>
LEPTON_INLINE auto row_exact(int64_t n, const Storage<T>* x, int64_t stride = 1) {
  using Acc = decltype(Op::template identity<T>());
  Storage<Acc> acc = Op::template identity<T>();
  for (int64_t i = 0; i < n; ++i)
    acc = Op::apply(acc, static_cast<Storage<Acc>>(static_cast<Acc>(x[i * stride])));
  return acc;
}

template <class Op, class T>
void row(int64_t n, const void* x, int64_t stride, void* result) {
  const auto* from = static_cast<const Storage<T>*>(x);
  using Acc = decltype(Op::template identity<T>());
  auto* to = static_cast<Storage<Acc>*>(result);
  if constexpr (kIsFloating<Acc>) {
    *to = stride == 1 ? row_contiguous<Op>(n, from) : row_strided<Op, T>(n, from, stride);
  } else {
    const Storage<Acc> acc =
        stride == 1 ? row_exact<Op, T>(n, from) : row_exact<Op, T>(n, from, stride);
    *to = acc;
  }
}

template <class Op, class T, int kRows, class Result>
LEPTON_INLINE void add_rows(int64_t width, const Storage<T>* from, int64_t row_stride,
                            Result* strip) {
  using Acc = decltype(Op::template identity<T>());
  LEPTON_INDEPENDENT_LOOP
  for (int64_t c = 0; c < width; ++c) {
    Acc acc = static_cast<Acc>(strip[c]);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
      acc = static_cast<Acc>(Op::apply(acc, static_cast<Acc>(from[r * row_stride + c])));
    strip[c] = acc;
  }
}

template <class Op, class T>
void columns(int64_t rows, int64_t cols, const void* x, int64_t row_stride, void* acc) {
  using Acc = decltype(Op::template identity<T>());
  auto* to = static_cast<Storage<Acc>*>(acc);
  // Columns whose accumulators stay in the first-level cache, and rows that one look at them takes.
  constexpr int64_t kStrip = (16 << 10) / sizeof(Storage<Acc>), kRows = 8;
  for (int64_t c0 = 0; c0 < cols; c0 += kStrip) {
    const int64_t width = cols - c0 < kStrip ? cols - c0 : kStrip;
    Storage<Acc>* strip = to + c0;
    const auto* from = static_cast<const Storage<T>*>(x) + c0;
    int64_t r = 0;
    for (; r + kRows <= rows; r += kRows)
      add_rows<Op, T, kRows>(width, from + r * row_stride, row_stride, strip);
    for (; r < rows; ++r) add_rows<Op, T, 1>(width, from + r * row_stride, row_stride, strip);
  }
}

/// Position of the first element equal to value, or of the first NaN where value is one.
template <class T>
LEPTON_INLINE int64_t find(int64_t n, const T* x, T value) {
  for (int64_t i = 0; i < n; ++i)
    if (x[i] == value || (value != value && x[i] != x[i])) return i;
  return 0;
}

/// The extremum of a block is found without branches; only the best block is searched for it.
template <class T, bool largest>
int64_t arg_extremum_contiguous(int64_t n, const T* x) {
  using Op = If<largest, Max, Min>;
  constexpr int64_t kBlock = 1024;  // searched out of the first-level cache
  T best = row_contiguous<Op>(n < kBlock ? n : kBlock, x);
  int64_t at = 0;
  for (int64_t i = kBlock; i < n && best == best; i += kBlock) {
    const T next = row_contiguous<Op>(n - i < kBlock ? n - i : kBlock, x + i);
    if ((largest ? next > best : next < best) || next != next) {
      best = next;
      at = i;
    }
  }
  return at + find(n - at, x + at, best);
}

template <class T, bool largest>
void arg_extremum(int64_t n, const void* x, int64_t stride, int64_t* index) {
  const T* from = static_cast<const T*>(x);
  if constexpr (kIsFloating<T>) {
    if (stride == 1) {
      *index = arg_extremum_contiguous<T, largest>(n, from);
      return;
    }
  }
  T best = from[0];
  *index = 0;
  if (best != best) return;
  for (int64_t i = 1; i < n; ++i) {
    const T value = from[i * stride];
    const bool worse = largest ? value <= best : value >= best;
    if (worse) continue;
    best = value;
    *index = i;
    if (best != best) return;
  }
}

template <class T, bool largest>
void arg_columns(int64_t rows, int64_t cols, const void* x, int64_t row_stride, int64_t* index) {
  constexpr int64_t kStrip = 256;  // columns whose extrema and places stay in the first-level cache
  T best[kStrip] = {};
  for (int64_t c0 = 0; c0 < cols; c0 += kStrip) {
    const int64_t width = cols - c0 < kStrip ? cols - c0 : kStrip;
    int64_t* at = index + c0;
    for (int64_t r = 0; r < rows; ++r) {
      const T* from = static_cast<const T*>(x) + r * row_stride + c0;
      LEPTON_INDEPENDENT_LOOP
      for (int64_t c = 0; c < width; ++c) {
        const T value = from[c], old = best[c];
        const bool worse = largest ? value <= old : value >= old;
        const bool taken = (r == 0) | (!worse & (old == old));
        best[c] = taken ? value : old;
        at[c] = taken ? r : at[c];
      }
    }
  }
}

template <class Op, class T>
void scan(int64_t n, const void* x, int64_t x_stride, void* y, int64_t y_stride) {
  const T* from = static_cast<const T*>(x);
  T *to = static_cast<T*>(y), acc = Op::template identity<T>();
  for (int64_t i = 0; i < n; ++i) to[i * y_stride] = acc = Op::apply(acc, from[i * x_stride]);
}

template <class Op>
constexpr ReduceKernels numeric = {{nullptr, row<Op, uint8_t>, row<Op, int32_t>, row<Op, int64_t>,
                                    row<Op, float>, row<Op, double>},
                                   {nullptr, columns<Op, uint8_t>, columns<Op, int32_t>,
                                    columns<Op, int64_t>, columns<Op, float>, columns<Op, double>}};
template <class Op>
constexpr ReduceKernels logical = {{row<Op, bool>, row<Op, uint8_t>, row<Op, int32_t>,
                                    row<Op, int64_t>, row<Op, float>, row<Op, double>},
                                   {columns<Op, bool>, columns<Op, uint8_t>, columns<Op, int32_t>,
                                    columns<Op, int64_t>, columns<Op, float>, columns<Op, double>}};
template <bool largest>
constexpr ArgKernels arg = {
    {nullptr, arg_extremum<uint8_t, largest>, arg_extremum<int32_t, largest>,
     arg_extremum<int64_t, largest>, arg_extremum<float, largest>, arg_extremum<double, largest>},
    {nullptr, arg_columns<uint8_t, largest>, arg_columns<int32_t, largest>,
     arg_columns<int64_t, largest>, arg_columns<float, largest>, arg_columns<double, largest>}};
template <class Op>
constexpr ScanKernels scans = {{nullptr, scan<Op, uint8_t>, scan<Op, int32_t>, scan<Op, int64_t>,
                                scan<Op, float>, scan<Op, double>}};

}  // namespace

const ReduceTable reduce_table = {numeric<Sum>, numeric<Prod>, numeric<Max>, numeric<Min>,
                                  logical<Any>, logical<All>,  arg<true>,    arg<false>,
                                  scans<Sum>,   scans<Prod>};

}  // namespace lepton::LEPTON_ISA
