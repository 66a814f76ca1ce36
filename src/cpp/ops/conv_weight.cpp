// Weight gradient of a convolution: pixels are packed a part at a time, tiles sum over them.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "core/parallel.h"
#include "core/storage.h"
#include "ops/conv_depthwise.h"
#include "ops/conv_passes.h"
#include "ops/conv_winograd.h"
#include "ops/kernel_part.h"

namespace lepton {
namespace {

// All cuts follow from the shape alone: a weight is summed over pixels in one order by one task.
constexpr int64_t kBlockPixels = 320;    // packed, a tile's rows and columns of them fit in 32 KB
constexpr int64_t kPartBytes = 4 << 20;  // packed at a time; a share of the last-level cache
constexpr int64_t kTasks = 64;           // that a part is cut into, if it has so many tiles
// Small gradients: slices of the pixels each have their own sums, all of them up to kSumBytes, and
// pass a block that stays in the second-level cache through all tiles.
constexpr int64_t kSumBytes = 4 << 20;
constexpr int64_t kLeastSlices = 16, kMostSlices = 64;
constexpr int64_t kSliceBlockBytes = 160 << 10;
constexpr int64_t kCacheLineBytes = 64;
constexpr int64_t kLeastBlockPixels = 64;  // fewer cost more in loads and stores of sums

// Of possibly negative a.
constexpr int64_t ceil_div_signed(int64_t a, int64_t b) {
  return a >= 0 ? ceil_div(a, b) : -(-a / b);
}

// The outputs [begin, end) along one axis for which a tap reads inside the image.
struct OutputRange {
  int64_t begin, end;
};
OutputRange outputs_inside(OutputRange outputs, int64_t offset, int64_t stride, int64_t length) {
  const int64_t begin = std::max(outputs.begin, ceil_div_signed(-offset, stride));
  return {begin, std::max(begin, std::min(outputs.end, ceil_div_signed(length - offset, stride)))};
}

template <class T>
class WeightGradient {
 public:
  WeightGradient(const ConvShape& shape, const T* x, const ConvStrides& x_strides, const T* dy,
                 const ConvStrides& dy_strides)
      : s_(shape),
        x_(x),
        dy_(dy),
        x_strides_(x_strides),
        dy_strides_(dy_strides),
        kernel_(choose_kernel()),
        // With few channels all taps together fill the rows of tiles better, unless most of them
        // see nothing.
        merged_(shape.groups == 1 && shape.in_channels * 2 <= kernel_.max_rows &&
                shape.kernel_h <= shape.in_h && shape.kernel_w <= shape.in_w),
        taps_(merged_ ? 1 : s_.kernel_h * s_.kernel_w),
        rows_(s_.in_channels * s_.kernel_h * s_.kernel_w / taps_),
        tiles_(ceil_div(rows_, kernel_.max_rows)),
        panels_(ceil_div(s_.out_channels, kernel_.columns)),
        sums_(s_.groups * panels_ * taps_ * rows_ * kernel_.columns) {
    cut_blocks();
    list_units();
    lay_out_panels();
  }

  int64_t columns() const { return kernel_.columns; }

  /// dw as [group][panel of outputs][tap][in][columns] of zeros and sums over pixels; db,
  /// [group][panel][columns], may be null.
  void run(T* dw, T* db) const { slices_ > 1 ? run_slices(dw, db) : run_parts(dw, db); }

 private:
  // Where block b lies: its images, its output lines, the lines of the image that they read.
  struct Block {
    int64_t image, images;
    OutputRange lines;
    OutputRange reads;
  };

