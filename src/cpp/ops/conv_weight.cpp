// Weight gradient of a convolution: operands read where they lie, no patch matrix.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <optional>

#include "core/parallel.h"
#include "core/storage.h"
#include "ops/conv_passes.h"
#include "ops/kernel_part.h"

namespace lepton {
namespace {

// All cuts follow from the shape alone: the sum has the same bits for any number of threads.
constexpr int64_t kBlockPixels = 448;  // of dy, near the first-level cache
constexpr int64_t kGroups = 16;        // partial sums of a small gradient
constexpr int64_t kOwnedElements =
    400000;  // above this a task owns its weights and walks all pixels

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
// Of possibly negative a.
constexpr int64_t ceil_div_signed(int64_t a, int64_t b) {
  return a >= 0 ? ceil_div(a, b) : -(-a / b);
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
        depthwise_(shape.groups > 1 && shape.in_channels == 1 && shape.out_channels == 1),
        kernel_(choose_kernel()),
        panels_(depthwise_ ? 1 : ceil_div(shape.out_channels, kernel_.columns)),
        row_(depthwise_ ? shape.groups : panels_ * kernel_.columns),
        size_((depthwise_ ? 1 : s_.groups * s_.in_channels) * s_.kernel_h * s_.kernel_w * row_) {
    block_lines_ = std::clamp<int64_t>(kBlockPixels / s_.out_w, 1, s_.out_h);
    line_blocks_ = ceil_div(s_.out_h, block_lines_);
    block_images_ =
        line_blocks_ > 1 ? 1 : std::max<int64_t>(kBlockPixels / (s_.out_h * s_.out_w), 1);
    blocks_ = ceil_div(s_.images, block_images_) * line_blocks_;
  }

  /// dw as [group][h][w][in][row()], columns past the output channels undefined.
  void run(T* dw) const {
    const int64_t owners = depthwise_ ? 1 : s_.groups * panels_;
    if (size_ > kOwnedElements) {
      parallel_for(0, owners * s_.kernel_h, 1, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t)
          for (int64_t b = 0; b < blocks_; ++b)
            add_block(b, t % owners, t / owners, t / owners + 1, dw, b > 0);
      });
      return;
    }
    const int64_t groups = std::min(kGroups, blocks_);
    const Scratch partial(groups * size_ * sizeof(T));
    parallel_for(0, groups, 1, [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g)
        for (int64_t b = blocks_ * g / groups; b < blocks_ * (g + 1) / groups; ++b)
          for (int64_t owner = 0; owner < owners; ++owner)
            add_block(b, owner, 0, s_.kernel_h, partial.as<T>() + g * size_,
                      b > blocks_ * g / groups);
    });
    parallel_for(0, size_, 4096, [&](int64_t begin, int64_t end) {
      std::memcpy(dw + begin, partial.as<T>() + begin, (end - begin) * sizeof(T));
      for (int64_t g = 1; g < groups; ++g) {
        const T* p = partial.as<T>() + g * size_;
        for (int64_t i = begin; i < end; ++i) dw[i] += p[i];
      }
    });
  }

  bool depthwise() const { return depthwise_; }
  int64_t size() const { return size_; }
  int64_t row() const { return row_; }

 private:
  const ConvWeightKernel<T>& choose_kernel() const {
    const auto& part = conv_part<T>();
    if (s_.out_channels <= part.weight_narrow.columns) return part.weight_narrow;
    return s_.out_channels <= part.weight_tall.columns ? part.weight_tall : part.weight_wide;
  }

  // Adds the pixels of one block to the taps [r0, r1) of one panel (group and output channels).
  void add_block(int64_t block, int64_t owner, int64_t r0, int64_t r1, T* dw, bool add) const {
    const int64_t n0 = block / line_blocks_ * block_images_;
    const int64_t line0 = block % line_blocks_ * block_lines_;
    const int64_t line1 = std::min(line0 + block_lines_, s_.out_h);
    const int64_t group = owner / panels_, j = owner % panels_ * kernel_.columns;
    ConvPixels<T> pixels = {};
    pixels.images = std::min(block_images_, s_.images - n0);
    pixels.x_step = {s_.stride_w * x_strides_.pixel, s_.stride_h * x_strides_.line,
                     x_strides_.image};
    pixels.dy_step = {dy_strides_.pixel, dy_strides_.line, dy_strides_.image};
    const T* dy =
        dy_ + n0 * dy_strides_.image + line0 * dy_strides_.line + group * s_.out_channels + j;
    std::optional<Scratch> ragged;
    const int64_t width = depthwise_ ? row_ : std::min(kernel_.columns, s_.out_channels - j);
    if (!depthwise_ && width < kernel_.columns) {
      // A whole tile would read past the last pixel.
      ragged.emplace(pixels.images * (line1 - line0) * s_.out_w * kernel_.columns * sizeof(T));
      copy_panel(dy, pixels.images, line1 - line0, width, ragged->as<T>());
      dy = ragged->as<T>();
      pixels.dy_step.pixel = kernel_.columns;
      pixels.dy_step.line = s_.out_w * kernel_.columns;
      pixels.dy_step.image = (line1 - line0) * pixels.dy_step.line;
    }
    for (int64_t r = r0; r < r1; ++r)
      for (int64_t s = 0; s < s_.kernel_w; ++s) {
        const int64_t dh = r * s_.dilation_h - s_.pad_top, dv = s * s_.dilation_w - s_.pad_left;
        const int64_t h0 = std::max(line0, ceil_div_signed(-dh, s_.stride_h));
        const int64_t h1 = std::min(line1, ceil_div_signed(s_.in_h - dh, s_.stride_h));
        const int64_t w0 = std::max<int64_t>(0, ceil_div_signed(-dv, s_.stride_w));
        const int64_t w1 = std::min(s_.out_w, ceil_div_signed(s_.in_w - dv, s_.stride_w));
        const bool some = h1 > h0 && w1 > w0;
        pixels.lines = some ? h1 - h0 : 0;
        pixels.pixels = some ? w1 - w0 : 0;
        pixels.x = some ? x_ + n0 * x_strides_.image + (h0 * s_.stride_h + dh) * x_strides_.line +
                              (w0 * s_.stride_w + dv) * x_strides_.pixel + group * s_.in_channels
                        : x_;
        pixels.dy = some ? dy + (h0 - line0) * pixels.dy_step.line + w0 * pixels.dy_step.pixel : dy;
        if (depthwise_)
          conv_part<T>().depthwise_weight(pixels, row_, dw + (r * s_.kernel_w + s) * row_, add);
        else
          add_tap(pixels,
                  dw + ((group * s_.kernel_h + r) * s_.kernel_w + s) * s_.in_channels * row_ + j,
                  add);
      }
  }

  void add_tap(ConvPixels<T> pixels, T* dw, bool add) const {
    const int64_t tiles = ceil_div(s_.in_channels, kernel_.max_rows);
    const T* x = pixels.x;
    for (int64_t q = 0; q < tiles; ++q) {
      const int64_t c = s_.in_channels * q / tiles;
      pixels.x = x + c;
      kernel_.tile(pixels, s_.in_channels * (q + 1) / tiles - c, dw + c * row_, row_, add);
    }
  }

  void copy_panel(const T* dy, int64_t images, int64_t lines, int64_t width, T* out) const {
    const int64_t nr = kernel_.columns;
    std::memset(out, 0, images * lines * s_.out_w * nr * sizeof(T));
    for (int64_t n = 0; n < images; ++n)
      for (int64_t h = 0; h < lines; ++h, out += s_.out_w * nr)
        gemm_part<T>().copy_matrix(s_.out_w, width,
                                   dy + n * dy_strides_.image + h * dy_strides_.line,
                                   dy_strides_.pixel, 1, out, nr);
  }

  const ConvShape s_;
  const T* x_;
  const T* dy_;
  const ConvStrides x_strides_, dy_strides_;
  const bool depthwise_;
  const ConvWeightKernel<T>& kernel_;
  const int64_t panels_, row_, size_;
  int64_t block_lines_, line_blocks_, block_images_, blocks_;
};

