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
  LEPTON_INLINE void each(const Columns& at, Body body) {
    for (int64_t c = 0; c < at.n; ++c) body(c * at.step, at.lanes, c);
  }
  LEPTON_INLINE Vec<T> read(const Columns& at, const T* x, int64_t i, int64_t, T) {
    return load<T>(x + i, at.lanes);
  }
  LEPTON_INLINE void write(const Columns& at, Vec<T> v, T* y, int64_t i, int64_t) {
    store<T>(v, y + i, at.lanes);
  }
  LEPTON_INLINE Vec<T> sum(Vec<T> v) { return v; }
  LEPTON_INLINE Vec<T> max(Vec<T> v) { return v; }
  LEPTON_INLINE Vec<T> per_class(const T* w, int64_t c, int64_t) { return splat<T>(w[c]); }
  LEPTON_INLINE Vec<T> per_line(const T* v, const Columns& at) { return load<T>(v, at.lanes); }
  LEPTON_INLINE void store_lines(Vec<T> v, T* p, const Columns& at) { store<T>(v, p, at.lanes); }
};

/// Calls body(line, offset of its first element, number of the line) for all lines, as rows or
/// columns.
template <class T, class Body>
LEPTON_INLINE void for_each_line(const Lines& at, Body body) {
  if (at.step == 1) {
    for (int64_t i = 0; i < at.count; ++i) body(Row<T>{at.n, (at.count - i) * at.n}, i * at.n, i);
    return;
  }
  int64_t i = 0;
  for (; i + kLanes<T> <= at.count; i += kLanes<T>)
    body(Columns<T>{at.n, at.step, kLanes<T>}, i, i);
  if (i < at.count) body(Columns<T>{at.n, at.step, at.count - i}, i, i);
}

#define LEPTON_BODY __attribute__((always_inline))

template <class T, class Line>
LEPTON_INLINE Vec<T> largest(const Line& line, const T* x) {
  const T lowest = -static_cast<T>(__builtin_inf());
  Vec<T> m = splat<T>(lowest);
  Line::each(line, [&](int64_t i, int64_t lanes, int64_t) LEPTON_BODY {
    const Vec<T> v = Line::read(line, x, i, lanes, lowest);
    m = select(v > m, v, m);
  });
  return Line::max(m);
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

template <class T>
void softmax(const Lines& at, const T* x, T* y) {
  for_each_line<T>(at, [&]<class Line>(const Line& line, int64_t first, int64_t) LEPTON_BODY {
    const T* from = x + first;
    T* to = y + first;
    const Vec<T> m = largest<T>(line, from);
    const Vec<T> sum = sum_of_exp<T>(line, from, m,
                                     [&](int64_t i, int64_t lanes, Vec<T> e)
                                         LEPTON_BODY { Line::write(line, e, to, i, lanes); });
    const Vec<T> scale = constant<Vec<T>>(1) / sum;
    Line::each(line, [&](int64_t i, int64_t lanes, int64_t) LEPTON_BODY {
      Line::write(line, Line::read(line, to, i, lanes, 0) * scale, to, i, lanes);
    });
  });
}

template <class T>
void log_softmax(const Lines& at, const T* x, T* y) {
  for_each_line<T>(at, [&]<class Line>(const Line& line, int64_t first, int64_t) LEPTON_BODY {
    const T* from = x + first;
    const Vec<T> m = largest<T>(line, from);
    const Vec<T> sum = sum_of_exp<T>(line, from, m, [](int64_t, int64_t, Vec<T>) LEPTON_BODY {});
    const Vec<T> log_sum = log(sum);
    Line::each(line, [&](int64_t i, int64_t lanes, int64_t) LEPTON_BODY {
      const Vec<T> v = Line::read(line, from, i, lanes, 0);
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
      Line::write(line, v * (g - sum), dx + first, i, lanes);
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
      Line::write(line, g - exp_of_negative(v) * sum, dx + first, i, lanes);
    });
  });
}

template <class T>
void log_sum_exp(const Lines& at, const T* x, const T* smooth, T* result, T* distance) {
  for_each_line<T>(at, [&]<class Line>(const Line& line, int64_t first, int64_t l) LEPTON_BODY {
    const T* from = x + first;
    const Vec<T> m = largest<T>(line, from);
    const Vec<T> sum = sum_of_exp<T>(line, from, m, [](int64_t, int64_t, Vec<T>) LEPTON_BODY {});
    const Vec<T> total = m + log(sum);
    Line::store_lines(total, result + l, line);
    if (!smooth) return;
    Vec<T> far{};
    Line::each(line, [&](int64_t i, int64_t lanes, int64_t c) LEPTON_BODY {
      far += Line::per_class(smooth, c, lanes) * (total - Line::read(line, from, i, lanes, 0));
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
      Line::write(line, d, dx + first, i, lanes);
    });
  });
  const int64_t next = at.step == 1 ? at.n : 1;
  for (int64_t l = 0; l < at.count; ++l)
    if (g.target[l] >= 0) dx[l * next + g.target[l] * at.step] -= g.hit[l];
}

#undef LEPTON_BODY

}  // namespace
}  // namespace lepton::LEPTON_ISA