  // Tasks are tiles: what all of them read is packed a part of the pixels at a time.
  void run_parts(T* dw, T* db) const {
    const int64_t size = x_block_ + dy_block_;
    const int64_t part =
        std::clamp<int64_t>(kPartBytes / (size * static_cast<int64_t>(sizeof(T))), 1, blocks_);
    const Scratch packed(part * size * sizeof(T));
    const int64_t units = static_cast<int64_t>(units_.size()), tasks = std::min(units, kTasks);
    for (int64_t first = 0; first < blocks_; first += part) {
      const int64_t count = std::min(part, blocks_ - first);
      parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b) pack(block(first + b), packed.as<T>() + b * size);
      });
      parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t)
          for (int64_t b = 0; b < count; ++b) {
            const Block at = block(first + b);
            for (int64_t u = units * t / tasks; u < units * (t + 1) / tasks; ++u)
              add(units_[u], at, packed.as<T>() + b * size, {dw, db, first + b > 0});
          }
      });
    }
  }

  // Tasks are slices of the pixels, added up in order at the end.
  void run_slices(T* dw, T* db) const {
    const int64_t biases = db ? s_.groups * panels_ * kernel_.columns : 0, size = sums_ + biases;
    const int64_t units = static_cast<int64_t>(units_.size());
    const Scratch sums(slices_ * size * sizeof(T));
    parallel_for(0, slices_, 1, [&](int64_t begin, int64_t end) {
      const Scratch packed((x_block_ + dy_block_) * sizeof(T));
      for (int64_t slice = begin; slice < end; ++slice) {
        T* const to = sums.as<T>() + slice * size;
        const int64_t first = blocks_ * slice / slices_;
        for (int64_t b = first; b < blocks_ * (slice + 1) / slices_; ++b) {
          const Block at = block(b);
          pack(at, packed.as<T>());
          const Block next = block(std::min(b + 1, blocks_ - 1));
          const OutputRange reads = {std::max<int64_t>(next.reads.begin, 0),
                                     std::min(next.reads.end, s_.in_h)};
          const Ahead x_ahead = ahead(x_, x_strides_, next, reads);
          const Ahead dy_ahead = ahead(dy_, dy_strides_, next, next.lines);
          for (int64_t u = 0; u < units; ++u) {
            x_ahead.ask(u), dy_ahead.ask(u);
            add(units_[u], at, packed.as<T>(), {to, db ? to + sums_ : nullptr, b > first});
          }
        }
      }
    });
    const auto total = [&](int64_t first, int64_t count, T* to) {
      std::copy_n(sums.as<T>() + first, count, to);
      for (int64_t slice = 1; slice < slices_; ++slice)
        for (int64_t i = 0; i < count; ++i) to[i] += sums.as<T>()[slice * size + first + i];
    };
    parallel_for(0, sums_, kTaskElements / kLeastSlices,
                 [&](int64_t begin, int64_t end) { total(begin, end - begin, dw + begin); });
    if (db) total(sums_, biases, db);
  }

  // Memory that is asked for a share at a time, while tiles compute: packing would wait for it.
  struct Ahead {
    const char* begin;
    const char* end;
    int64_t share;
    void ask(int64_t u) const {
      const char* const to = std::min(end, begin + (u + 1) * share);
      for (const char* at = begin + u * share; at < to; at += kCacheLineBytes)
        __builtin_prefetch(at, 0, 2);
      asm volatile("");  // GCC 12 drops calls of functions that do nothing but this
    }
  };
  Ahead ahead(const T* from, const ConvStrides& strides, const Block& block,
              const OutputRange& lines) const {
    from += block.image * strides.image + lines.begin * strides.line;
    const int64_t elements =
        (block.images - 1) * strides.image + (lines.end - lines.begin) * strides.line;
    const auto* const begin = reinterpret_cast<const char*>(from);
    // Bounded, because channels of a view may lie far apart.
    const int64_t bytes =
        std::min(elements * static_cast<int64_t>(sizeof(T)), 2 * kSliceBlockBytes);
    const int64_t units = static_cast<int64_t>(units_.size());
    return {begin, begin + bytes, ceil_div(bytes, units * kCacheLineBytes) * kCacheLineBytes};
  }

  void cut_blocks() {
    const int64_t outputs = s_.images * s_.out_h * s_.out_w;
    const int64_t sum_bytes = sums_ * static_cast<int64_t>(sizeof(T));
    const bool sliced =
        sum_bytes * kLeastSlices <= kSumBytes && outputs >= kLeastSlices * kBlockPixels;
    int64_t pixels = kBlockPixels;
    if (sliced) {
      const int64_t x_pixels = std::max<int64_t>(s_.images * s_.in_h * s_.in_w / outputs, 1);
      const int64_t channels = s_.groups * (x_pixels * s_.in_channels + s_.out_channels);
      pixels = std::clamp(kSliceBlockBytes / (channels * static_cast<int64_t>(sizeof(T))),
                          kLeastBlockPixels, kBlockPixels);
    }
    block_lines_ = std::clamp<int64_t>(pixels / s_.out_w, 1, s_.out_h);
    line_blocks_ = ceil_div(s_.out_h, block_lines_);
    block_images_ = line_blocks_ > 1 ? 1 : std::max<int64_t>(pixels / (s_.out_h * s_.out_w), 1);
    block_images_ = std::min(block_images_, s_.images);
    blocks_ = ceil_div(s_.images, block_images_) * line_blocks_;
    slices_ = sliced ? std::min({kSumBytes / sum_bytes, kMostSlices, blocks_}) : 1;
  }

  const ConvWeightKernel<T>& choose_kernel() const {
    const auto& part = conv_part<T>();
    if (s_.out_channels <= part.weight_narrow.columns) return part.weight_narrow;
    return s_.out_channels <= part.weight_tall.columns ? part.weight_tall : part.weight_wide;
  }

  // What a packed block holds: x and dy as panels of a tile's rows and columns, or, where taps are
  // merged, x as lines with their padding, which are small.
  void lay_out_panels() {
    const int64_t lines = (block_lines_ - 1) * s_.stride_h + (s_.kernel_h - 1) * s_.dilation_h + 1;
    const int64_t width = (s_.out_w - 1) * s_.stride_w + (s_.kernel_w - 1) * s_.dilation_w + 1;
    const int64_t x_pixel = merged_ ? s_.in_channels : kernel_.max_rows;
    x_step_.pixel = x_pixel;
    x_step_.line = (merged_ ? width : s_.in_w) * x_pixel;
    x_step_.image = (merged_ ? lines : std::min(lines, s_.in_h)) * x_step_.line;
    x_panel_ = block_images_ * x_step_.image;
    x_block_ = merged_ ? x_panel_ : s_.groups * tiles_ * x_panel_;
    dy_step_.pixel = kernel_.columns;
    dy_step_.line = s_.out_w * dy_step_.pixel;
    dy_step_.image = block_lines_ * dy_step_.line;
    dy_panel_ = block_images_ * dy_step_.image;
    dy_block_ = s_.groups * panels_ * dy_panel_;
    row_offsets_.resize(static_cast<size_t>(rows_));
    std::iota(row_offsets_.begin(), row_offsets_.end(), 0);
    if (!merged_) return;
    for (int64_t i = 0; i < rows_; ++i) {
      const int64_t tap = i / s_.in_channels;
      row_offsets_[i] = tap / s_.kernel_w * s_.dilation_h * x_step_.line +
                        tap % s_.kernel_w * s_.dilation_w * x_step_.pixel + i % s_.in_channels;
    }
  }

  Block block(int64_t b) const {
    Block block;
    block.image = b / line_blocks_ * block_images_;
    block.images = std::min(block_images_, s_.images - block.image);
    block.lines.begin = b % line_blocks_ * block_lines_;
    block.lines.end = std::min(block.lines.begin + block_lines_, s_.out_h);
    const int64_t top = block.lines.begin * s_.stride_h - s_.pad_top;
    const int64_t bottom =
        (block.lines.end - 1) * s_.stride_h - s_.pad_top + (s_.kernel_h - 1) * s_.dilation_h + 1;
    block.reads = {top, bottom};
    if (!merged_) {
      block.reads.begin = std::clamp<int64_t>(top, 0, s_.in_h);
      block.reads.end = std::clamp<int64_t>(bottom, block.reads.begin, s_.in_h);
    }
    return block;
  }

  void pack(const Block& at, T* packed) const {
    for (int64_t n = 0; n < at.images; ++n) {
      const T* image = x_ + (at.image + n) * x_strides_.image;
      for (int64_t h = at.reads.begin; h < at.reads.end; ++h) {
        const T* line = image + h * x_strides_.line;
        T* to = packed + n * x_step_.image + (h - at.reads.begin) * x_step_.line;
        merged_ ? pad_line(h, line, to) : pack_line(line, to);
      }
      for (int64_t h = at.lines.begin; h < at.lines.end; ++h)
        pack_gradients(
            dy_ + (at.image + n) * dy_strides_.image + h * dy_strides_.line,
            packed + x_block_ + n * dy_step_.image + (h - at.lines.begin) * dy_step_.line);
    }
  }

  void pack_line(const T* line, T* to) const {
    for (int64_t g = 0; g < s_.groups; ++g)
      kernel_.pack_rows({s_.in_w, s_.in_channels, s_.in_channels, tiles_, line + g * s_.in_channels,
                         x_strides_.pixel, to + g * tiles_ * x_panel_, x_panel_});
  }
  void pack_gradients(const T* line, T* to) const {
    for (int64_t g = 0; g < s_.groups; ++g)
      kernel_.pack_columns({s_.out_w, s_.out_channels, panels_ * kernel_.columns, panels_,
                            line + g * s_.out_channels, dy_strides_.pixel,
                            to + g * panels_ * dy_panel_, dy_panel_});
  }
  void pad_line(int64_t h, const T* line, T* to) const {
    const int64_t channels = s_.in_channels, width = x_step_.line / channels;
    const bool some = h >= 0 && h < s_.in_h;
    const int64_t left = some ? std::min(s_.pad_left, width) : width;
    const int64_t right = some ? std::min(left + s_.in_w, width) : width;
    std::fill(to, to + left * channels, T(0));
    std::fill(to + right * channels, to + width * channels, T(0));
    if (right > left)
      gemm_part<T>().copy_matrix(right - left, channels, line, x_strides_.pixel, 1,
                                 to + left * channels, channels);
  }

  // A tile of rows of one tap of one panel: the tap reads `down` and `across` of an output, inside
  // the image for the outputs h and w.
  struct Unit {
    int64_t panel, tap, group, tile, row, rows, down, across;
    OutputRange h, w;
  };
  void list_units() {
    for (int64_t panel = 0; panel < s_.groups * panels_; ++panel)
      for (int64_t tile = 0; tile < tiles_; ++tile)
        for (int64_t tap = 0; tap < taps_; ++tap) {
          const int64_t row = rows_ * tile / tiles_, end = rows_ * (tile + 1) / tiles_;
          const int64_t group = panel / panels_;
          Unit unit = {panel, tap, group, tile, row, end - row, 0, 0, {0, s_.out_h}, {0, s_.out_w}};
          if (!merged_) {
            unit.down = tap / s_.kernel_w * s_.dilation_h - s_.pad_top;
            unit.across = tap % s_.kernel_w * s_.dilation_w - s_.pad_left;
            unit.h = outputs_inside(unit.h, unit.down, s_.stride_h, s_.in_h);
            unit.w = outputs_inside(unit.w, unit.across, s_.stride_w, s_.in_w);
          }
          units_.push_back(unit);
        }
  }

  // Where sums go, and whether they add to what is there.
  struct Sums {
    T* dw;
    T* db;
    bool add;
  };

  void add(const Unit& unit, const Block& at, const T* packed, const Sums& to) const {
    const auto& [panel, tap, group, tile, row, rows, down, across, all_h, w] = unit;
    const int64_t begin = std::max(at.lines.begin, all_h.begin);
    const OutputRange h = {begin, std::max(begin, std::min(at.lines.end, all_h.end))};
    const T* x = packed + (merged_ ? 0 : (group * tiles_ + tile) * x_panel_);
    const T* dy = packed + x_block_ + panel * dy_panel_;
    if (!merged_)
      x += (h.begin * s_.stride_h + down - at.reads.begin) * x_step_.line +
           (w.begin * s_.stride_w + across) * x_step_.pixel;
    ConvPixels<T> pixels = {};
    pixels.images = at.images;
    pixels.lines = h.end - h.begin;
    pixels.pixels = w.end - w.begin;
    if (pixels.lines * pixels.pixels == 0) x = x_;
    pixels.x = x;
    pixels.x_step = {s_.stride_w * x_step_.pixel, s_.stride_h * x_step_.line, x_step_.image};
    pixels.x_offsets = row_offsets_.data() + (merged_ ? row : 0);
    pixels.dy = dy + (h.begin - at.lines.begin) * dy_step_.line + w.begin * dy_step_.pixel;
    pixels.dy_step = dy_step_;
    kernel_.tile(pixels, rows, to.dw + ((panel * taps_ + tap) * rows_ + row) * kernel_.columns,
                 to.add);
    if (to.db && tap == 0 && tile == 0)
      sum_gradients(at, dy, to.db + panel * kernel_.columns, to.add);
  }

  // The sum of dy is its product with an image of ones.
  void sum_gradients(const Block& at, const T* dy, T* db, bool add) const {
    const T one = 1;
    const int64_t offset = 0;
    kernel_.tile(
        {at.images, at.lines.end - at.lines.begin, s_.out_w, &one, {}, &offset, dy, dy_step_}, 1,
        db, add);
  }

  const ConvShape s_;
  const T* x_;
  const T* dy_;
  const ConvStrides x_strides_, dy_strides_;
  const ConvWeightKernel<T>& kernel_;
  const bool merged_;
  const int64_t taps_, rows_, tiles_, panels_;
  const int64_t sums_;  // elements of dw as run() lays it out
  int64_t block_lines_, line_blocks_, block_images_, blocks_, slices_;
  ConvSteps x_step_, dy_step_;  // of packed pixels
  int64_t x_panel_, x_block_, dy_panel_, dy_block_;
  std::vector<int64_t> row_offsets_;
  std::vector<Unit> units_;
};

