// Weight gradient of a convolution by 3 x 3 and 2 x 2 filters through Winograd's transforms.
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
// One value of the tiles of a part stays in a second-level cache of 512 KB while its products are
// added up: parts of several MB in all took 1.2 to 1.6 times as long.
constexpr int64_t kValueBytes = 208 << 10;
constexpr int64_t kLeastPartTiles = 128, kMostPartTiles = 384;  // of a part
constexpr int64_t kBlockTiles = 192;  // a line of 64 bytes of each twice fits the first-level cache
constexpr int64_t kTransformTiles = 16;  // of a task
constexpr int64_t kSumTasks = 64;        // that the sums of a part are cut into
constexpr int64_t kTapChannels = 16;     // taken back in one task

template <class T>
class WinogradWeightGradient {
 public:
  WinogradWeightGradient(const ConvPass<T>& forward, const WinogradKernel<T>& transform,
                         const T* dy)
      : sources_(winograd_sources(forward)),
        p_(sources_.front()),
        transform_(transform),
        kernel_(conv_part<T>().weight_tall),
        gradient_(gradients(dy)),
        size_(2 + transform.filter - 1),
        values_(size_ * size_),
        inputs_(static_cast<int64_t>(sources_.size()) * p_.in_channels),
        panels_(ceil_div(p_.out_channels, kernel_.columns)),
        row_tiles_(ceil_div(inputs_, kernel_.max_rows)),
        tiles_(p_.images * gradient_.tiles_h * gradient_.tiles_w),
        x_tile_(inputs_ + kWinogradSkew),
        dy_tile_(panels_ * kernel_.columns + kWinogradSkew) {
    const int64_t bytes = (x_tile_ + dy_tile_) * static_cast<int64_t>(sizeof(T));
    part_tiles_ =
        std::min(tiles_, std::clamp(kValueBytes / bytes, kLeastPartTiles, kMostPartTiles));
    offsets_.resize(kernel_.max_rows);
    std::iota(offsets_.begin(), offsets_.end(), 0);
  }

