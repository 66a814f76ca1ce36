// Weight gradient of a convolution by 3 x 3 filters through Winograd's transforms.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/parallel.h"
#include "core/storage.h"
#include "ops/conv_winograd.h"
#include "ops/kernel_part.h"
#include "ops/winograd_tiles.h"

namespace lepton {
namespace {

// All cuts follow from the shape alone: a value is summed over tiles in one order by one task.
constexpr int64_t kValues = 16;
constexpr int64_t kTransformed = 8 << 20;  // bytes at a time; a share of the last-level cache
constexpr int64_t kLeastPartTiles = 128, kMostPartTiles = 384;  // of a part
constexpr int64_t kBlockTiles = 192;  // a line of 64 bytes of each twice fits the first-level cache
constexpr int64_t kTransformTiles = 16;  // of a task
constexpr int64_t kSumTasks = 64;        // that the sums of a part are cut into
constexpr int64_t kTapChannels = 16;     // taken back in one task
// The value whose transform adds up the four pixels of a gradient's tile.
constexpr int64_t kPlainSum = 5;

template <class T>
class WinogradWeightGradient {
 public:
  WinogradWeightGradient(const ConvPass<T>& forward, const T* dy)
      : p_(forward),
        part_(part_of<T>(kernels().winograd)),
        kernel_(conv_part<T>().weight_tall),
        image_{.x = p_.x,
               .strides = p_.x_strides,
               .in_h = p_.in_h,
               .in_w = p_.in_w,
               .channels = p_.in_channels,
               .first_h = p_.taps_h[0].offset,
               .first_w = p_.taps_w[0].offset,
               .step = 2,
               .reads = 4,
               .tiles_h = ceil_div(p_.out_h, 2),
               .tiles_w = ceil_div(p_.out_w, 2),
               .kernel = part_.small.input},
        gradient_{.x = dy,
                  .strides = p_.y_strides,
                  .in_h = p_.out_h,
                  .in_w = p_.out_w,
                  .channels = p_.out_channels,
                  .first_h = 0,
                  .first_w = 0,
                  .step = 2,
                  .reads = 2,
                  .tiles_h = image_.tiles_h,
                  .tiles_w = image_.tiles_w,
                  .kernel = part_.gradient},
        panels_(ceil_div(p_.out_channels, kernel_.columns)),
        row_tiles_(ceil_div(p_.in_channels, kernel_.max_rows)),
        tiles_(p_.images * image_.tiles_h * image_.tiles_w),
        x_tile_(p_.in_channels + kWinogradSkew),
        dy_tile_(panels_ * kernel_.columns + kWinogradSkew) {
    const int64_t bytes = kValues * (x_tile_ + dy_tile_) * static_cast<int64_t>(sizeof(T));
    size_ = std::min(tiles_, std::clamp(kTransformed / bytes, kLeastPartTiles, kMostPartTiles));
    offsets_.resize(kernel_.max_rows);
    std::iota(offsets_.begin(), offsets_.end(), 0);
  }

  /// dw as [panel][tap][in][columns]; db, [panel][columns], may be null.
  void run(T* dw, T* db) const {
    const Scratch x(kValues * size_ * x_tile_ * sizeof(T));
    const Scratch dy(kValues * size_ * dy_tile_ * sizeof(T));
    const Scratch sums(kValues * value_size() * sizeof(T));
    if (p_.out_channels % kernel_.columns > 0)  // columns that no transform writes
      std::fill_n(dy.as<T>(), kValues * size_ * dy_tile_, T(0));
    const int64_t units = kValues * panels_ * row_tiles_, tasks = std::min(units, kSumTasks);
    for (int64_t first = 0; first < tiles_; first += size_) {
      const int64_t count = std::min(size_, tiles_ - first);
      parallel_for(0, count, kTransformTiles, [&](int64_t begin, int64_t end) {
        transform(image_, first, begin, end, x.as<T>(), x_tile_);
        transform(gradient_, first, begin, end, dy.as<T>(), dy_tile_);
      });
      parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t)
          for (int64_t b = 0; b < count; b += kBlockTiles)
            for (int64_t u = units * t / tasks; u < units * (t + 1) / tasks; ++u)
              add(u, b, std::min(kBlockTiles, count - b), x.as<T>(), dy.as<T>(), sums.as<T>(), db,
                  first + b > 0);
      });
    }
    take_back(sums.as<T>(), dw);
  }

 private:
  int64_t value_size() const { return panels_ * p_.in_channels * kernel_.columns; }

  // Tiles begin to end of a part as [value][tile][channel].
  void transform(const WinogradTiles<T>& of, int64_t first, int64_t begin, int64_t end, T* values,
                 int64_t tile) const {
    const Scratch patch(of.patch_size() * sizeof(T));
    of.transform(first + begin, first + end, values + begin * tile, tile, size_ * tile,
                 patch.as<T>());
  }

  // Adds tiles b to b + count of a part to unit u: a tile of rows of one value of one panel.
  void add(int64_t u, int64_t b, int64_t count, const T* x, const T* dy, T* sums, T* db,
           bool accumulate) const {
    const int64_t value = u / (row_tiles_ * panels_), panel = u / row_tiles_ % panels_;
    const int64_t tile = u % row_tiles_, row = p_.in_channels * tile / row_tiles_;
    ConvPixels<T> tiles = {};
    tiles.images = tiles.lines = 1;
    tiles.pixels = count;
    tiles.x = x + (value * size_ + b) * x_tile_ + row;
    tiles.x_step.pixel = x_tile_;
    tiles.x_offsets = offsets_.data();
    tiles.dy = dy + (value * size_ + b) * dy_tile_ + panel * kernel_.columns;
    tiles.dy_step.pixel = dy_tile_;
    kernel_.tile(tiles, p_.in_channels * (tile + 1) / row_tiles_ - row,
                 sums + value * value_size() + (panel * p_.in_channels + row) * kernel_.columns,
                 accumulate);
    if (!db || value != kPlainSum || tile > 0) return;
    const T one = 1;  // the sum of dy is its product with an image of ones
    tiles.x = &one;
    tiles.x_step.pixel = 0;
    kernel_.tile(tiles, 1, db + panel * kernel_.columns, accumulate);
  }

  void take_back(const T* sums, T* dw) const {
    const int64_t blocks = ceil_div(p_.in_channels, kTapChannels), row = kernel_.columns;
    parallel_for(0, panels_ * blocks, 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t panel = i / blocks, c = i % blocks * kTapChannels;
        const int64_t channels = std::min(kTapChannels, p_.in_channels - c);
        part_.taps({channels * row, sums + (panel * p_.in_channels + c) * row, value_size(),
                    dw + (panel * 9 * p_.in_channels + c) * row, p_.in_channels * row});
      }
    });
  }

  const ConvPass<T>& p_;
  const WinogradPart<T>& part_;
  const ConvWeightKernel<T>& kernel_;
  const WinogradTiles<T> image_, gradient_;
  const int64_t panels_, row_tiles_;  // of output and of input channels
  const int64_t tiles_;
  const int64_t x_tile_, dy_tile_;  // distances between transformed tiles
  int64_t size_;                    // tiles of a part
  std::vector<int64_t> offsets_;
};

}  // namespace

template <class T>
void winograd_weight_gradient(const ConvPass<T>& forward, const T* dy, T* dw, T* db) {
  WinogradWeightGradient<T>(forward, dy).run(dw, db);
}

template void winograd_weight_gradient(const ConvPass<float>&, const float*, float*, float*);
template void winograd_weight_gradient(const ConvPass<double>&, const double*, double*, double*);

}  // namespace lepton
