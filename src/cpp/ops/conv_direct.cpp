// Direct convolution: packs weights, cuts images into strips, runs the register tiles.
// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_direct.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/derived.h"
#include "core/parallel.h"
#include "ops/conv_winograd.h"
#include "ops/kernel_part.h"
#include "ops/layout.h"

namespace lepton {

TapRange taps_inside(const std::vector<ConvTap>& taps, int64_t begin, int64_t end, int64_t length) {
  TapRange range = {0, static_cast<int64_t>(taps.size())};
  while (range.first < range.last && end + taps[range.first].offset < 0) ++range.first;
  while (range.last > range.first && begin + taps[range.last - 1].offset >= length) --range.last;
  return range;
}

namespace {

// A strip of the input stays in a core's second-level cache beside a panel of weights.
constexpr int64_t kStripBytes = 256 * 1024;
constexpr int64_t kStripLines = 8;
constexpr int64_t kStripPixels = 200;
// Above this many steps of the sum the weights of a wide tile no longer fit that cache.
constexpr int64_t kWideSteps = 1152;
// All weights up to this size stay in that cache from line to line: lines are then finished one by
// one, and their pixels are written in one go.
constexpr int64_t kLineWeightBytes = 128 * 1024;
constexpr int64_t kCacheLine = 64;

template <class T>
class Direct {
 public:
  explicit Direct(const ConvPass<T>& pass)
      : p_(pass),
        channels_(pass.groups * pass.in_channels),
        taps_(static_cast<int64_t>(pass.taps_h.size() * pass.taps_w.size())),
        steps_(taps_ * pass.in_channels),
        kernel_(choose_kernel()),
        panels_(ceil_div(pass.out_channels, kernel_.columns)) {
    first_h_ = p_.taps_h.empty() ? 0 : p_.taps_h.front().offset;
    first_w_ = p_.taps_w.empty() ? 0 : p_.taps_w.front().offset;
    const int64_t last_w = p_.taps_w.empty() ? 0 : p_.taps_w.back().offset;
    reach_h_ = p_.taps_h.empty() ? 1 : p_.taps_h.back().offset - first_h_ + 1;
    width_ = (p_.out_w - 1) * p_.step_w + last_w - first_w_ + 1;
    in_place_ =
        taps_ == 0 || (p_.x_strides.channel == 1 && first_w_ >= 0 && first_w_ + width_ <= p_.in_w);
    pixel_ = in_place_ ? p_.x_strides.pixel : channels_;
    line_ = in_place_ ? p_.x_strides.line : channels_ * width_;
    by_line_ = panels_ * kernel_.columns * steps_ * kItem <= kLineWeightBytes;
    stream_ = streams();
    cut_strips();
    list_segments();
    find_taps_across();
  }

  void run() {
    pack();
    const int64_t strips = ceil_div(p_.images, strip_images_) * strips_;
    const double flops =
        2.0 * steps_ * p_.out_channels * p_.groups * p_.images * p_.out_h * p_.out_w;
    const int64_t wanted = flops > kParallelFlops ? 4 * num_threads() : 1;
    // Few strips: several tasks share one, each with some of the panels.
    const int64_t all = p_.groups * panels_;
    const int64_t parts = std::clamp<int64_t>(ceil_div(wanted, strips), 1, all);
    parallel_for(0, strips * parts, wanted > 1 ? 1 : strips * parts,
                 [&](int64_t begin, int64_t end) {
                   for (int64_t t = begin; t < end; ++t)
                     run_strip(t / parts, all * (t % parts) / parts, all * (t % parts + 1) / parts);
                 });
  }

 private:
  const GemmKernel<T>& choose_kernel() const {
    const auto& part = gemm_part<T>();
    if (p_.out_channels <= part.narrow.columns) return part.narrow;
    return steps_ <= kWideSteps && p_.out_channels > part.tall.columns ? part.wide : part.tall;
  }

  // A large result goes past the caches where tiles write whole cache lines of it.
  bool streams() const {
    const int64_t vector = gemm_part<T>().lanes * kItem, tile = kernel_.columns * kItem;
    const ConvStrides& to = p_.y_strides;
    return p_.images * p_.out_h * p_.out_w * p_.groups * p_.out_channels * kItem >= kStreamBytes &&
           tile % kCacheLine == 0 && p_.out_channels % kernel_.columns == 0 &&
           (reinterpret_cast<intptr_t>(p_.y) | to.image * kItem | to.line * kItem |
            to.pixel * kItem) %
                   vector ==
               0;
  }

