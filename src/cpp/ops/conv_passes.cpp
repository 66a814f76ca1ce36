// Turns the passes of a convolution into matrix products or direct convolutions.
// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_passes.h"

#include <algorithm>

#include "ops/conv_depthwise.h"
#include "ops/gemm_blocked.h"
#include "ops/layout.h"

namespace lepton {
namespace {

// Matrix products of large results and sums up to this run as direct convolutions, which store past
// the caches, with lines of so many pixels.
constexpr int64_t kMostSteps = 128, kLeastLine = 16, kMostLine = 32;

bool is_matrix_product(const ConvShape& s) {
  return s.kernel_h * s.kernel_w * s.stride_h * s.stride_w * s.groups == 1 && s.in_h == s.out_h &&
         s.in_w == s.out_w && s.pad_top == 0 && s.pad_left == 0;
}
// Pixels of all images one after the other, channels innermost.
bool is_dense(const ConvShape& s, const ConvStrides& x, int64_t channels) {
  return x.channel == 1 && x.pixel >= channels && x.line == s.in_w * x.pixel &&
         x.image == s.in_h * x.line;
}
// The longest line that all pixels together are a multiple of, or 0.
int64_t line_width(const ConvShape& s) {
  int64_t width = kMostLine;
  while (width >= kLeastLine && s.images * s.in_h * s.in_w % width > 0) --width;
  return width >= kLeastLine ? width : 0;
}
// Rearranges the pixels of a matrix product into lines of one image, where it shall be a
// convolution.
bool cut_into_lines(ConvShape& s, ConvStrides& x, ConvStrides& y, int64_t steps,
                    int64_t result_bytes) {
  const int64_t width = line_width(s);
  if (width == 0 || steps > kMostSteps || result_bytes < kStreamBytes) return false;
  const int64_t lines = s.images * s.in_h * s.in_w / width;
  s.images = 1, s.in_h = s.out_h = lines, s.in_w = s.out_w = width;
  for (ConvStrides* of : {&x, &y}) of->line = width * of->pixel, of->image = lines * of->line;
  return true;
}

}  // namespace

template <class T>
ConvPass<T> forward_pass(const ConvShape& s, const T* x, const ConvStrides& x_strides) {
  ConvPass<T> pass = {};
  pass.images = s.images, pass.groups = s.groups;
  pass.in_channels = s.in_channels, pass.out_channels = s.out_channels;
  pass.in_h = s.in_h, pass.in_w = s.in_w, pass.out_h = s.out_h, pass.out_w = s.out_w;
  pass.step_h = s.stride_h, pass.step_w = s.stride_w;
  for (int64_t r = 0; r < s.kernel_h; ++r) pass.taps_h.push_back({r * s.dilation_h - s.pad_top, r});
  for (int64_t r = 0; r < s.kernel_w; ++r)
    pass.taps_w.push_back({r * s.dilation_w - s.pad_left, r});
  pass.x = x, pass.x_strides = x_strides;
  pass.weight_plane = s.kernel_h * s.kernel_w;
  pass.weight_in = pass.weight_plane;
  pass.weight_out = s.in_channels * pass.weight_in;
  pass.weight_group = s.out_channels * pass.weight_out;
  pass.weight_h = s.kernel_w, pass.weight_w = 1;
  return pass;
}

template <class T>
void conv_forward(const ConvShape& shape, const T* x, const ConvStrides& x_layout,
                  const Tensor& weight, const T* bias, T* y, const ConvStrides& y_layout) {
  ConvShape s = shape;
  ConvStrides x_strides = x_layout, y_strides = y_layout;
  const int64_t pixels = s.images * s.in_h * s.in_w;
  if (is_matrix_product(s) && is_dense(s, x_strides, s.in_channels) &&
      is_dense(s, y_strides, s.out_channels) &&
      !cut_into_lines(s, x_strides, y_strides, s.in_channels, pixels * s.out_channels * sizeof(T)))
    return gemm_blocked<T>({pixels,
                            s.out_channels,
                            s.in_channels,
                            {x, x_strides.pixel, 1},
                            {weight.data<T>(), 1, s.in_channels},
                            y,
                            y_strides.pixel,
                            bias});
  ConvPass<T> pass = forward_pass(s, x, x_strides);
  pass.weight = weight.data<T>(), pass.weight_tensor = &weight;
  pass.bias = bias;
  pass.y = y, pass.y_strides = y_strides;
  if (is_depthwise(pass))
    run_depthwise<T>({pass});
  else
    run_passes<T>({pass});
}

namespace {

// Taps of the outputs that reach the inputs at phase + stride * i, by rising offset.
std::vector<ConvTap> phase_taps(int64_t phase, int64_t kernel, int64_t stride, int64_t dilation,
                                int64_t pad) {
  std::vector<ConvTap> taps;
  for (int64_t r = kernel; r-- > 0;)
    if ((phase + pad - r * dilation) % stride == 0)
      taps.push_back({(phase + pad - r * dilation) / stride, r});
  return taps;
}

}  // namespace

template <class T>
void conv_backward_data(const ConvShape& shape, const T* dy, const ConvStrides& dy_layout,
                        const Tensor& weight, T* dx, const ConvStrides& dx_layout, const T* bias) {
  ConvShape s = shape;
  ConvStrides dy_strides = dy_layout, dx_strides = dx_layout;
  const int64_t pixels = s.images * s.in_h * s.in_w;
  if (is_matrix_product(s) && is_dense(s, dy_strides, s.out_channels) &&
      is_dense(s, dx_strides, s.in_channels) &&
      !cut_into_lines(s, dy_strides, dx_strides, s.out_channels,
                      pixels * s.in_channels * sizeof(T)))
    return gemm_blocked<T>({pixels,
                            s.in_channels,
                            s.out_channels,
                            {dy, dy_strides.pixel, 1},
                            {weight.data<T>(), s.in_channels, 1},
                            dx,
                            dx_strides.pixel,
                            bias});
  // Inputs a stride apart see the same taps: each such phase is a convolution of dy with stride 1.
  std::vector<ConvPass<T>> passes;
  for (int64_t ph = 0; ph < std::min(s.stride_h, s.in_h); ++ph)
    for (int64_t pw = 0; pw < std::min(s.stride_w, s.in_w); ++pw) {
      ConvPass<T> pass = {};
      pass.images = s.images, pass.groups = s.groups;
      pass.in_channels = s.out_channels, pass.out_channels = s.in_channels;
      pass.in_h = s.out_h, pass.in_w = s.out_w;
      pass.out_h = ceil_div(s.in_h - ph, s.stride_h),
      pass.out_w = ceil_div(s.in_w - pw, s.stride_w);
      pass.step_h = pass.step_w = 1;
      pass.taps_h = phase_taps(ph, s.kernel_h, s.stride_h, s.dilation_h, s.pad_top);
      pass.taps_w = phase_taps(pw, s.kernel_w, s.stride_w, s.dilation_w, s.pad_left);
      if (pass.taps_h.empty() || pass.taps_w.empty()) pass.taps_h.clear(), pass.taps_w.clear();
      pass.x = dy, pass.x_strides = dy_strides;
      pass.weight = weight.data<T>(), pass.weight_tensor = &weight;
      pass.weight_plane = s.kernel_h * s.kernel_w;
      pass.weight_out = pass.weight_plane;
      pass.weight_in = s.in_channels * pass.weight_plane;
      pass.weight_group = s.out_channels * pass.weight_in;
      pass.weight_h = s.kernel_w, pass.weight_w = 1;
      pass.bias = bias;
      pass.y = dx + ph * dx_strides.line + pw * dx_strides.pixel;
      pass.y_strides = {dx_strides.image, 1, s.stride_h * dx_strides.line,
                        s.stride_w * dx_strides.pixel};
      passes.push_back(std::move(pass));
    }
  if (!passes.empty() && is_depthwise(passes.front())) return run_depthwise(passes);
  run_passes(passes);
}

#define LEPTON_INSTANTIATE(T)                                                                     \
  template ConvPass<T> forward_pass(const ConvShape&, const T*, const ConvStrides&);              \
  template void conv_forward(const ConvShape&, const T*, const ConvStrides&, const Tensor&,       \
                             const T*, T*, const ConvStrides&);                                   \
  template void conv_backward_data(const ConvShape&, const T*, const ConvStrides&, const Tensor&, \
                                   T*, const ConvStrides&, const T*);
LEPTON_INSTANTIATE(float)
LEPTON_INSTANTIATE(double)
#undef LEPTON_INSTANTIATE

}  // namespace lepton
