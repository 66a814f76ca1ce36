// Depthwise convolution and its weight gradient on the line kernels.
// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_depthwise.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/parallel.h"
#include "core/storage.h"
#include "ops/kernel_part.h"
#include "ops/layout.h"

namespace lepton {
namespace {

// Elements of the output that one task computes: enough to be worth handing out.
constexpr int64_t kTaskOutputs = 1 << 16;
// Partial sums of a weight gradient.
constexpr int64_t kGroups = 16;

// Neighbouring pixels of an output line that have the same taps.
struct Run {
  int64_t begin, end;
  TapRange taps;
};

// The lines of one pass as the kernels take them.
template <class T>
class LineRuns {
 public:
  explicit LineRuns(const ConvPass<T>& pass, bool stream = false) : p_(pass), stream_(stream) {
    for (int64_t w = 0; w < p_.out_w; ++w) {
      const TapRange taps = taps_inside(p_.taps_w, w * p_.step_w, w * p_.step_w, p_.in_w);
      if (runs_.empty() || runs_.back().taps != taps) runs_.push_back({w, w, taps});
      runs_.back().end = w + 1;
    }
  }

  /// Calls use(taps, first pixel) for the runs of line h of image n.
  template <class Use>
  void for_each_run(int64_t n, int64_t h, Use use) const {
    const TapRange rows = taps_inside(p_.taps_h, h * p_.step_h, h * p_.step_h, p_.in_h);
    std::vector<int64_t> x_offsets, weight_offsets, next_offsets;
    x_offsets.reserve(p_.taps_h.size() * p_.taps_w.size());
    weight_offsets.reserve(p_.taps_h.size() * p_.taps_w.size());
    const int64_t last = rows.last == 0 ? 0 : p_.taps_h[rows.last - 1].offset;
    for (int64_t r = 1; r <= p_.step_h && h * p_.step_h + last + r < p_.in_h; ++r)
      next_offsets.push_back((last + r) * p_.x_strides.line);
    for (const Run& run : runs_) {
      x_offsets.clear(), weight_offsets.clear();
      for (int64_t r = rows.first; r < rows.last; ++r)
        for (int64_t s = run.taps.first; s < run.taps.last; ++s) {
          const ConvTap &a = p_.taps_h[r], &b = p_.taps_w[s];
          x_offsets.push_back(a.offset * p_.x_strides.line + b.offset * p_.x_strides.pixel);
          weight_offsets.push_back((a.weight * p_.weight_h + b.weight * p_.weight_w) * p_.groups);
        }
      DepthwiseTaps<T> taps = {};
      taps.pixels = run.end - run.begin;
      taps.channels = p_.groups;
      taps.taps = static_cast<int64_t>(x_offsets.size());
      taps.x = p_.x + n * p_.x_strides.image + h * p_.step_h * p_.x_strides.line +
               run.begin * p_.step_w * p_.x_strides.pixel;
      taps.x_pixel = p_.step_w * p_.x_strides.pixel;
      taps.x_offsets = x_offsets.data();
      taps.weight_offsets = weight_offsets.data();
      taps.next_lines = static_cast<int64_t>(next_offsets.size());
      taps.next_offsets = next_offsets.data();
      taps.stream = stream_;
      use(taps, run.begin);
    }
  }

 private:
  const ConvPass<T>& p_;
  bool stream_;
  std::vector<Run> runs_;
};

// x with neighbouring channels.
template <class T>
void copy_channels_last(ConvPass<T>& pass, T* out) {
  const ConvStrides from = pass.x_strides;
  const T* x = pass.x;
  const int64_t channels = pass.groups, lines = pass.in_h, pixels = pass.in_w;
  parallel_for(0, pass.images * lines, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      gemm_part<T>().copy_matrix(pixels, channels,
                                 x + i / lines * from.image + i % lines * from.line, from.pixel,
                                 from.channel, out + i * pixels * channels, channels);
  });
  pass.x = out;
  pass.x_strides = {lines * pixels * channels, 1, pixels * channels, channels};
}

}  // namespace

