// Blocks a matrix product for the caches, packs its operands and spreads it over the threads.
// SPDX-License-Identifier: Apache-2.0
#include "ops/gemm_blocked.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/parallel.h"
#include "core/storage.h"
#include "ops/kernel_part.h"

namespace lepton {
namespace {

// Measured on Zen 4 and Zen 5: below the first, b stays in the caches without packing; below the
// second, waking another thread costs more than it gives.
constexpr int64_t kUnpackedElements = 300 * 300;
constexpr double kParallelFlops = 1e6;
// Packed elements of b at a time, about half of a common last-level cache.
constexpr int64_t kPackedElements = int64_t{1} << 22;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
class Blocked {
 public:
  explicit Blocked(const GemmCall<T>& call)
      : call_(call),
        small_(call.k * call.n <= kUnpackedElements),
        kernel_(call.n <= gemm_part<T>().narrow.columns ? gemm_part<T>().narrow
                : small_                                ? gemm_part<T>().tall
                                                        : gemm_part<T>().wide),
        pack_a_(call.a.column != 1 || !small_),
        pack_b_(call.b.column != 1 || !small_),
        panels_(ceil_div(call.n, kernel_.columns)),
        tiles_(ceil_div(call.m, kernel_.max_rows)),
        parallel_(2.0 * call.m * call.n * call.k > kParallelFlops) {
    const int64_t limit = call.k <= 512 ? 512 : 1024;
    k_block_ = ceil_div(call.k, std::max<int64_t>(1, ceil_div(call.k, limit)));
    a_row_ = k_block_ + 16;  // rows a power of two apart would share cache sets
  }

  void run() {
    pack_bias();
    pack_b();
    const int64_t wanted = parallel_ ? 4 * num_threads() : 1;
    const int64_t most_tiles = k_block_ <= 512 ? 20 : 40;
    const int64_t tiles =
        std::clamp<int64_t>(ceil_div(tiles_, wanted), std::min<int64_t>(tiles_, 4), most_tiles);
    const int64_t row_blocks = ceil_div(tiles_, tiles);
    const int64_t groups = std::clamp<int64_t>(ceil_div(wanted, row_blocks), 1, panels_);
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
  int64_t first_row(int64_t tile) const { return call_.m * tile / tiles_; }  // equal tiles
  int64_t panel_width(int64_t j) const {
    return std::min(kernel_.columns, call_.n - j * kernel_.columns);
  }

  void pack_bias() {
    if (!call_.bias) return;
    bias_.emplace(panels_ * kernel_.columns * sizeof(T));
    T* bias = bias_->as<T>();
    std::memcpy(bias, call_.bias, call_.n * sizeof(T));
    std::fill(bias + call_.n, bias + panels_ * kernel_.columns, T(0));
  }

  // All panels, or only the ragged last one, which a full tile could not read in place.
  void pack_b() {
    const int64_t whole = call_.n / kernel_.columns;
    if (!pack_b_ && whole == panels_) return;
    const int64_t size = kernel_.columns * call_.k;
    b_.emplace((pack_b_ ? panels_ : 1) * size * sizeof(T));
    const auto pack = [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; ++j) pack_panel(j, b_->as<T>() + (pack_b_ ? j * size : 0));
    };
    if (!pack_b_)
      pack(whole, panels_);
    else if (parallel_)
      parallel_for(0, panels_, 1, pack);
    else
      pack(0, panels_);
  }

  void pack_panel(int64_t j, T* panel) const {
    const int64_t width = panel_width(j), nr = kernel_.columns;
    gemm_part<T>().copy_matrix(call_.k, width, call_.b.data + j * nr * call_.b.column, call_.b.row,
                               call_.b.column, panel, nr);
    if (width < nr)
      for (int64_t p = 0; p < call_.k; ++p)
        std::fill(panel + p * nr + width, panel + (p + 1) * nr, T(0));
  }

  // Tiles t0..t1 of rows times panels j0..j1, over all of k.
  void run_block(int64_t t0, int64_t t1, int64_t j0, int64_t j1) const {
    const int64_t row0 = first_row(t0), rows = first_row(t1) - row0;
    std::optional<Scratch> packed;
    if (pack_a_) packed.emplace(rows * a_row_ * sizeof(T));
    int64_t k0 = 0;
    do {
      const int64_t length = std::min(k_block_, call_.k - k0);
      MatrixView<T> a = {call_.a.data + row0 * call_.a.row + k0 * call_.a.column, call_.a.row, 1};
      if (pack_a_) {
        gemm_part<T>().copy_matrix(rows, length, a.data, a.row, call_.a.column, packed->as<T>(),
                                   a_row_);
        a = {packed->as<T>(), a_row_, 1};
      }
      for (int64_t j = j0; j < j1; ++j) run_panel(a, row0, t0, t1, j, k0, length);
      k0 += length;
    } while (k0 < call_.k);
  }

  void run_panel(MatrixView<T> a, int64_t row0, int64_t t0, int64_t t1, int64_t j, int64_t k0,
                 int64_t length) const {
    const int64_t nr = kernel_.columns, width = panel_width(j), zero = 0;
    const bool accumulate = k0 > 0 || call_.accumulate;
    GemmTile<T> tile = {};
    tile.segments = 1;
    tile.length = length;
    tile.a_row = a.row;
    tile.a_offsets = &zero;
    if (pack_b_ || width < nr) {
      tile.b = b_->as<T>() + (pack_b_ ? j * nr * call_.k : 0) + k0 * nr;
      tile.b_row = nr;
    } else {
      tile.b = call_.b.data + k0 * call_.b.row + j * nr;
      tile.b_row = call_.b.row;
    }
    tile.bias = bias_ && k0 == 0 ? bias_->as<T>() + j * nr : nullptr;
    alignas(64) T ragged[kMaxTileElements];
    tile.c_row = width < nr ? nr : call_.c_row;
    tile.accumulate = accumulate && width == nr;
    for (int64_t t = t0; t < t1; ++t) {
      const int64_t row = first_row(t);
      T* c = call_.c + row * call_.c_row + j * nr;
      tile.rows = first_row(t + 1) - row;
      tile.a = a.data + (row - row0) * a.row;
      tile.c = width < nr ? ragged : c;
      kernel_.tile(tile);
      if (width < nr) copy_valid(ragged, nr, tile.rows, width, c, accumulate);
    }
  }

  void copy_valid(const T* tile, int64_t nr, int64_t rows, int64_t width, T* c,
                  bool accumulate) const {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < width; ++j) {
        T& out = c[i * call_.c_row + j];
        out = accumulate ? out + tile[i * nr + j] : tile[i * nr + j];
      }
  }

  const GemmCall<T>& call_;
  const bool small_;
  const GemmKernel<T>& kernel_;
  const bool pack_a_, pack_b_;
  const int64_t panels_, tiles_;
  const bool parallel_;
  int64_t k_block_, a_row_;
  std::optional<Scratch> b_, bias_;
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

}  // namespace

template <class T>
void gemm_blocked(const GemmCall<T>& call) {
  if (call.m == 0 || call.n == 0) return;
  if (call.k == 0) return without_products(call);
  FlushDenormals flush;
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