// With few channels a line of taps and channels, which are neighbours in memory, fills the tile's
// rows better than channels alone. Then the image needs its padding, as a copy.
template <class T>
bool merges_taps(const ConvShape& s) {
  return s.groups == 1 && s.dilation_w == 1 && s.kernel_w > 1 &&
         s.in_channels * 2 <= conv_part<T>().weight_wide.max_rows;
}

// [image][line][pixel][channel] with columns of zeros for the padding.
template <class T>
void copy_padded(const ConvShape& s, int64_t width, const T* x, const ConvStrides& strides,
                 T* out) {
  const int64_t left = std::min(s.pad_left, width), right = std::min(left + s.in_w, width);
  const int64_t channels = s.in_channels;
  parallel_for(0, s.images * s.in_h, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* line = out + i * width * channels;
      std::fill(line, line + left * channels, T(0));
      gemm_part<T>().copy_matrix(right - left, channels,
                                 x + i / s.in_h * strides.image + i % s.in_h * strides.line,
                                 strides.pixel, strides.channel, line + left * channels, channels);
      std::fill(line + right * channels, line + width * channels, T(0));
    }
  });
}

// dw[out][in][taps] from [group][taps][in][row].
template <class T>
void unpack(const ConvShape& s, const T* packed, int64_t row, T* dw) {
  const int64_t taps = s.kernel_h * s.kernel_w, inputs = s.in_channels;
  const int64_t block = 16, blocks = ceil_div(s.out_channels, block);
  parallel_for(0, s.groups * blocks, 1, [&](int64_t begin, int64_t end) {
    const Scratch scratch(inputs * taps * block * sizeof(T));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / blocks, j = i % blocks * block;
      const int64_t n = std::min(block, s.out_channels - j);
      // [taps][in] -> [in][taps], a block of outputs at a time; then outputs go outermost.
      for (int64_t t = 0; t < taps; ++t)
        gemm_part<T>().copy_matrix(inputs, n, packed + (group * taps + t) * inputs * row + j, row,
                                   1, scratch.as<T>() + t * block, taps * block);
      gemm_part<T>().copy_matrix(n, inputs * taps, scratch.as<T>(), 1, block,
                                 dw + (group * s.out_channels + j) * inputs * taps, inputs * taps);
    }
  });
}

}  // namespace

