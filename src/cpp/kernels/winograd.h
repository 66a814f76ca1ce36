// Transforms of Winograd's convolution: image tiles and filters to products and back.
// SPDX-License-Identifier: Apache-2.0
//
// Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016: a tile of outputs is
// A' [(G g G') * (B' d B)] A for the pixels d it reads and the filter g; * goes value by value.
// With absolute values throughout, that is at most 16 max|d| sum|g| for F(2 x 2, 3 x 3), 9 for
// F(2 x 2, 2 x 2), and 176 for F(4 x 4, 3 x 3) with the points below, 861 with the usual ones: so
// many times (channels + steps of the transforms) roundings bound the error, where a sum over taps
// has 1.
#pragma once
#include "kernels/simd.h"
#include "kernels/winograd_table.h"

namespace lepton::LEPTON_ISA {

/// F(2, 3) by the points 0, 1, -1 and infinity: what B', G and A' make of one column.
template <class T>
struct WinogradTwo {
  static constexpr int kOutputs = 2, kTaps = 3, kSize = 4;
  LEPTON_INLINE void input(const Vec<T>* d, Vec<T>* out) {
    out[0] = d[0] - d[2];
    out[1] = d[1] + d[2];
    out[2] = d[2] - d[1];
    out[3] = d[1] - d[3];
  }
  LEPTON_INLINE void weight(const Vec<T>* g, Vec<T>* out) {
    const Vec<T> even = T(0.5) * (g[0] + g[2]), odd = T(0.5) * g[1];
    out[0] = g[0];
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = g[2];
  }
  LEPTON_INLINE void output(const Vec<T>* m, Vec<T>* out) {
    out[0] = m[0] + m[1] + m[2];
    out[1] = m[1] - m[2] - m[3];
  }
  // The transposes of output and weight.
  LEPTON_INLINE void gradient(const Vec<T>* d, Vec<T>* out) {
    out[0] = d[0];
    out[1] = d[0] + d[1];
    out[2] = d[0] - d[1];
    out[3] = -d[1];
  }
  LEPTON_INLINE void taps(const Vec<T>* m, Vec<T>* out) {
    const Vec<T> even = T(0.5) * (m[1] + m[2]);
    out[0] = m[0] + even;
    out[1] = T(0.5) * (m[1] - m[2]);
    out[2] = even + m[3];
  }
};

/// F(2, 2) by the points 0, 1 and infinity.
template <class T>
struct WinogradTwoTaps {
  static constexpr int kOutputs = 2, kTaps = 2, kSize = 3;
  LEPTON_INLINE void input(const Vec<T>* d, Vec<T>* out) {
    out[0] = d[0] - d[1];
    out[1] = d[1];
    out[2] = d[2] - d[1];
  }
  LEPTON_INLINE void weight(const Vec<T>* g, Vec<T>* out) {
    out[0] = g[0];
    out[1] = g[0] + g[1];
    out[2] = g[1];
  }
  LEPTON_INLINE void output(const Vec<T>* m, Vec<T>* out) {
    out[0] = m[0] + m[1];
    out[1] = m[1] + m[2];
  }
  // As many taps as outputs: they change places.
  LEPTON_INLINE void gradient(const Vec<T>* d, Vec<T>* out) { weight(d, out); }
  LEPTON_INLINE void taps(const Vec<T>* m, Vec<T>* out) { output(m, out); }
};

/// F(4, 3) by the points 0, a, -a, b, -b and infinity. Of twelve pairs these gave the smallest
/// errors, a sixth of those of the usual 1 and 2, and they and their squares have no rounding.
template <class T>
struct WinogradFour {
  static constexpr int kOutputs = 4, kTaps = 3, kSize = 6;
  static constexpr T a = T(0.625), b = T(1.5), aa = a * a, bb = b * b;
  LEPTON_INLINE void input(const Vec<T>* d, Vec<T>* out) {
    const Vec<T> even_a = d[4] - bb * d[2], odd_a = a * (d[3] - bb * d[1]);
    const Vec<T> even_b = d[4] - aa * d[2], odd_b = b * (d[3] - aa * d[1]);
    out[0] = (aa * bb) * d[0] - (aa + bb) * d[2] + d[4];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = (aa * bb) * d[1] - (aa + bb) * d[3] + d[5];
  }
  LEPTON_INLINE void weight(const Vec<T>* g, Vec<T>* out) {
    constexpr T scale_a = 1 / (2 * aa * (aa - bb)), scale_b = 1 / (2 * bb * (bb - aa));
    const Vec<T> even_a = scale_a * g[0] + (scale_a * aa) * g[2], odd_a = (scale_a * a) * g[1];
    const Vec<T> even_b = scale_b * g[0] + (scale_b * bb) * g[2], odd_b = (scale_b * b) * g[1];
    out[0] = (1 / (aa * bb)) * g[0];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = g[2];
  }
  LEPTON_INLINE void output(const Vec<T>* m, Vec<T>* out) {
    const Vec<T> even_a = m[1] + m[2], odd_a = m[1] - m[2];
    const Vec<T> even_b = m[3] + m[4], odd_b = m[3] - m[4];
    out[0] = m[0] + even_a + even_b;
    out[1] = a * odd_a + b * odd_b;
    out[2] = aa * even_a + bb * even_b;
    out[3] = (aa * a) * odd_a + (bb * b) * odd_b + m[5];
  }
};

/// What becomes of the pixels of a tile along one axis: of the image, or of a gradient.
template <class T, class Algorithm>
struct WinogradOfImage {
  static constexpr int kReads = Algorithm::kSize;
  LEPTON_INLINE void apply(const Vec<T>* d, Vec<T>* out) { Algorithm::input(d, out); }
};
template <class T, class Algorithm>
struct WinogradOfGradient {
  static constexpr int kReads = Algorithm::kOutputs;
  LEPTON_INLINE void apply(const Vec<T>* d, Vec<T>* out) { Algorithm::gradient(d, out); }
};

template <class T, class Algorithm, class Of>
static void winograd_input(const WinogradInput<T>& run) {
  constexpr int n = Algorithm::kSize, reads = Of::kReads;
  for (int64_t t = 0; t < run.tiles; ++t) {
    const T* x = run.x + t * Algorithm::kOutputs * run.x_pixel;
    T* v = run.v + t * run.v_tile;
    for_each_vector<T>(
        run.channels, [&](int64_t c, int64_t lanes) __attribute__((always_inline)) {
          Vec<T> columns[n][reads], in[n], out[n];
#pragma GCC unroll 6
          for (int j = 0; j < reads; ++j) {
#pragma GCC unroll 6
            for (int i = 0; i < reads; ++i)
              in[i] = load<T>(x + i * run.x_line + j * run.x_pixel + c, lanes);
            Of::apply(in, out);
#pragma GCC unroll 6
            for (int i = 0; i < n; ++i) columns[i][j] = out[i];
          }
#pragma GCC unroll 6
          for (int i = 0; i < n; ++i) {
            Of::apply(columns[i], out);
#pragma GCC unroll 6
            for (int j = 0; j < n; ++j) store<T>(out[j], v + (i * n + j) * run.v_tap + c, lanes);
          }
        });
  }
}

template <class T, class Algorithm>
static void winograd_taps(const WinogradTaps<T>& sums) {
  constexpr int n = Algorithm::kSize, taps = Algorithm::kTaps;
  for (int64_t k = 0; k < sums.count; k += kLanes<T>) {
    Vec<T> columns[taps][n], in[n], out[taps];
#pragma GCC unroll 6
    for (int j = 0; j < n; ++j) {
#pragma GCC unroll 6
      for (int i = 0; i < n; ++i) in[i] = load<T>(sums.m + (i * n + j) * sums.m_value + k);
      Algorithm::taps(in, out);
#pragma GCC unroll 3
      for (int i = 0; i < taps; ++i) columns[i][j] = out[i];
    }
#pragma GCC unroll 3
    for (int i = 0; i < taps; ++i) {
      Algorithm::taps(columns[i], out);
#pragma GCC unroll 3
      for (int j = 0; j < taps; ++j) store<T>(out[j], sums.w + sums.taps[i * taps + j] + k);
    }
  }
}

template <class T, class Algorithm>
static void winograd_weight(const WinogradWeight<T>& filters) {
  constexpr int n = Algorithm::kSize, taps = Algorithm::kTaps;
  for (int64_t row = 0; row < filters.rows; ++row)
    for (int64_t k = 0; k < filters.columns; k += kLanes<T>) {
      const T* w = filters.w + row * filters.w_row + k;
      T* u = filters.u + row * filters.columns + k;
      Vec<T> columns[n][taps], in[taps], out[n];
#pragma GCC unroll 3
      for (int j = 0; j < taps; ++j) {
#pragma GCC unroll 3
        for (int i = 0; i < taps; ++i) in[i] = load<T>(w + filters.taps[i * taps + j]);
        Algorithm::weight(in, out);
#pragma GCC unroll 6
        for (int i = 0; i < n; ++i) columns[i][j] = out[i];
      }
#pragma GCC unroll 6
      for (int i = 0; i < n; ++i) {
        Algorithm::weight(columns[i], out);
#pragma GCC unroll 6
        for (int j = 0; j < n; ++j) store<T>(out[j], u + (i * n + j) * filters.u_tap);
      }
    }
}

template <class T, class Algorithm>
static void winograd_output(const WinogradOutput<T>& run) {
  constexpr int n = Algorithm::kSize, of = Algorithm::kOutputs;
  for (int64_t t = 0; t < run.tiles; ++t) {
    const T* m = run.m + t * run.m_tile;
    T* y = run.y + t * of * run.y_pixel;
    for_each_vector<T>(
        run.channels, [&](int64_t c, int64_t lanes) __attribute__((always_inline)) {
          Vec<T> columns[of][n], in[n], out[n];
#pragma GCC unroll 6
          for (int j = 0; j < n; ++j) {
#pragma GCC unroll 6
            for (int i = 0; i < n; ++i) in[i] = load<T>(m + (i * n + j) * run.m_tap + c);
            Algorithm::output(in, out);
#pragma GCC unroll 4
            for (int i = 0; i < of; ++i) columns[i][j] = out[i];
          }
          const Vec<T> bias = run.bias ? load<T>(run.bias + c, lanes) : Vec<T>{};
#pragma GCC unroll 4
          for (int i = 0; i < of; ++i) {
            if (i >= run.lines) break;
            Algorithm::output(columns[i], out);
#pragma GCC unroll 4
            for (int j = 0; j < of; ++j)
              if (j < run.pixels)
                store<T>(out[j] + bias, y + i * run.y_line + j * run.y_pixel + c, lanes);
          }
        });
  }
}

}  // namespace lepton::LEPTON_ISA
