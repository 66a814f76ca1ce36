// Winograd's convolution: transforms of tiles and filters around products value by value.
// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_winograd.h"

#include <algorithm>
#include <atomic>

#include "core/derived.h"
#include "core/parallel.h"
#include "ops/kernel_part.h"
#include "ops/winograd_tiles.h"

namespace lepton {
namespace {

// Fewer channels leave too little work between the transforms, which cost the same for any number.
constexpr int64_t kLeastChannels = 32;
// The transform of a filter writes more than it reads; this many products saved for each pay it
// back.
constexpr int64_t kLeastSaved = 256;
// Tiles of a task. Up to 128 channels the transforms of 48 stay in or near a second-level cache of
// 512 KB; beyond that larger blocks read the filters, which no longer fit, less often.
constexpr int64_t kLeastTiles = 48, kMostTiles = 128;
// Channels whose filters are transformed in one task.
constexpr int64_t kFilterChannels = 16;

std::atomic<ConvPrecision> precision{ConvPrecision::kHighest};

// How far apart the inputs under three equally spaced taps are; otherwise 0.
int64_t dilation_of(const std::vector<ConvTap>& taps) {
  if (taps.size() != 3) return 0;
  const int64_t apart = taps[1].offset - taps[0].offset;
  return taps[2].offset - taps[1].offset == apart ? std::max<int64_t>(apart, 0) : 0;
}

// Every dilation-th output sees every dilation-th input: a convolution without dilation, a phase.
struct Phase {
  int64_t first, outputs;  // of the outputs
  int64_t first_input, inputs, offset;
};
std::vector<Phase> phases(const std::vector<ConvTap>& taps, int64_t outputs, int64_t inputs) {
  const int64_t step = dilation_of(taps);
  std::vector<Phase> found;
  for (int64_t i = 0; i < std::min(step, outputs); ++i) {
    const int64_t under = i + taps[0].offset, rest = (under % step + step) % step;
    found.push_back({i, ceil_div(outputs - i, step), rest,
                     ceil_div(std::max<int64_t>(inputs - rest, 0), step), (under - rest) / step});
  }
  return found;
}

// Tiles along an axis in all phases.
int64_t tiles_along(const std::vector<ConvTap>& taps, int64_t outputs, int64_t tile) {
  int64_t sum = 0;
  for (const Phase& phase : phases(taps, outputs, 0)) sum += ceil_div(phase.outputs, tile);
  return sum;
}

// Products per channel of the transforms of a pass, by tiles of that many outputs.
template <class T>
int64_t products(const ConvPass<T>& pass, int64_t outputs) {
  const int64_t values = (outputs + 2) * (outputs + 2);
  return values * pass.images * tiles_along(pass.taps_h, pass.out_h, outputs) *
         tiles_along(pass.taps_w, pass.out_w, outputs);
}

template <class T>
const WinogradKernel<T>& choose_transform(const ConvPass<T>& pass) {
  const auto& part = part_of<T>(kernels().winograd);
  const bool large = precision == ConvPrecision::kHigh &&
                     products(pass, part.large.outputs) < products(pass, part.small.outputs);
  return large ? part.large : part.small;
}

template <class T>
class Winograd {
 public:
  // `wanted` tasks are enough to keep all threads busy.
  Winograd(const ConvPass<T>& pass, const WinogradKernel<T>& transform, int64_t wanted)
      : p_(pass),
        transform_(transform),
        kernel_(gemm_part<T>().tall),
        size_(transform_.outputs + 2),
        values_(size_ * size_),
        grid_{.x = pass.x,
              .strides = pass.x_strides,
              .in_h = pass.in_h,
              .in_w = pass.in_w,
              .channels = pass.in_channels,
              .first_h = pass.taps_h[0].offset,
              .first_w = pass.taps_w[0].offset,
              .step = transform_.outputs,
              .reads = size_,
              .tiles_h = ceil_div(pass.out_h, transform_.outputs),
              .tiles_w = ceil_div(pass.out_w, transform_.outputs),
              .kernel = transform_.input},
        tiles_(pass.images * grid_.tiles_h * grid_.tiles_w),
        panels_(ceil_div(pass.out_channels, kernel_.columns)),
        u_tap_(panels_ * kernel_.columns * pass.in_channels + kWinogradSkew) {
    const int64_t most = std::clamp(p_.in_channels / 4, kLeastTiles, kMostTiles);
    blocks_ = ceil_div(tiles_, std::clamp(ceil_div(tiles_, wanted), kLeastTiles, most));
    // Few blocks: several tasks share one, each with some of the panels.
    parts_ = std::clamp<int64_t>(ceil_div(wanted, blocks_), 1, panels_);
  }

  // Everything the transformed filters depend on beside the weights is in the list of numbers.
  Ref<Storage> transformed_filters() const {
    const Derivation how = {
        "winograd", {transform_.outputs, p_.weight_in, p_.taps_h[0].weight, p_.taps_w[0].weight}};
    return derive(*p_.weight_tensor, how, values_ * u_tap_ * sizeof(T),
                  [this](std::byte* block) { transform_filters(reinterpret_cast<T*>(block)); });
  }

