// Blocks a matrix product for the caches, packs its operands and spreads it over the threads.
// SPDX-License-Identifier: Apache-2.0
#include "ops/gemm_blocked.h"

#include <algorithm>
#include <optional>

#include "core/parallel.h"
#include "core/shape.h"
#include "core/storage.h"
#include "ops/gemm_few_rows.h"
#include "ops/gemm_panel.h"

namespace lepton {
namespace {

// Measured on Zen 3 to Zen 5: below this, b stays in the caches without packing. Each few rows of a
// then pass along whole rows of b, so that of a column of b every fourth line need stay.
constexpr int64_t kUnpackedElements = 300 * 300, kLinesApart = 4;
// Up to so many rows of a are read in place, twice as many if short: packing would cut them into
// unequal tiles.
constexpr int64_t kRowsInPlace = 128, kShortRow = 1024;
// Sums so short that more rows at a time gain nothing.
constexpr int64_t kShortSum = 128;
// Tiles of rows up to which a small product is cut by panels only, which spares a round of threads.
constexpr int64_t kSmallTiles = 40;
// Elements of a that a task packs.
constexpr int64_t kPackedAtOnce = 1 << 13;
// Packed elements of b at a time, about half of a common last-level cache.
constexpr int64_t kPackedElements = int64_t{1} << 22;
// A first cache of 64 sets of 8 lines, as on most x86 CPUs.
constexpr int64_t kLineBytes = 64, kCacheSets = 64, kCacheWays = 8;
// Sums longer than this over few results are cut into pieces that run side by side, and so are sums
// of this many elements of whole rows; dot products are not, if there are enough of them.
constexpr int64_t kPieceLength = 1024, kMostPieces = 32, kPieceResults = 1 << 16;
constexpr int64_t kPieceElements = 1 << 17, kManyDots = 256, kManySums = 1 << 15;

// Whether a column of lines, `step` elements apart, fits the first cache: rows a power of two apart
// share a few of its sets.
template <class T>
bool fits_cache(int64_t lines, int64_t step) {
  const int64_t bytes = step * static_cast<int64_t>(sizeof(T));
  int64_t sets = kCacheSets;
  for (int64_t pitch = kLineBytes * 2; sets > 1 && bytes % pitch == 0; pitch *= 2) sets /= 2;
  return lines <= sets * kCacheWays;
}

template <class T>
class Blocked {
 public:
  explicit Blocked(const GemmCall<T>& call)
      : call_(call),
        small_(call.k * call.n <= kUnpackedElements),
        kernel_(call.n <= gemm_part<T>().narrow.columns ? gemm_part<T>().narrow
                : small_                                ? gemm_part<T>().tall
                                                        : gemm_part<T>().wide),
        pack_a_(small_
                    ? call.a.column != 1 &&
                          !(call.a.row == 1 && fits_cache<T>(call.k, call.a.column))
                    : call.a.column != 1 || call.m > (call.k > kShortRow ? 1 : 2) * kRowsInPlace),
        pack_b_(!small_ || call.b.column != 1 || !fits_cache<T>(call.k / kLinesApart, call.b.row)),
        panels_(ceil_div(call.n, kernel_.columns)),
        in_place_(pack_b_ ? 0 : call.n / kernel_.columns),
        tiles_(ceil_div(call.m, kernel_.max_rows)),
        parallel_(2.0 * static_cast<double>(call.m) * static_cast<double>(call.n) *
                      static_cast<double>(call.k) >
                  kParallelFlops) {
    const int64_t limit = call.k <= 512 ? 512 : 1024;
    k_block_ = ceil_div(call.k, std::max<int64_t>(1, ceil_div(call.k, limit)));
    most_tiles_ = k_block_ <= 512 ? 20 : 40;
  }

  void run() {
    const int64_t wanted = parallel_ ? 4 * num_threads() : 1;
    // Few rows: a task packs each panel just before its only use, in the cache next to the core.
    // In place, tasks are rows, which neither pack nor read the same rows of a twice.
    const bool all_rows =
        pack_b_ && tiles_ <= (small_ ? kSmallTiles : resident_tiles()) && panels_ >= wanted;
    const int64_t tiles = all_rows ? tiles_
                                   : std::clamp<int64_t>(ceil_div(tiles_, wanted),
                                                         std::min<int64_t>(tiles_, 4), most_tiles_);
    const int64_t row_blocks = ceil_div(tiles_, tiles);
    const int64_t groups = std::clamp<int64_t>(ceil_div(wanted, row_blocks), 1, panels_);
    if (row_blocks > 1) pack_b();
    if (row_blocks == 1 && groups > 1 && pack_a_) pack_a();
    const auto tasks = [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t block = t / groups, group = t % groups;
        run_block(tiles_ * block / row_blocks, tiles_ * (block + 1) / row_blocks,
                  panels_ * group / groups, panels_ * (group + 1) / groups);
      }
    };
    if (parallel_)
      parallel_for(0, row_blocks * groups, 1, tasks);
    else
      tasks(0, row_blocks * groups);
  }