  /// dw as [panel][tap][in][columns]; db, [panel][columns], may be null.
  void run(T* dw, T* db) const {
    const Scratch x(values_ * part_tiles_ * x_tile_ * sizeof(T));
    const Scratch dy(values_ * part_tiles_ * dy_tile_ * sizeof(T));
    const Scratch sums(values_ * value_elements() * sizeof(T));
    if (p_.out_channels % kernel_.columns > 0)  // columns that no transform writes
      std::fill_n(dy.as<T>(), values_ * part_tiles_ * dy_tile_, T(0));
    const int64_t units = values_ * panels_ * row_tiles_, tasks = std::min(units, kSumTasks);
    for (int64_t first = 0; first < tiles_; first += part_tiles_) {
      const int64_t count = std::min(part_tiles_, tiles_ - first);
      parallel_for(0, count, kTransformTiles, [&](int64_t begin, int64_t end) {
        for (size_t i = 0; i < sources_.size(); ++i)
          transform(winograd_tiles(sources_[i], transform_), first, begin, end,
                    x.as<T>() + i * p_.in_channels, x_tile_);
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
  int64_t value_elements() const { return panels_ * inputs_ * kernel_.columns; }

  // The tiles of dy that tiles of the image yield.
  WinogradTiles<T> gradients(const T* dy) const {
    WinogradTiles<T> tiles = winograd_tiles(p_, transform_);
    tiles.x = dy, tiles.strides = p_.y_strides;
    tiles.in_h = p_.out_h, tiles.in_w = p_.out_w;
    tiles.channels = p_.out_channels;
    tiles.first_h = tiles.first_w = 0;
    tiles.reads = tiles.step;
    tiles.kernel = transform_.gradient;
    return tiles;
  }

  // Tiles begin to end of a part as [value][tile][channel].
  void transform(const WinogradTiles<T>& of, int64_t first, int64_t begin, int64_t end, T* values,
                 int64_t tile) const {
    const Scratch patch(of.patch_size() * sizeof(T));
    of.transform(first + begin, first + end, values + begin * tile, tile, part_tiles_ * tile,
                 patch.as<T>());
  }

  // Adds tiles b to b + count of a part to unit u: a tile of rows of one value of one panel.
  void add(int64_t u, int64_t b, int64_t count, const T* x, const T* dy, T* sums, T* db,
           bool accumulate) const {
    const int64_t value = u / (row_tiles_ * panels_), panel = u / row_tiles_ % panels_;
    const int64_t tile = u % row_tiles_, row = inputs_ * tile / row_tiles_;
    ConvPixels<T> tiles = {};
    tiles.images = tiles.lines = 1;
    tiles.pixels = count;
    tiles.x = x + (value * part_tiles_ + b) * x_tile_ + row;
    tiles.x_step.pixel = x_tile_;
    tiles.x_offsets = offsets_.data();
    tiles.dy = dy + (value * part_tiles_ + b) * dy_tile_ + panel * kernel_.columns;
    tiles.dy_step.pixel = dy_tile_;
    kernel_.tile(tiles, inputs_ * (tile + 1) / row_tiles_ - row,
                 sums + value * value_elements() + (panel * inputs_ + row) * kernel_.columns,
                 accumulate);
    // Value (1, 1) of a gradient's tile is the sum of its pixels, the sum over all tiles its
    // product with an image of ones.
    if (!db || value != size_ + 1 || tile > 0) return;
    const T one = 1;
    tiles.x = &one;
    tiles.x_step.pixel = 0;
    kernel_.tile(tiles, 1, db + panel * kernel_.columns, accumulate);
  }

  void take_back(const T* sums, T* dw) const {
    const int64_t blocks = ceil_div(p_.in_channels, kTapChannels), row = kernel_.columns;
    const int64_t filter = transform_.filter;
    const int64_t rows = static_cast<int64_t>(sources_.size()) * blocks;
    parallel_for(0, panels_ * rows, 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t panel = i / rows, source = i % rows / blocks;
        const int64_t c = i % blocks * kTapChannels;
        WinogradTaps<T> taps = {};
        taps.count = std::min(kTapChannels, p_.in_channels - c) * row;
        taps.m = sums + (panel * inputs_ + source * p_.in_channels + c) * row;
        taps.m_value = value_elements();
        taps.w = dw + (panel * p_.weight_plane * p_.in_channels + c) * row;
        for (int64_t k = 0; k < filter * filter; ++k)
          taps.taps[k] = kernel_tap(sources_[source], k) * p_.in_channels * row;
        transform_.taps(taps);
      }
    });
  }

  const std::vector<ConvPass<T>> sources_;
  const ConvPass<T>& p_;  // the first: all have the same outputs
  const WinogradKernel<T>& transform_;
  const ConvWeightKernel<T>& kernel_;
  const WinogradTiles<T> gradient_;
  const int64_t size_, values_;       // of a transformed tile: along an axis, in all
  const int64_t inputs_;              // channels of all sources
  const int64_t panels_, row_tiles_;  // of output and of input channels
  const int64_t tiles_;
  const int64_t x_tile_, dy_tile_;  // distances between transformed tiles
  int64_t part_tiles_;              // tiles of a part
  std::vector<int64_t> offsets_;
};

}  // namespace

template <class T>
void winograd_weight_gradient(const ConvPass<T>& forward, const T* dy, T* dw, T* db) {
  const auto& part = part_of<T>(kernels().winograd);
  const bool two = forward.taps_h.size() == 2 * static_cast<size_t>(forward.step_h);
  WinogradWeightGradient<T>(forward, two ? part.two_taps : part.small, dy).run(dw, db);
}

template void winograd_weight_gradient(const ConvPass<float>&, const float*, float*, float*);
template void winograd_weight_gradient(const ConvPass<double>&, const double*, double*, double*);

}  // namespace lepton