  int64_t tasks() const { return blocks_ * parts_; }
  void run_task(int64_t task, const Storage& filters) const {
    const int64_t block = task / parts_, part = task % parts_;
    run_block(tiles_ * block / blocks_, tiles_ * (block + 1) / blocks_, panels_ * part / parts_,
              panels_ * (part + 1) / parts_, reinterpret_cast<const T*>(filters.data()));
  }

 private:
  // The filters as [value][panel][input][column].
  void transform_filters(T* u) const {
    const int64_t blocks = ceil_div(p_.in_channels, kFilterChannels), all = panels_ * blocks;
    parallel_for(0, all, ceil_div(all, 64), [&](int64_t begin, int64_t end) {
      const Scratch taps(9 * kFilterChannels * kernel_.columns * sizeof(T));
      for (int64_t i = begin; i < end; ++i)
        transform_filters(i / blocks, i % blocks * kFilterChannels, taps.as<T>(), u);
    });
  }

  // Those of one panel and up to kFilterChannels inputs from c on, through taps as
  // [input][tap][column]: the nine taps lie together, before inputs or outputs.
  void transform_filters(int64_t panel, int64_t c, T* taps, T* u) const {
    const auto copy = gemm_part<T>().copy_matrix;
    const int64_t columns = kernel_.columns, j = panel * columns;
    const int64_t width = std::min(columns, p_.out_channels - j);
    WinogradWeight<T> filters = {};
    filters.rows = std::min(kFilterChannels, p_.in_channels - c);
    filters.columns = columns;
    filters.w = taps;
    filters.w_row = 9 * columns;
    if (width < columns) std::fill(taps, taps + filters.rows * filters.w_row, T(0));
    const T* w = p_.weight + c * p_.weight_in + j * p_.weight_out;
    if (p_.weight_in == 9)
      copy(9 * filters.rows, width, w, 1, p_.weight_out, taps, columns);
    else
      for (int64_t i = 0; i < filters.rows; ++i)
        copy(9, width, w + i * p_.weight_in, 1, 9, taps + i * filters.w_row, columns);
    for (int64_t i = 0; i < 9; ++i)
      filters.taps[i] =
          (p_.taps_h[i / 3].weight * p_.weight_h + p_.taps_w[i % 3].weight * p_.weight_w) * columns;
    filters.u = u + (panel * p_.in_channels + c) * columns;
    filters.u_tap = u_tap_;
    transform_.weight(filters);
  }

  // Tiles t0..t1, panels j0..j1 of output channels.
  void run_block(int64_t t0, int64_t t1, int64_t j0, int64_t j1, const T* u) const {
    const int64_t tiles = t1 - t0, c = p_.in_channels, columns = kernel_.columns;
    const int64_t v_tap = tiles * c + kWinogradSkew;
    const int64_t m_tile = (j1 - j0) * columns, m_tap = tiles * m_tile + kWinogradSkew;
    const Scratch scratch(values_ * (v_tap + m_tap + c) * sizeof(T));
    T *v = scratch.as<T>(), *m = v + values_ * v_tap, *patch = m + values_ * m_tap;
    grid_.transform(t0, t1, v, c, v_tap, patch);
    GemmTile<T> tile = {};
    const int64_t zero = 0, steps = ceil_div(tiles, kernel_.max_rows);
    tile.segments = 1;
    tile.length = tile.a_row = c;
    tile.a_offsets = &zero;
    tile.b_row = columns;
    tile.c_row = m_tile;
    for (int64_t i = 0; i < values_; ++i)
      for (int64_t j = j0; j < j1; ++j) {
        tile.b = u + i * u_tap_ + j * c * columns;
        for (int64_t q = 0; q < steps; ++q) {
          const int64_t t = tiles * q / steps;
          tile.rows = tiles * (q + 1) / steps - t;
          tile.a = v + i * v_tap + t * c;
          tile.c = m + i * m_tap + t * m_tile + (j - j0) * columns;
          kernel_.tile(tile);
        }
      }
    transform_output(t0, t1, j0 * columns, std::min(j1 * columns, p_.out_channels), m, m_tile,
                     m_tap);
  }

  // Output channels k0..k1 of tiles t0..t1.
  void transform_output(int64_t t0, int64_t t1, int64_t k0, int64_t k1, const T* m, int64_t m_tile,
                        int64_t m_tap) const {
    const int64_t side = transform_.outputs;
    WinogradOutput<T> run = {};
    run.channels = k1 - k0;
    run.m_tile = m_tile;
    run.m_tap = m_tap;
    run.bias = p_.bias ? p_.bias + k0 : nullptr;
    run.y_pixel = p_.y_strides.pixel;
    run.y_line = p_.y_strides.line;
    for (int64_t t = t0; t < t1; t += run.tiles) {
      const auto at = grid_.place(t);
      const int64_t whole = p_.out_w / side - at.w;  // tiles up to the last whole one
      run.tiles = std::clamp<int64_t>(whole, 1, t1 - t);
      run.lines = std::min(side, p_.out_h - at.h * side);
      run.pixels = std::min(side, p_.out_w - at.w * side);
      run.m = m + (t - t0) * m_tile;
      run.y = p_.y + at.image * p_.y_strides.image + at.h * side * run.y_line +
              at.w * side * run.y_pixel + k0;
      transform_.output(run);
    }
  }

