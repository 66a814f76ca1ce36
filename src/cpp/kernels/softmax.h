// Softmax, its relatives and their gradients, along rows or along columns of memory.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/math.h"
#include "kernels/softmax_table.h"

namespace lepton::LEPTON_ISA {
namespace {

/// One row: its elements are neighbours, so lanes hold parts of one sum. The last vector is read
/// and written whole where other rows follow: what it spills over them is overwritten in their
/// turn.
template <class T>
struct Row {
  int64_t n, room;  // elements of the row, and from its start to the end of the rows
  bool stream;      // write past the caches

  /// The same as each in up to four chains: body(offset, lanes, chain).
  template <class Body>
  LEPTON_INLINE void each_in_chains(const Row& row, Body body) {
    constexpr int64_t kStep = kLanes<T>;
    int64_t i = 0;
    for (; i + 4 * kStep <= row.n; i += 4 * kStep) {
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) body(i + k * kStep, kStep, k);
    }
    for (; i < row.n; i += kStep) body(i, row.n - i < kStep ? row.n - i : kStep, 0);
  }
  template <class Body>
  LEPTON_INLINE void each(const Row& row, Body body) {
    for_each_vector<T>(
        row.n, [&](int64_t i, int64_t lanes) __attribute__((always_inline)) { body(i, lanes, i); });
  }
  LEPTON_INLINE Vec<T> read(const Row& row, const T* x, int64_t i, int64_t lanes, T fill) {
    if (lanes == kLanes<T>) return load<T>(x + i);
    Vec<T> v = splat<T>(fill);
    if (row.room - i < kLanes<T>) {
      memcpy(&v, x + i, static_cast<size_t>(lanes) * sizeof(T));
      return v;
    }
    using Lane = typename MaskLane<T>::type;
    Mask<T> number;
    for (int64_t k = 0; k < kLanes<T>; ++k) number[k] = static_cast<Lane>(k);
    return select(number < splat<Lane>(static_cast<Lane>(lanes)), load<T>(x + i), v);
  }
  LEPTON_INLINE void write(const Row& row, Vec<T> v, T* y, int64_t i, int64_t lanes) {
    store_either<T>(row.stream, v, y + i, row.room - i < kLanes<T> ? lanes : kLanes<T>);
  }
  /// Writes what will be read again, or of a gradient, whose loop is too short for a choice.
  LEPTON_INLINE void keep(const Row& row, Vec<T> v, T* y, int64_t i, int64_t lanes) {
    store<T>(v, y + i, row.room - i < kLanes<T> ? lanes : kLanes<T>);
  }
  LEPTON_INLINE Vec<T> sum(Vec<T> v) { return splat<T>(sum_lanes<T>(v)); }
  LEPTON_INLINE Vec<T> max(Vec<T> v) {
    return splat<T>(join_lanes<T>(
        v, [](auto a, auto b) __attribute__((always_inline)) { return b > a ? b : a; }));
  }
  LEPTON_INLINE Vec<T> per_class(const T* w, int64_t c, int64_t lanes) {
    return load<T>(w + c, lanes);
  }
  LEPTON_INLINE Vec<T> per_line(const T* v, const Row&) { return splat<T>(*v); }
  LEPTON_INLINE void store_lines(Vec<T> v, T* p, const Row&) { *p = v[0]; }
};

/// A vector's width of columns: each lane is a line of its own.
template <class T>
struct Columns {
  int64_t n, step, lanes;