template <class T>
void conv_backward_weight(const ConvShape& s, const T* x, const ConvStrides& x_strides, const T* dy,
                          const ConvStrides& dy_strides, T* dw) {
  const int64_t elements = s.groups * s.out_channels * s.in_channels * s.kernel_h * s.kernel_w;
  if (elements == 0) return;
  if (s.images * s.out_h * s.out_w == 0) {
    std::memset(dw, 0, elements * sizeof(T));
    return;
  }
  FlushDenormals flush;
  ConvShape cut = s;
  ConvStrides cut_strides = x_strides;
  std::optional<Scratch> padded;
  if (merges_taps<T>(s)) {
    const int64_t width = std::max((s.out_w - 1) * s.stride_w + s.kernel_w, s.pad_left + s.in_w);
    padded.emplace(s.images * s.in_h * width * s.in_channels * sizeof(T));
    copy_padded(s, width, x, x_strides, padded->as<T>());
    x = padded->as<T>();
    const int64_t pixel = s.in_channels, line = width * pixel;
    cut_strides = {s.in_h * line, 1, line, pixel};
    cut.in_channels = s.in_channels * s.kernel_w;
    cut.in_w = width;
    cut.kernel_w = 1;
    cut.pad_left = 0;
  }
  const WeightGradient<T> gradient(cut, x, cut_strides, dy, dy_strides);
  const Scratch packed(gradient.size() * sizeof(T));
  gradient.run(packed.as<T>());
  if (gradient.depthwise())
    gemm_part<T>().copy_matrix(s.groups, s.kernel_h * s.kernel_w, packed.as<T>(), 1, s.groups, dw,
                               s.kernel_h * s.kernel_w);
  else
    unpack(s, packed.as<T>(), gradient.row(), dw);
}

template void conv_backward_weight(const ConvShape&, const float*, const ConvStrides&, const float*,
                                   const ConvStrides&, float*);
template void conv_backward_weight(const ConvShape&, const double*, const ConvStrides&,
                                   const double*, const ConvStrides&, double*);

}  // namespace lepton