// dw[out][in][taps] from [group][panel][taps][in][columns].
template <class T>
void unpack(const ConvShape& s, const T* packed, int64_t panels, int64_t columns, T* dw) {
  const int64_t taps = s.kernel_h * s.kernel_w, inputs = s.in_channels;
  parallel_for(0, s.groups * panels, 1, [&](int64_t begin, int64_t end) {
    const Scratch scratch(inputs * taps * columns * sizeof(T));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / panels, j = i % panels * columns;
      const int64_t n = std::min(columns, s.out_channels - j);
      // [taps][in] -> [in][taps], a panel of outputs at a time; then outputs go outermost.
      for (int64_t t = 0; t < taps; ++t)
        gemm_part<T>().copy_matrix(inputs, n, packed + (i * taps + t) * inputs * columns, columns,
                                   1, scratch.as<T>() + t * columns, taps * columns);
      gemm_part<T>().copy_matrix(n, inputs * taps, scratch.as<T>(), 1, columns,
                                 dw + (group * s.out_channels + j) * inputs * taps, inputs * taps);
    }
  });
}

}  // namespace

template <class T>
void conv_backward_weight(const ConvShape& s, const T* x, const ConvStrides& x_strides, const T* dy,
                          const ConvStrides& dy_strides, T* dw, T* db) {
  const int64_t outputs = s.groups * s.out_channels;
  const int64_t elements = outputs * s.in_channels * s.kernel_h * s.kernel_w;
  if (outputs == 0) return;
  if (s.images * s.out_h * s.out_w * elements == 0) {
    std::memset(dw, 0, elements * sizeof(T));
    if (db) std::memset(db, 0, outputs * sizeof(T));
    return;
  }
  FlushDenormals flush;
  ConvPass<T> pass = forward_pass(s, x, x_strides);
  if (is_depthwise(pass)) {
    pass.y_strides = dy_strides;
    return depthwise_weight_gradient(pass, dy, dw, db);
  }
  const bool winograd = s.dilation_h == 1 && s.dilation_w == 1 && winograd_fits(pass);
  std::optional<WeightGradient<T>> direct;
  if (!winograd) direct.emplace(s, x, x_strides, dy, dy_strides);
  const int64_t columns = direct ? direct->columns() : conv_part<T>().weight_tall.columns;
  const int64_t panels = ceil_div(s.out_channels, columns);
  const Scratch packed(panels * columns * elements / s.out_channels * sizeof(T));
  const Scratch sums(s.groups * panels * columns * sizeof(T));
  T* const bias_sums = db ? sums.as<T>() : nullptr;
  if (direct) {
    direct->run(packed.as<T>(), bias_sums);
  } else {
    pass.y_strides = dy_strides;
    winograd_weight_gradient(pass, dy, packed.as<T>(), bias_sums);
  }
  unpack(s, packed.as<T>(), panels, columns, dw);
  for (int64_t g = 0; db && g < s.groups; ++g)
    std::memcpy(db + g * s.out_channels, sums.as<T>() + g * panels * columns,
                s.out_channels * sizeof(T));
}

template void conv_backward_weight(const ConvShape&, const float*, const ConvStrides&, const float*,
                                   const ConvStrides&, float*, float*);
template void conv_backward_weight(const ConvShape&, const double*, const ConvStrides&,
                                   const double*, const ConvStrides&, double*, double*);

}  // namespace lepton