  template <class Body>
  LEPTON_INLINE void each_in_chains(const Columns& at, Body body) {
    for (int64_t c = 0; c < at.n; ++c) body(c * at.step, at.lanes, 0);
  }
  template <class Body>
  LEPTON_INLINE void each(const Columns& at, Body body) {
    for (int64_t c = 0; c < at.n; ++c) body(c * at.step, at.lanes, c);
  }
  LEPTON_INLINE Vec<T> read(const Columns& at, const T* x, int64_t i, int64_t, T) {
    return load<T>(x + i, at.lanes);
  }
  LEPTON_INLINE void write(const Columns& at, Vec<T> v, T* y, int64_t i, int64_t) {
    store<T>(v, y + i, at.lanes);
  }
  LEPTON_INLINE void keep(const Columns& at, Vec<T> v, T* y, int64_t i, int64_t) {
    store<T>(v, y + i, at.lanes);
  }
  LEPTON_INLINE Vec<T> sum(Vec<T> v) { return v; }
  LEPTON_INLINE Vec<T> max(Vec<T> v) { return v; }
  LEPTON_INLINE Vec<T> per_class(const T* w, int64_t c, int64_t) { return splat<T>(w[c]); }
  LEPTON_INLINE Vec<T> per_line(const T* v, const Columns& at) { return load<T>(v, at.lanes); }
  LEPTON_INLINE void store_lines(Vec<T> v, T* p, const Columns& at) { store<T>(v, p, at.lanes); }
};

#define LEPTON_BODY __attribute__((always_inline))

/// `at` for results from y on: past the caches only where rows can be written so.
template <class T>
LEPTON_INLINE Lines lines_to(Lines at, const T* y) {
  at.stream = at.stream && at.step == 1 && can_stream(y, at.n);
  return at;
}
template <class T>
LEPTON_INLINE Row<T> row_of(const Lines& at, int64_t i) {
  return {at.n, (at.count - i) * at.n, at.stream};
}
/// Calls body(columns, number of the first) until all lines are covered.
template <class T, class Body>
LEPTON_INLINE void for_each_columns(const Lines& at, Body body) {
  int64_t i = 0;
  for (; i + kLanes<T> <= at.count; i += kLanes<T>) body(Columns<T>{at.n, at.step, kLanes<T>}, i);
  if (i < at.count) body(Columns<T>{at.n, at.step, at.count - i}, i);
}
/// Calls body(line, offset of its first element, number of the line) for all lines, as rows or
/// columns.
template <class T, class Body>
LEPTON_INLINE void for_each_line(const Lines& at, Body body) {
  if (at.step != 1)
    return for_each_columns<T>(
        at, [&](const Columns<T>& line, int64_t i) LEPTON_BODY { body(line, i, i); });
  for (int64_t i = 0; i < at.count; ++i) body(row_of<T>(at, i), i * at.n, i);
  if (at.stream) finish_streaming();
}

template <class T, class Line>
LEPTON_INLINE Vec<T> largest(const Line& line, const T* x) {
  const T lowest = -static_cast<T>(__builtin_inf());
  Vec<T> m[4];
  for (Vec<T>& v : m) v = splat<T>(lowest);
  Line::each_in_chains(line, [&](int64_t i, int64_t lanes, int k) LEPTON_BODY {
    const Vec<T> v = Line::read(line, x, i, lanes, lowest);
    m[k] = select(v > m[k], v, m[k]);
  });
  for (int k = 1; k < 4; ++k) m[0] = select(m[k] > m[0], m[k], m[0]);
  return Line::max(m[0]);
}

/// The sum of e^(x - m); each term is given to `term(offset, lanes, value)`.
template <class T, class Line, class Term>
LEPTON_INLINE Vec<T> sum_of_exp(const Line& line, const T* x, Vec<T> m, Term term) {
  Vec<T> sum{};
  Line::each(line, [&](int64_t i, int64_t lanes, int64_t) LEPTON_BODY {
    const Vec<T> v = Line::read(line, x, i, lanes, -static_cast<T>(__builtin_inf()));
    const Vec<T> e = exp_of_negative(v - m);
    sum += e;
    term(i, lanes, e);
  });
  return Line::sum(sum);
}

/// Elements of rows that are worked on together: they stay in the first-level cache.
template <class T>
constexpr int64_t kGroupElements = (16 << 10) / sizeof(T);

/// Asks for a row that will be read (0) or written (1): while exponentials are computed memory
/// would have nothing to do.
template <int kWrite, class T>
LEPTON_INLINE void fetch(const T* row, int64_t n) {
  constexpr int64_t kCacheLine = 64 / sizeof(T);
  for (int64_t i = 0; i < n; i += kCacheLine) __builtin_prefetch(row + i, kWrite);
}

/// For each line: m = its largest element; sum(line, offset, k, m); finish(line, offset, number, k,
/// m, join(m, sum)), where k counts the lines of a group; y, or null, is what finish writes. Short
/// rows come in groups of as many as a vector has lanes: join is computed for all of them at once,
/// and rows need not wait for the end of the one before.
template <class T, class Sum, class Join, class Finish>
LEPTON_INLINE void reduce_lines(const Lines& at, const T* x, const T* y, Sum sum, Join join,
                                Finish finish) {
  if (at.step != 1)
    return for_each_columns<T>(at, [&](const Columns<T>& line, int64_t i) LEPTON_BODY {
      const Vec<T> m = largest<T>(line, x + i);
      finish(line, i, i, 0, m, join(m, sum(line, i, 0, m)));
    });
  constexpr int64_t kGroup = kLanes<T>;
  const int64_t n = at.n, group = n <= kGroupElements<T> / kGroup ? kGroup : 1;
  for (int64_t i = 0; i < at.count; i += group) {
    if (group == 1) {
      const Row<T> row = row_of<T>(at, i);
      const Vec<T> m = largest<T>(row, x + i * n);
      finish(row, i * n, i, 0, m, join(m, sum(row, i * n, 0, m)));
      continue;
    }
    const int64_t rows = at.count - i < group ? at.count - i : group;
    T m[kGroup] = {}, sums[kGroup] = {}, joined[kGroup];
    for (int64_t k = 0; k < rows; ++k) m[k] = largest<T>(row_of<T>(at, i + k), x + (i + k) * n)[0];
    for (int64_t k = 0; k < rows; ++k) {
      if (i + group + k < at.count) fetch<0>(x + (i + group + k) * n, n);
      if (y && !at.stream) fetch<1>(y + (i + k) * n, n);
      sums[k] = sum(row_of<T>(at, i + k), (i + k) * n, k, splat<T>(m[k]))[0];
    }
    store<T>(join(load<T>(m), load<T>(sums)), joined);
    for (int64_t k = 0; k < rows; ++k)
      finish(row_of<T>(at, i + k), (i + k) * n, i + k, k, splat<T>(m[k]), splat<T>(joined[k]));
  }
  if (at.stream) finish_streaming();
}

template <class T>
void softmax(const Lines& lines, const T* x, T* y) {
  // The exponentials of rows are kept beside y where there is room, and y is written once.
  alignas(64) T room[kGroupElements<T> + kLanes<T> * kLanes<T>];
  const int64_t pitch = (lines.n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
  const bool beside = lines.step == 1 && pitch <= kGroupElements<T>;
  Lines at = lines_to(lines, y);
  at.stream = at.stream && beside;
  const auto kept = [&](int64_t first, int64_t k)
                        LEPTON_BODY { return beside ? room + k * pitch : y + first; };
  reduce_lines<T>(
      at, x, y,
      [&]<class Line>(const Line& line, int64_t first, int64_t k, Vec<T> m) LEPTON_BODY {
        T* to = kept(first, k);
        return sum_of_exp<T>(line, x + first, m,
                             [&](int64_t i, int64_t lanes, Vec<T> e)
                                 LEPTON_BODY { Line::keep(line, e, to, i, lanes); });
      },
      [](Vec<T>, Vec<T> sum) LEPTON_BODY { return constant<Vec<T>>(1) / sum; },
      [&]<class Line>(const Line& line, int64_t first, int64_t, int64_t k, Vec<T>, Vec<T> scale)
          LEPTON_BODY {
            const T* from = kept(first, k);
            Line::each(line, [&](int64_t i, int64_t lanes, int64_t) LEPTON_BODY {
              Line::write(line, Line::read(line, from, i, lanes, 0) * scale, y + first, i, lanes);
            });
          });
}

/// sum of reduce_lines: of the exponentials, which are not kept.
template <class T>
LEPTON_INLINE auto plain_sum_of_exp(const T* x) {
  return [=]<class Line>(const Line& line, int64_t first, int64_t, Vec<T> m) LEPTON_BODY {
    return sum_of_exp<T>(line, x + first, m, [](int64_t, int64_t, Vec<T>) LEPTON_BODY {});
  };
}

template <class T>
void log_softmax(const Lines& at, const T* x, T* y) {
  reduce_lines<T>(
      lines_to(at, y), x, y, plain_sum_of_exp(x),
      [](Vec<T>, Vec<T> sum) LEPTON_BODY { return log(sum); },
      [&]<class Line>(const Line& line, int64_t first, int64_t, int64_t, Vec<T> m, Vec<T> log_sum)
          LEPTON_BODY {
            Line::each(line, [&](int64_t i, int64_t lanes, int64_t) LEPTON_BODY {
              const Vec<T> v = Line::read(line, x + first, i, lanes, 0);
              Line::write(line, (v - m) - log_sum, y + first, i, lanes);
            });
          });
}

template <class T>
void softmax_gradient(const Lines& at, const T* y, const T* dy, T* dx) {
  for_each_line<T>(at, [&]<class Line>(const Line& line, int64_t first, int64_t) LEPTON_BODY {
    Vec<T> sum{};
    Line::each(line, [&](int64_t i, int64_t lanes, int64_t) LEPTON_BODY {
      sum += Line::read(line, y + first, i, lanes, 0) * Line::read(line, dy + first, i, lanes, 0);
    });
    sum = Line::sum(sum);
    Line::each(line, [&](int64_t i, int64_t lanes, int64_t) LEPTON_BODY {
      const Vec<T> v = Line::read(line, y + first, i, lanes, 0);
      const Vec<T> g = Line::read(line, dy + first, i, lanes, 0);
      Line::keep(line, v * (g - sum), dx + first, i, lanes);
    });
  });
}

template <class T>
void log_softmax_gradient(const Lines& at, const T* y, const T* dy, T* dx) {
  for_each_line<T>(at, [&]<class Line>(const Line& line, int64_t first, int64_t) LEPTON_BODY {
    Vec<T> sum{};
    Line::each(line, [&](int64_t i, int64_t lanes, int64_t)
                         LEPTON_BODY { sum += Line::read(line, dy + first, i, lanes, 0); });
    sum = Line::sum(sum);
    Line::each(line, [&](int64_t i, int64_t lanes, int64_t) LEPTON_BODY {
      const Vec<T> v = Line::read(line, y + first, i, lanes, 0);
      const Vec<T> g = Line::read(line, dy + first, i, lanes, 0);
      Line::keep(line, g - exp_of_negative(v) * sum, dx + first, i, lanes);
    });
  });
}

template <class T>
void log_sum_exp(const Lines& lines, const T* x, const T* smooth, T* result, T* distance) {
  Lines at = lines;
  at.stream = false;
  reduce_lines<T>(
      at, x, static_cast<const T*>(nullptr), plain_sum_of_exp(x),
      [](Vec<T> m, Vec<T> sum) LEPTON_BODY { return m + log(sum); },
      [&]<class Line>(const Line& line, int64_t first, int64_t l, int64_t, Vec<T>, Vec<T> total)
          LEPTON_BODY {
            Line::store_lines(total, result + l, line);
            if (!smooth) return;
            Vec<T> far{};
            Line::each(line, [&](int64_t i, int64_t lanes, int64_t c) LEPTON_BODY {
              const Vec<T> v = Line::read(line, x + first, i, lanes, 0);
              far += Line::per_class(smooth, c, lanes) * (total - v);
            });
            Line::store_lines(Line::sum(far), distance + l, line);
          });
}

template <class T>
void cross_entropy_gradient(const Lines& at, const T* x, const CrossEntropyLines<T>& g, T* dx) {
  for_each_line<T>(at, [&]<class Line>(const Line& line, int64_t first, int64_t l) LEPTON_BODY {
    const Vec<T> log_sum = Line::per_line(g.log_sum_exp + l, line);
    const Vec<T> share = Line::per_line(g.share + l, line);
    const Vec<T> scale = Line::per_line(g.scale + l, line);
    Line::each(line, [&](int64_t i, int64_t lanes, int64_t c) LEPTON_BODY {
      Vec<T> d = share * exp_of_negative(Line::read(line, x + first, i, lanes, 0) - log_sum);
      if (g.smooth) d -= scale * Line::per_class(g.smooth, c, lanes);
      Line::keep(line, d, dx + first, i, lanes);
    });
  });
  const int64_t next = at.step == 1 ? at.n : 1;
  for (int64_t l = 0; l < at.count; ++l)
    if (g.target[l] >= 0) dx[l * next + g.target[l] * at.step] -= g.hit[l];
}

#undef LEPTON_BODY

}  // namespace
}  // namespace lepton::LEPTON_ISA