template <class T>
void run_depthwise(const std::vector<ConvPass<T>>& phases) {
  FlushDenormals flush;
  std::vector<ConvPass<T>> passes = phases;
  const ConvPass<T>& one = phases.front();
  const int64_t channels = one.groups, taps = one.weight_plane;
  std::optional<Scratch> copy;
  if (one.x_strides.channel != 1) {
    copy.emplace(one.images * one.in_h * one.in_w * channels * sizeof(T));
    copy_channels_last(passes.front(), copy->as<T>());
  }
  const Scratch weight(taps * channels * sizeof(T));  // [taps][channels]
  gemm_part<T>().copy_matrix(taps, channels, one.weight, 1, taps, weight.as<T>(), channels);
  int64_t lines = 0, elements = 0;  // of an image
  for (const ConvPass<T>& pass : passes) {
    lines = std::max(lines, pass.out_h);
    elements += pass.out_h * pass.out_w * channels;
  }
  if (elements == 0) return;
  // x passes through the cache as well, and leaves y less of it: 12.8 MB of y stored past it were
  // written up to 1.5 times as fast, and what read them next was no slower.
  const bool stream = is_streamed(one.images * (one.in_h * one.in_w * channels + elements) *
                                  static_cast<int64_t>(sizeof(T)));
  std::vector<LineRuns<T>> of;
  for (ConvPass<T>& pass : passes) {
    pass.x = passes.front().x, pass.x_strides = passes.front().x_strides;
    of.emplace_back(pass, stream);
  }
  const int64_t grain = std::max<int64_t>(kTaskOutputs * lines / elements, 1);
  parallel_for(0, one.images * lines, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (size_t k = 0; k < passes.size(); ++k) {
        const ConvPass<T>& p = passes[k];
        const int64_t n = i / lines, h = i % lines;
        if (h >= p.out_h) continue;
        T* y = p.y + n * p.y_strides.image + h * p.y_strides.line;
        of[k].for_each_run(n, h, [&](const DepthwiseTaps<T>& run, int64_t first) {
          conv_part<T>().depthwise_line(run, weight.as<T>(), p.bias, y + first * p.y_strides.pixel,
                                        p.y_strides.pixel);
        });
      }
    if (stream) gemm_part<T>().finish_streaming();
  });
}

template <class T>
void depthwise_weight_gradient(const ConvPass<T>& forward, const T* dy, T* dw, T* db) {
  FlushDenormals flush;
  const ConvPass<T>& p = forward;
  const int64_t channels = p.groups, taps = p.weight_plane, lines = p.images * p.out_h;
  const int64_t size = (taps + 1) * channels;  // the sums over dy come last
  const int64_t groups = std::clamp<int64_t>(lines, 1, kGroups);
  const Scratch partial(groups * size * sizeof(T));
  const LineRuns<T> of(p);
  parallel_for(0, groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      T* sums = partial.as<T>() + g * size;
      std::fill(sums, sums + size, T(0));
      for (int64_t i = lines * g / groups; i < lines * (g + 1) / groups; ++i) {
        const int64_t n = i / p.out_h, h = i % p.out_h;
        const T* line = dy + n * p.y_strides.image + h * p.y_strides.line;
        of.for_each_run(n, h, [&](const DepthwiseTaps<T>& run, int64_t first) {
          conv_part<T>().depthwise_weight(run, line + first * p.y_strides.pixel, p.y_strides.pixel,
                                          sums, db ? sums + taps * channels : nullptr);
        });
      }
    }
  });
  T* total = partial.as<T>();
  for (int64_t g = 1; g < groups; ++g)
    for (int64_t i = 0; i < size; ++i) total[i] += total[g * size + i];
  gemm_part<T>().copy_matrix(channels, taps, total, 1, channels, dw, taps);
  if (db) std::memcpy(db, total + taps * channels, channels * sizeof(T));
}

#define LEPTON_INSTANTIATE(T)                                   \
  template void run_depthwise(const std::vector<ConvPass<T>>&); \
  template void depthwise_weight_gradient(const ConvPass<T>&, const T*, T*, T*);
LEPTON_INSTANTIATE(float)
LEPTON_INSTANTIATE(double)
#undef LEPTON_INSTANTIATE

}  // namespace lepton
