// What attention is made of: small products on the register tile, and columns of a block of scores.
// SPDX-License-Identifier: Apache-2.0
//
// Scores are kept transposed, one row for each key and one column for each query. Then all products
// read their operands where they lie, only the queries are transposed, and what belongs to one
// query (maximum, sum, log-sum-exp) fills the lane of a vector.
#pragma once
#include "kernels/attention_table.h"
#include "kernels/gemm_table.h"
#include "kernels/math.h"
#include "kernels/transpose.h"

namespace lepton::LEPTON_ISA {

extern const GemmTable gemm_table;

namespace {

constexpr int64_t kBlock = kAttentionBlock;
// Rows of scores a power of two apart would share cache sets.
constexpr int64_t kPitch = kBlock + 16;

constexpr int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

/// Columns of the register tile that fits a product of this many columns.
template <class T>
constexpr int64_t tile_columns(int64_t columns) {
  return columns <= kLanes<T> ? kLanes<T> : 2 * kLanes<T>;
}
/// Elements of a row that holds whole tiles.
template <class T>
constexpr int64_t whole_tiles(int64_t columns) {
  return round_up(columns, tile_columns<T>(columns));
}

/// c[rows, columns] (+)= a[rows, length] b[length, columns]; b and c hold whole tiles.
template <class T>
struct Product {
  int64_t rows, length, columns;
  const T* a;
  int64_t a_row, a_step;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t c_row;
  bool accumulate;
};

// The tiles that gemm.cpp has compiled: they are half a minute of a compiler's time.
template <class T>
const GemmKernel<T>& tile_for(int64_t columns) {
  const auto choose = [columns](const auto& part) -> const auto& {
    return columns <= kLanes<T> ? part.narrow : part.tall;
  };
  if constexpr (sizeof(T) == sizeof(float))
    return choose(gemm_table.f32);
  else
    return choose(gemm_table.f64);
}

template <class T>
void multiply(const Product<T>& p) {
  const GemmKernel<T>& kernel = tile_for<T>(p.columns);
  const int64_t none = 0, tiles = (p.rows + kernel.max_rows - 1) / kernel.max_rows;
  GemmTile<T> tile = {};
  tile.segments = 1;
  tile.length = p.length;
  tile.a_row = p.a_row;
  tile.a_step = p.a_step;
  tile.a_offsets = &none;
  tile.b_row = p.b_row;
  tile.c_row = p.c_row;
  tile.accumulate = p.accumulate;
  for (int64_t j = 0; j < p.columns; j += kernel.columns)
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t row = p.rows * t / tiles;
      tile.rows = p.rows * (t + 1) / tiles - row;
      tile.a = p.a + row * p.a_row;
      tile.b = p.b + j;
      tile.c = p.c + row * p.c_row + j;
      kernel.tile(tile);
    }
}

/// x itself if whole tiles can be read from its rows, else a copy in `room` padded with zeros.
template <class T>
AttentionRows<const T> as_tiles(AttentionRows<const T> x, int64_t rows, int64_t columns, T* room) {
  const int64_t width = whole_tiles<T>(columns);
  if (width == columns) return x;
  for (int64_t i = 0; i < rows; ++i) {
    memcpy(room + i * width, x.data + i * x.row, static_cast<size_t>(columns) * sizeof(T));
    memset(room + i * width + columns, 0, static_cast<size_t>(width - columns) * sizeof(T));
  }
  return {room, width};
}

/// target [columns of x, kBlock] = scale * x^T for up to kBlock rows of x; lanes without a row hold
/// zeros.
template <class T>
void transpose_rows(AttentionRows<const T> x, int64_t rows, int64_t columns, T scale, T* target) {
  if (rows < kBlock) memset(target, 0, static_cast<size_t>(columns * kBlock) * sizeof(T));
  copy_matrix<T>(columns, rows, x.data, 1, x.row, target, kBlock);
  if (scale != 1)
    for (int64_t i = 0; i < columns * kBlock; i += kLanes<T>)
      store<T>(load<T>(target + i) * splat<T>(scale), target + i);
}

/// A block of scores or weights: keys first_key .. of queries first_query ..
template <class T>
struct Block {
  int64_t first_query, queries, first_key, keys;
  T* scores;  // [keys, kPitch]
};

/// Adds the mask and hides keys behind their queries; `room` takes a block.
template <class T>
void apply_masks(const AttentionHead<T>& head, const Block<T>& at, T* room) {
  const int64_t width = whole_tiles<T>(at.queries);
  if (head.mask) {
    const T* mask = head.mask + at.first_query * head.mask_row + at.first_key * head.mask_column;
    if (head.mask_row != 0)
      copy_matrix<T>(at.keys, at.queries, mask, head.mask_column, head.mask_row, room, kPitch);
    for (int64_t j = 0; j < at.keys; ++j)
      for (int64_t i = 0; i < width; i += kLanes<T>) {
        T* s = at.scores + j * kPitch + i;
        const Vec<T> m = head.mask_row == 0 ? splat<T>(mask[j * head.mask_column])
                                            : load<T>(room + j * kPitch + i);
        store<T>(load<T>(s) + m, s);
      }
  }
  if (head.causal)
    for (int64_t j = 0; j < at.keys; ++j) {
      const int64_t hidden = at.first_key + j - at.first_query;
      for (int64_t i = 0; i < hidden && i < at.queries; ++i)
        at.scores[j * kPitch + i] = -static_cast<T>(__builtin_inf());
    }
}

/// Drops weights by the numbers of the random state that belong to them.
template <class T>
void drop_weights(const AttentionHead<T>& head, const Block<T>& at, const T* from, T* to) {
  const int64_t pitch = attention_pitch(head.queries);
  for (int64_t j = 0; j < at.keys; ++j)
    head.drop(at.queries, head.seed,
              head.counter + static_cast<uint64_t>((at.first_key + j) * pitch + at.first_query),
              from + j * kPitch, to + j * kPitch, head.dropout);
}

/// Keys that the last of `queries` queries from `first` on sees.
template <class T>
int64_t seen_keys(const AttentionHead<T>& head, int64_t first, int64_t queries) {
  const int64_t end = first + queries;
  return head.causal && end < head.keys ? end : head.keys;
}

}  // namespace
}  // namespace lepton::LEPTON_ISA