  // Lines of one image, or whole images if they are small.
  void cut_strips() {
    const int64_t bytes = width_ * channels_ * kItem;
    const int64_t fit = std::max<int64_t>(kStripBytes / std::max<int64_t>(bytes, 1), 1);
    const int64_t lines = std::max<int64_t>((fit - reach_h_) / p_.step_h + 1, 1);
    strip_lines_ = std::min(p_.out_h, p_.out_h <= 14 ? lines : std::min(lines, kStripLines));
    strips_ = ceil_div(p_.out_h, strip_lines_);
    strip_reach_ = (strip_lines_ - 1) * p_.step_h + reach_h_;
    strip_images_ = 1;
    if (strips_ == 1)
      strip_images_ =
          std::clamp<int64_t>(std::min(kStripPixels / (p_.out_h * p_.out_w), fit / strip_reach_), 1,
                              std::max<int64_t>(p_.images, 1));
  }

  // Taps that are neighbours in memory make one run of the sum.
  void list_segments() {
    const int64_t across = static_cast<int64_t>(p_.taps_w.size());
    bool merge = p_.groups == 1 && pixel_ == p_.in_channels;
    for (int64_t i = 1; i < across; ++i)
      merge &= p_.taps_w[i].offset == p_.taps_w[i - 1].offset + 1;
    line_segments_ = merge ? std::min<int64_t>(across, 1) : across;
    segment_length_ = merge ? across * p_.in_channels : p_.in_channels;
    for (const ConvTap& h : p_.taps_h)
      for (int64_t i = 0; i < line_segments_; ++i)
        offsets_.push_back((h.offset - first_h_) * line_ +
                           (p_.taps_w[i].offset - first_w_) * pixel_);
  }

  void find_taps_across() {
    const int64_t tiles = ceil_div(p_.out_w, kernel_.max_rows);
    for (int64_t q = 0; q < tiles; ++q)
      taps_across_.push_back(taps_inside(p_.taps_w, p_.out_w * q / tiles * p_.step_w,
                                         (p_.out_w * (q + 1) / tiles - 1) * p_.step_w, p_.in_w));
  }

  void pack() {
    const int64_t columns = kernel_.columns;
    const int64_t panels = p_.groups * panels_;
    panel_size_ = columns * steps_;
    packed_ = derive(
        *p_.weight_tensor, packing(columns), panels * panel_size_ * sizeof(T),
        [&](std::byte* block) { pack_weights(panels, columns, reinterpret_cast<T*>(block)); });
    weight_ = reinterpret_cast<const T*>(packed_->data());
    if (!p_.bias) return;
    bias_.emplace(panels * columns * sizeof(T));
    for (int64_t i = 0; i < panels; ++i) pack_bias(i, columns);
  }

  // Everything the packed weights depend on beside the weights is in the list of numbers.
  Derivation packing(int64_t columns) const {
    Derivation how = {"direct", {columns, p_.in_channels, p_.weight_in, p_.weight_out, p_.groups}};
    for (const auto* taps : {&p_.taps_h, &p_.taps_w})
      for (const ConvTap& tap : *taps) how.details.push_back(tap.weight);
    how.details.push_back(static_cast<int64_t>(p_.taps_h.size()));
    return how;
  }