  const ConvPass<T>& p_;
  const WinogradKernel<T>& transform_;
  const GemmKernel<T>& kernel_;
  const int64_t size_, values_;  // of a transformed tile: along an axis, in all
  const WinogradTiles<T> grid_;
  const int64_t tiles_;   // of all images
  const int64_t panels_;  // of output channels
  const int64_t u_tap_;
  int64_t blocks_, parts_;  // of the tiles, and of the panels for each
};

template <class T>
std::vector<ConvPass<T>> phases(const ConvPass<T>& pass) {
  const int64_t step_h = dilation_of(pass.taps_h), step_w = dilation_of(pass.taps_w);
  std::vector<ConvPass<T>> found;
  for (const Phase& h : phases(pass.taps_h, pass.out_h, pass.in_h))
    for (const Phase& w : phases(pass.taps_w, pass.out_w, pass.in_w)) {
      ConvPass<T>& phase = found.emplace_back(pass);
      phase.in_h = h.inputs, phase.in_w = w.inputs;
      phase.out_h = h.outputs, phase.out_w = w.outputs;
      for (int64_t i = 0; i < 3; ++i) {
        phase.taps_h[i].offset = h.offset + i;
        phase.taps_w[i].offset = w.offset + i;
      }
      phase.x += h.first_input * pass.x_strides.line + w.first_input * pass.x_strides.pixel;
      phase.y += h.first * pass.y_strides.line + w.first * pass.y_strides.pixel;
      phase.x_strides.line *= step_h, phase.x_strides.pixel *= step_w;
      phase.y_strides.line *= step_h, phase.y_strides.pixel *= step_w;
    }
  return found;
}

// All phases share the transformed filters and one parallel loop.
template <class T>
void run_phases(const ConvPass<T>& pass) {
  const WinogradKernel<T>& transform = choose_transform(pass);
  const bool parallel =
      2.0 * products(pass, transform.outputs) * pass.in_channels * pass.out_channels >
      kParallelFlops;
  const std::vector<ConvPass<T>> passes = phases(pass);
  const auto count = static_cast<int64_t>(passes.size());
  const int64_t wanted = parallel ? ceil_div(4 * num_threads(), count) : 1;
  std::vector<Winograd<T>> runs;
  std::vector<int64_t> ends;
  for (const ConvPass<T>& phase : passes) {
    runs.emplace_back(phase, transform, wanted);
    ends.push_back((ends.empty() ? 0 : ends.back()) + runs.back().tasks());
  }
  if (runs.empty()) return;
  const Ref<Storage> filters = runs.front().transformed_filters();
  parallel_for(0, ends.back(), parallel ? 1 : ends.back(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const auto at = std::upper_bound(ends.begin(), ends.end(), t) - ends.begin();
      runs[at].run_task(t - (ends[at] - runs[at].tasks()), *filters);
    }
  });
}

}  // namespace

void set_conv_precision(ConvPrecision value) { precision = value; }
ConvPrecision conv_precision() { return precision; }

template <class T>
bool winograd_fits(const ConvPass<T>& p) {
  if (dilation_of(p.taps_h) == 0 || dilation_of(p.taps_w) == 0) return false;
  if (p.step_h != 1 || p.step_w != 1 || p.groups != 1) return false;
  if (p.weight_plane != 9 || (p.weight_in != 9 && p.weight_out != 9)) return false;
  if (p.in_channels < kLeastChannels || p.out_channels < kLeastChannels) return false;
  const int64_t direct = 9 * p.images * p.out_h * p.out_w;
  const int64_t saved = direct - products(p, 2);
  return saved >= kLeastSaved && 4 * saved >= direct;
}

template <class T>
void run_winograd(const ConvPass<T>& pass) {
  if (pass.x_strides.channel == 1) return run_phases(pass);
  // The transforms take vectors of channels.
  const int64_t pixel = pass.in_channels, line = pass.in_w * pixel, image = pass.in_h * line;
  const Scratch x(pass.images * image * sizeof(T));
  parallel_for(0, pass.images * pass.in_h, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      gemm_part<T>().copy_matrix(
          pass.in_w, pass.in_channels,
          pass.x + i / pass.in_h * pass.x_strides.image + i % pass.in_h * pass.x_strides.line,
          pass.x_strides.pixel, pass.x_strides.channel, x.as<T>() + i * line, pixel);
  });
  ConvPass<T> neighbours = pass;
  neighbours.x = x.as<T>();
  neighbours.x_strides = {image, 1, line, pixel};
  run_phases(neighbours);
}

template bool winograd_fits(const ConvPass<float>&);
template bool winograd_fits(const ConvPass<double>&);
template void run_winograd(const ConvPass<float>&);
template void run_winograd(const ConvPass<double>&);

}  // namespace lepton