 private:
  int64_t first_row(int64_t tile) const {  // equal tiles, or groups of packed rows
    return pack_a_ ? std::min(tile * kernel_.max_rows, call_.m) : call_.m * tile / tiles_;
  }
  // Tiles of rows that stay in the second cache while panels pass; of short ones each pass is short
  // against what it costs to write the results.
  int64_t resident_tiles() const {
    return k_block_ <= 512 ? most_tiles_ * 512 / std::max(k_block_, kShortSum) : most_tiles_;
  }
  // All rows, for several groups of panels, which there are only in parallel. Packing writes
  // behind the end of a group.
  void pack_a() {
    a_group_ = call_.k + ceil_div(kMaxLanes, kernel_.max_rows);
    a_.emplace(static_cast<size_t>(tiles_ * kernel_.max_rows * a_group_) * sizeof(T));
    const auto pack = [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t row = first_row(t);
        kernel_.pack_rows(first_row(t + 1) - row, call_.k, call_.a.data + row * call_.a.row,
                          call_.a.row, call_.a.column, a_->template as<T>() + row * a_group_);
      }
    };
    parallel_for(0, tiles_, std::max<int64_t>(1, kPackedAtOnce / (kernel_.max_rows * call_.k)),
                 pack);
  }
  // All panels that are not read in place, for several blocks of rows.
  void pack_b() {
    const int64_t first = in_place_, size = kernel_.columns * call_.k;
    if (first == panels_) return;
    b_.emplace(static_cast<size_t>((panels_ - first) * size) * sizeof(T));
    const auto pack = [&](int64_t begin, int64_t end) {
      pack_panels<T>(kernel_, call_.k, call_.n, call_.b, begin, end,
                     b_->template as<T>() + (begin - first) * size);
    };
    if (parallel_)
      parallel_for(first, panels_, panels_together(kernel_), pack);
    else
      for (int64_t j = first; j < panels_; j += panels_together(kernel_))
        pack(j, std::min(j + panels_together(kernel_), panels_));
  }

  // Tiles t0..t1 of rows times panels j0..j1, over all of k.
  void run_block(int64_t t0, int64_t t1, int64_t j0, int64_t j1) const {
    const int64_t row0 = first_row(t0), rows = first_row(t1) - row0;
    std::optional<Scratch> packed_a, panel;
    if (pack_a_ && !a_)
      packed_a.emplace(static_cast<size_t>((t1 - t0) * kernel_.max_rows * k_block_ + kMaxLanes) *
                       sizeof(T));
    const int64_t together = std::min(panels_together(kernel_), j1 - j0);
    if (!b_ && j1 > in_place_)
      panel.emplace(static_cast<size_t>(k_block_ * kernel_.columns * together) * sizeof(T));
    for (int64_t k0 = 0; k0 < call_.k; k0 += k_block_) {
      const int64_t length = std::min(k_block_, call_.k - k0);
      MatrixView<T> a = {call_.a.data + row0 * call_.a.row + k0 * call_.a.column, call_.a.row,
                         call_.a.column};
      if (a_) {
        a.data = a_->template as<T>() + row0 * a_group_ + k0 * kernel_.max_rows;
      } else if (pack_a_) {
        kernel_.pack_rows(rows, length, a.data, a.row, a.column, packed_a->as<T>());
        a.data = packed_a->as<T>();
      }
      const MatrixView<T> b = {call_.b.data + k0 * call_.b.row, call_.b.row, call_.b.column};
      const int64_t nr = kernel_.columns, split = std::clamp(in_place_, j0, j1);
      if (split > j0) run_panels(a, row0, rows, j0, split, k0, length, b.data + j0 * nr, b.row, nr);
      for (int64_t j = split; j < j1; j += together) {
        const int64_t end = std::min(j + together, j1);
        const T* packed = b_ ? b_->template as<T>() + (j - in_place_) * nr * call_.k + k0 * nr
                             : panel->template as<T>();
        if (!b_) pack_panels<T>(kernel_, length, call_.n, b, j, end, panel->template as<T>());
        const int64_t size = nr * (b_ ? call_.k : length);
        for (int64_t i = j; i < end; ++i)
          run_panels(a, row0, rows, i, i + 1, k0, length, packed + (i - j) * size, nr, size);
      }
    }
  }