  void pack_weights(int64_t panels, int64_t columns, T* packed) const {
    parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t group = i / panels_, j = i % panels_ * columns;
        pack_panel(p_.weight + group * p_.weight_group + j * p_.weight_out,
                   std::min(columns, p_.out_channels - j), columns, packed + i * panel_size_);
      }
    });
  }

  void pack_bias(int64_t panel, int64_t columns) {
    const int64_t first = panel / panels_ * p_.out_channels + panel % panels_ * columns;
    const int64_t end = (panel / panels_ + 1) * p_.out_channels;
    for (int64_t j = 0; j < columns; ++j)
      bias_->as<T>()[panel * columns + j] = first + j < end ? p_.bias[first + j] : T(0);
  }

  // [taps][inputs][columns] from weights in any order. Where the taps lie innermost, a block of
  // channels is transposed with all its taps first, so that every load and store is a whole vector.
  void pack_panel(const T* w, int64_t width, int64_t columns, T* out) const {
    const int64_t inputs = p_.in_channels, w_out = p_.weight_out;
    const auto copy = gemm_part<T>().copy_matrix;
    const int64_t all = p_.weight_plane, block = 16;
    if (width < columns) std::fill(out, out + panel_size_, T(0));
    std::optional<Scratch> scratch;
    const bool gather = all > 1 && inputs > 1;
    const bool by_out = gather && p_.weight_in == all;
    const bool by_in = gather && !by_out && w_out == all;
    if (by_out || by_in) scratch.emplace(block * all * columns * sizeof(T));
    for (int64_t c = 0; c < inputs; c += block) {
      const int64_t n = std::min(block, inputs - c);
      T* s = scratch ? scratch->as<T>() : nullptr;
      if (by_out) copy(n * all, width, w + c * all, 1, w_out, s, columns);
      if (by_in) copy(width * all, n, w + c * p_.weight_in, 1, p_.weight_in, s, block);
      T* panel = out + c * columns;
      for (const ConvTap& h : p_.taps_h)
        for (const ConvTap& v : p_.taps_w) {
          const int64_t tap = h.weight * p_.weight_h + v.weight * p_.weight_w;
          if (by_out)
            copy(n, width, s + tap * columns, all * columns, 1, panel, columns);
          else if (by_in)
            copy(n, width, s + tap * block, 1, all * block, panel, columns);
          else
            copy(n, width, w + c * p_.weight_in + tap, p_.weight_in, w_out, panel, columns);
          panel += inputs * columns;
        }
    }
  }

  void run_strip(int64_t t, int64_t first_panel, int64_t last_panel) const {
    const int64_t n0 = t / strips_ * strip_images_, n = std::min(strip_images_, p_.images - n0);
    const int64_t h0 = t % strips_ * strip_lines_, lines = std::min(strip_lines_, p_.out_h - h0);
    const int64_t top = h0 * p_.step_h + first_h_;
    const T* strip = p_.x + n0 * p_.x_strides.image + top * line_ + first_w_ * pixel_;
    int64_t image = p_.x_strides.image;
    std::optional<Scratch> copy;
    if (!in_place_) {
      image = strip_reach_ * line_;
      copy.emplace(n * image * sizeof(T));
      strip = copy->as<T>();
      for (int64_t i = 0; i < n; ++i)
        copy_strip(n0 + i, top, (lines - 1) * p_.step_h + reach_h_, copy->as<T>() + i * image);
    }
    const int64_t together = by_line_ ? last_panel - first_panel : 1;
    for (int64_t panel = first_panel; panel < last_panel; panel += together)
      for (int64_t i = 0; i < n; ++i)
        for (int64_t h = 0; h < lines; ++h)
          for (int64_t j = 0; j < together; ++j)
            run_line(strip + i * image + h * p_.step_h * line_, n0 + i, h0 + h, panel + j);
    if (stream_) gemm_part<T>().finish_streaming();
  }

  // Lines outside the image are left out here and never read.
  void copy_strip(int64_t n, int64_t top, int64_t lines, T* strip) const {
    const int64_t left = std::clamp<int64_t>(-first_w_, 0, width_);
    const int64_t right = std::clamp<int64_t>(p_.in_w - first_w_, left, width_);
    for (int64_t h = 0; h < lines; ++h, strip += line_) {
      if (top + h < 0 || top + h >= p_.in_h) continue;
      std::fill(strip, strip + left * channels_, T(0));
      std::fill(strip + right * channels_, strip + width_ * channels_, T(0));
      if (right > left)
        gemm_part<T>().copy_matrix(right - left, channels_,
                                   p_.x + n * p_.x_strides.image + (top + h) * p_.x_strides.line +
                                       (first_w_ + left) * p_.x_strides.pixel,
                                   p_.x_strides.pixel, p_.x_strides.channel,
                                   strip + left * channels_, channels_);
    }
  }

  void run_line(const T* a, int64_t n, int64_t h, int64_t panel) const {
    const int64_t nr = kernel_.columns, group = panel / panels_, j = panel % panels_ * nr;
    const int64_t width = std::min(nr, p_.out_channels - j);
    const auto [first, last] = taps_inside(p_.taps_h, h * p_.step_h, h * p_.step_h, p_.in_h);
    T* y = p_.y + n * p_.y_strides.image + h * p_.y_strides.line + group * p_.out_channels + j;
    GemmTile<T> tile = {};
    tile.segments = (last - first) * line_segments_;
    tile.length = segment_length_;
    tile.a_row = p_.step_w * pixel_;
    tile.a_offsets = offsets_.data() + first * line_segments_;
    tile.b = weight_ + panel * panel_size_ + first * line_segments_ * segment_length_ * nr;
    tile.b_row = nr;
    tile.bias = bias_ ? bias_->as<T>() + panel * nr : nullptr;
    tile.stream = stream_;
    alignas(64) T ragged[kMaxTileElements];
    tile.c_row = width < nr ? nr : p_.y_strides.pixel;
    const int64_t tiles = static_cast<int64_t>(taps_across_.size());
    for (int64_t q = 0; q < tiles; ++q) {
      const int64_t w = p_.out_w * q / tiles;
      tile.rows = p_.out_w * (q + 1) / tiles - w;
      tile.a = a + w * tile.a_row + group * p_.in_channels;
      T* c = y + w * p_.y_strides.pixel;
      tile.c = width < nr ? ragged : c;
      run_tile(tile, last - first, taps_across_[q]);
      if (width < nr)
        for (int64_t i = 0; i < tile.rows; ++i)
          std::memcpy(c + i * p_.y_strides.pixel, ragged + i * nr, width * sizeof(T));
    }
  }

  // Kernels wider than the image: most taps of a line see nothing from here and are left out.
  void run_tile(GemmTile<T> tile, int64_t lines, TapRange across) const {
    const int64_t all = static_cast<int64_t>(p_.taps_w.size()), some = across.last - across.first;
    if (some == all || lines == 0) return kernel_.tile(tile);
    const int64_t skipped = across.first * p_.in_channels;
    if (line_segments_ == all) {
      tile.segments = some;
      tile.a_offsets += across.first;
    } else {
      tile.segments = 1;
      tile.length = some * p_.in_channels;
      tile.a += skipped;
    }
    tile.b += skipped * tile.b_row;
    tile.stream = false;
    for (int64_t i = 0; i < lines; ++i) {
      kernel_.tile(tile);
      tile.a_offsets += line_segments_;
      tile.b += all * p_.in_channels * tile.b_row;
      tile.bias = nullptr;
      tile.accumulate = true;
    }
  }

  static constexpr int64_t kItem = sizeof(T);
  const ConvPass<T>& p_;
  const int64_t channels_, taps_, steps_;
  const GemmKernel<T>& kernel_;
  const int64_t panels_;
  int64_t first_h_, first_w_, reach_h_;  // of the taps; reach counts lines
  int64_t width_;                        // pixels of an input line that the output line reads
  bool in_place_, by_line_, stream_;
  int64_t pixel_, line_;  // strides of the input as the tiles see it
  int64_t strip_lines_, strips_, strip_reach_, strip_images_;
  int64_t line_segments_, segment_length_;
  std::vector<int64_t> offsets_;
  std::vector<TapRange> taps_across_;  // of each tile of a line
  int64_t panel_size_;
  Ref<Storage> packed_;
  const T* weight_;
  std::optional<Scratch> bias_;
};

}  // namespace

template <class T>
void run_passes(const std::vector<ConvPass<T>>& passes) {
  FlushDenormals flush;
  std::vector<ConvPass<T>> winograd;
  for (const ConvPass<T>& pass : passes) {
    if (pass.images * pass.groups * pass.out_channels * pass.out_h * pass.out_w == 0) continue;
    if (winograd_fits(pass))
      winograd.push_back(pass);
    else
      Direct<T>(pass).run();
  }
  if (!winograd.empty()) run_winograd(winograd);
}

template void run_passes(const std::vector<ConvPass<float>>&);
template void run_passes(const std::vector<ConvPass<double>>&);

}  // namespace lepton