  // The rows times panels j to end, which lie b_panel apart.
  void run_panels(MatrixView<T> a, int64_t row0, int64_t rows, int64_t j, int64_t end, int64_t k0,
                  int64_t length, const T* b, int64_t b_row, int64_t b_panel) const {
    const int64_t nr = kernel_.columns;
    PanelCall<T> part = {};
    part.rows = rows;
    part.width = std::min(nr, call_.n - j * nr);
    part.k = length;
    part.a = a;
    part.b = b;
    part.b_row = b_row;
    part.c = call_.c + row0 * call_.c_row + j * nr;
    part.c_row = call_.c_row;
    part.bias = call_.bias && k0 == 0 ? call_.bias + j * nr : nullptr;
    part.accumulate = k0 > 0 || call_.accumulate;
    part.row_end = panels_ == 1 && call_.c_row == call_.n && 2 * call_.n >= nr;
    part.packed_a = pack_a_;
    part.a_group = a_ ? a_group_ : length;
    part.panels = end - j;
    part.b_panel = b_panel;
    // Of a last panel half empty only the first half is computed.
    const GemmKernel<T>& narrow = gemm_part<T>().narrow;
    multiply_panel(part.width <= narrow.columns && !pack_a_ ? narrow : kernel_, part);
  }

  const GemmCall<T>& call_;
  const bool small_;
  const GemmKernel<T>& kernel_;
  const bool pack_a_, pack_b_;
  const int64_t panels_, in_place_, tiles_;  // the first in_place_ panels are read so
  const bool parallel_;
  int64_t k_block_, most_tiles_, a_group_ = 0;
  std::optional<Scratch> a_, b_;
};

// Sums of nothing: a and b may be null then.
template <class T>
void without_products(const GemmCall<T>& call) {
  for (int64_t i = 0; i < call.m; ++i)
    for (int64_t j = 0; j < call.n; ++j) {
      T& out = call.c[i * call.c_row + j];
      out = (call.accumulate ? out : T(0)) + (call.bias ? call.bias[j] : T(0));
    }
}

template <class T>
int64_t count_pieces(const GemmCall<T>& call) {
  const int64_t results = call.m * call.n, longest = std::max(call.m, call.n);
  const FewRowsWay way = few_rows_way(call);
  if (way == FewRowsWay::kSums && longest < kManySums)
    return std::clamp<int64_t>(call.k * longest / kPieceElements, 1, kMostPieces);
  if (way == FewRowsWay::kDots && longest >= kManyDots) return 1;
  if (call.k < 2 * kPieceLength || results > kPieceResults || results > 4 * call.k) return 1;
  return std::min(kMostPieces, ceil_div(call.k, kPieceLength));
}

// Few results of long sums: pieces of k beside each other, then added in their order.
template <class T>
void in_pieces(const GemmCall<T>& call, int64_t pieces) {
  const int64_t size = call.m * call.n;
  const Scratch scratch(static_cast<size_t>(pieces * size) * sizeof(T));
  T* sums = scratch.as<T>();
  parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t q = begin; q < end; ++q) {
      const int64_t k0 = call.k * q / pieces;
      GemmCall<T> piece = call;
      piece.k = call.k * (q + 1) / pieces - k0;
      piece.a.data += k0 * call.a.column;
      piece.b.data += k0 * call.b.row;
      piece.c = sums + q * size;
      piece.c_row = call.n;
      piece.bias = nullptr;
      piece.accumulate = false;
      if (!gemm_few_rows(piece)) Blocked<T>(piece).run();
    }
  });
  for (int64_t i = 0; i < call.m; ++i)
    for (int64_t j = 0; j < call.n; ++j) {
      T& out = call.c[i * call.c_row + j];
      T sum = (call.accumulate ? out : T(0)) + (call.bias ? call.bias[j] : T(0));
      for (int64_t q = 0; q < pieces; ++q) sum += sums[q * size + i * call.n + j];
      out = sum;
    }
}

}  // namespace

template <class T>
void gemm_blocked(const GemmCall<T>& call) {
  if (call.m == 0 || call.n == 0) return;
  if (call.k == 0) return without_products(call);
  FlushDenormals flush;
  if (const int64_t pieces = count_pieces(call); pieces > 1) return in_pieces(call, pieces);
  if (gemm_few_rows(call)) return;
  const int64_t panel = gemm_part<T>().wide.columns;
  const int64_t width =
      std::max<int64_t>(kPackedElements / std::max<int64_t>(call.k, 1) / panel, 1) * panel;
  const int64_t blocks = ceil_div(call.n, width);
  const int64_t columns = ceil_div(ceil_div(call.n, blocks), panel) * panel;
  for (int64_t j = 0; j < call.n; j += columns) {
    GemmCall<T> block = call;
    block.n = std::min(columns, call.n - j);
    block.b.data += j * call.b.column;
    block.c += j;
    if (call.bias) block.bias += j;
    Blocked<T>(block).run();
  }
}

template void gemm_blocked(const GemmCall<float>&);
template void gemm_blocked(const GemmCall<double>&);

}  // namespace lepton
