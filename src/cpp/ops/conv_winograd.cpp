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
// At least a 1 / kLeastShare of the products of the sum over taps is saved. Filters of two taps
// save 44 % at most; their passes measured 1.05 to 1.6 times as fast as that sum, the weight
// gradient of 32 by 32 channels 0.8 to 1.1.
constexpr int64_t kLeastShare = 4;
// Tiles of a task. Up to 128 channels the transforms of 48 stay in or near a second-level cache of
// 512 KB; beyond that larger blocks read the filters, which no longer fit, less often.
constexpr int64_t kLeastTiles = 48, kMostTiles = 128;
// Channels whose filters are transformed in one task.
constexpr int64_t kFilterChannels = 16;

std::atomic<ConvPrecision> precision{ConvPrecision::kHighest};

// How far apart the inputs under equally spaced taps are; otherwise 0.
int64_t dilation_of(const std::vector<ConvTap>& taps) {
  if (taps.size() < 2) return 0;
  const int64_t apart = taps[1].offset - taps[0].offset;
  for (size_t i = 2; i < taps.size(); ++i)
    if (taps[i].offset - taps[i - 1].offset != apart) return 0;
  return std::max<int64_t>(apart, 0);
}

// Taps along an axis over every step-th input, or 0: where a step is wider than the taps are apart,
// the sums over every step-th input need as many taps each.
int64_t filter_of(const std::vector<ConvTap>& taps, int64_t step) {
  const int64_t dilation = dilation_of(taps), count = static_cast<int64_t>(taps.size());
  return dilation == 0 || (step > 1 && dilation > 1) || count % step > 0 ? 0 : count / step;
}

// Every dilation-th output sees every dilation-th input: a convolution without dilation, a phase.
struct Phase {
  int64_t first, outputs;  // of the outputs
  WinogradEvery inputs;
};
std::vector<Phase> phases(const std::vector<ConvTap>& taps, int64_t outputs, int64_t inputs) {
  const int64_t step = dilation_of(taps);
  std::vector<Phase> found;
  for (int64_t i = 0; i < std::min(step, outputs); ++i)
    found.push_back({i, ceil_div(outputs - i, step), {i + taps[0].offset, step, inputs}});
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
  const int64_t size = outputs + filter_of(pass.taps_h, pass.step_h) - 1;
  return size * size * pass.step_h * pass.step_w * pass.images *
         tiles_along(pass.taps_h, pass.out_h, outputs) *
         tiles_along(pass.taps_w, pass.out_w, outputs);
}

template <class T>
const WinogradKernel<T>& choose_transform(const ConvPass<T>& pass) {
  const auto& part = part_of<T>(kernels().winograd);
  if (filter_of(pass.taps_h, pass.step_h) == 2) return part.two_taps;
  const bool large = precision == ConvPrecision::kHigh &&
                     products(pass, part.large.outputs) < products(pass, part.small.outputs);
  return large ? part.large : part.small;
}

template <class T>
class Winograd {
 public:
  // `wanted` tasks are enough to keep all threads busy.
  Winograd(const std::vector<ConvPass<T>>& sources, const WinogradKernel<T>& transform,
           int64_t wanted)
      : sources_(sources),
        p_(sources.front()),
        transform_(transform),
        kernel_(gemm_part<T>().tall),
        size_(transform.outputs + transform.filter - 1),
        values_(size_ * size_),
        inputs_(static_cast<int64_t>(sources.size()) * p_.in_channels),
        grid_(winograd_tiles(p_, transform)),
        tiles_(p_.images * grid_.tiles_h * grid_.tiles_w),
        panels_(ceil_div(p_.out_channels, kernel_.columns)),
        u_tap_(panels_ * kernel_.columns * inputs_ + kWinogradSkew) {
    const int64_t most = std::clamp(inputs_ / 4, kLeastTiles, kMostTiles);
    blocks_ = ceil_div(tiles_, std::clamp(ceil_div(tiles_, wanted), kLeastTiles, most));
    // Few blocks: several tasks share one, each with some of the panels.
    parts_ = std::clamp<int64_t>(ceil_div(wanted, blocks_), 1, panels_);
  }

  // Everything the transformed filters depend on beside the weights is in the list of numbers.
  Ref<Storage> transformed_filters() const {
    Derivation how = {"winograd", {transform_.outputs, size_, inputs_, p_.weight_in}};
    for (const auto* taps : {&p_.taps_h, &p_.taps_w})
      for (const ConvTap& tap : *taps) how.details.push_back(tap.weight);
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
  // The filters as [value][panel][source][input][column].
  void transform_filters(T* u) const {
    const int64_t blocks = ceil_div(p_.in_channels, kFilterChannels);
    const int64_t rows = static_cast<int64_t>(sources_.size()) * blocks, all = panels_ * rows;
    parallel_for(0, all, ceil_div(all, 64), [&](int64_t begin, int64_t end) {
      const Scratch taps(p_.weight_plane * kFilterChannels * kernel_.columns * sizeof(T));
      for (int64_t i = begin; i < end; ++i)
        transform_filters(i / rows, i % rows / blocks, i % blocks * kFilterChannels, taps.as<T>(),
                          u);
    });
  }

  // Those of one panel and up to kFilterChannels inputs of a source from c on, through taps as
  // [input][tap][column]: the taps of a kernel lie together, before inputs or outputs.
  void transform_filters(int64_t panel, int64_t source, int64_t c, T* taps, T* u) const {
    const auto copy = gemm_part<T>().copy_matrix;
    const int64_t columns = kernel_.columns, j = panel * columns, plane = p_.weight_plane;
    const int64_t width = std::min(columns, p_.out_channels - j), filter = transform_.filter;
    WinogradWeight<T> filters = {};
    filters.rows = std::min(kFilterChannels, p_.in_channels - c);
    filters.columns = columns;
    filters.w = taps;
    filters.w_row = plane * columns;
    if (width < columns) std::fill(taps, taps + filters.rows * filters.w_row, T(0));
    const T* w = p_.weight + c * p_.weight_in + j * p_.weight_out;
    if (p_.weight_in == plane)
      copy(plane * filters.rows, width, w, 1, p_.weight_out, taps, columns);
    else
      for (int64_t i = 0; i < filters.rows; ++i)
        copy(plane, width, w + i * p_.weight_in, 1, plane, taps + i * filters.w_row, columns);
    for (int64_t i = 0; i < filter * filter; ++i)
      filters.taps[i] = kernel_tap(sources_[source], i) * columns;
    filters.u = u + (panel * inputs_ + source * p_.in_channels + c) * columns;
    filters.u_tap = u_tap_;
    transform_.weight(filters);
  }

  // Tiles t0..t1, panels j0..j1 of output channels.
  void run_block(int64_t t0, int64_t t1, int64_t j0, int64_t j1, const T* u) const {
    const int64_t tiles = t1 - t0, c = inputs_, columns = kernel_.columns;
    const int64_t v_tap = tiles * c + kWinogradSkew;
    const int64_t m_tile = (j1 - j0) * columns, m_tap = tiles * m_tile + kWinogradSkew;
    const Scratch scratch((values_ * (v_tap + m_tap) + grid_.patch_size()) * sizeof(T));
    T *v = scratch.as<T>(), *m = v + values_ * v_tap, *patch = m + values_ * m_tap;
    for (size_t i = 0; i < sources_.size(); ++i)
      winograd_tiles(sources_[i], transform_)
          .transform(t0, t1, v + i * p_.in_channels, c, v_tap, patch);
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

  const std::vector<ConvPass<T>>& sources_;
  const ConvPass<T>& p_;  // the first: all write the same outputs
  const WinogradKernel<T>& transform_;
  const GemmKernel<T>& kernel_;
  const int64_t size_, values_;  // of a transformed tile: along an axis, in all
  const int64_t inputs_;         // channels of all sources
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
      phase.in_h = h.inputs.count, phase.in_w = w.inputs.count;
      phase.out_h = h.outputs, phase.out_w = w.outputs;
      for (size_t i = 0; i < pass.taps_h.size(); ++i) phase.taps_h[i].offset = h.inputs.index + i;
      for (size_t i = 0; i < pass.taps_w.size(); ++i) phase.taps_w[i].offset = w.inputs.index + i;
      phase.x += h.inputs.first * pass.x_strides.line + w.inputs.first * pass.x_strides.pixel;
      phase.y += h.first * pass.y_strides.line + w.first * pass.y_strides.pixel;
      phase.x_strides.line *= step_h, phase.x_strides.pixel *= step_w;
      phase.y_strides.line *= step_h, phase.y_strides.pixel *= step_w;
    }
  return found;
}

// All phases of all passes run in one parallel loop; those of a pass share the transformed filters.
template <class T>
void run_phases(const std::vector<ConvPass<T>>& passes) {
  std::vector<std::vector<ConvPass<T>>> sums;  // for each phase
  std::vector<const ConvPass<T>*> of;          // its pass
  double work = 0;
  for (const ConvPass<T>& pass : passes) {
    work +=
        2.0 * products(pass, choose_transform(pass).outputs) * pass.in_channels * pass.out_channels;
    for (const ConvPass<T>& phase : phases(pass))
      sums.push_back(winograd_sources(phase)), of.push_back(&pass);
  }
  const bool parallel = work > kParallelFlops;
  const auto count = static_cast<int64_t>(sums.size());
  const int64_t wanted = parallel ? ceil_div(4 * num_threads(), std::max<int64_t>(count, 1)) : 1;
  std::vector<Winograd<T>> runs;
  std::vector<Ref<Storage>> filters;
  std::vector<int64_t> ends = {0};
  for (int64_t i = 0; i < count; ++i) {
    runs.emplace_back(sums[i], choose_transform(*of[i]), wanted);
    filters.push_back(i > 0 && of[i] == of[i - 1] ? filters.back()
                                                  : runs.back().transformed_filters());
    ends.push_back(ends.back() + runs.back().tasks());
  }
  parallel_for(0, ends.back(), parallel ? 1 : ends.back(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const auto at = std::upper_bound(ends.begin(), ends.end(), t) - ends.begin() - 1;
      runs[at].run_task(t - ends[at], *filters[at]);
    }
  });
}

}  // namespace

void set_conv_precision(ConvPrecision value) { precision = value; }
ConvPrecision conv_precision() { return precision; }

template <class T>
bool winograd_fits(const ConvPass<T>& p) {
  const int64_t filter = filter_of(p.taps_h, p.step_h), plane = p.weight_plane;
  if (filter != filter_of(p.taps_w, p.step_w) || (filter != 2 && filter != 3)) return false;
  if (p.groups != 1 || (p.weight_in != plane && p.weight_out != plane)) return false;
  if (p.in_channels < kLeastChannels || p.out_channels < kLeastChannels) return false;
  const int64_t taps = static_cast<int64_t>(p.taps_h.size() * p.taps_w.size());
  const int64_t direct = taps * p.images * p.out_h * p.out_w;
  const int64_t saved = direct - products(p, 2);
  return saved >= kLeastSaved && kLeastShare * saved >= direct;
}

template <class T>
std::vector<ConvPass<T>> winograd_sources(const ConvPass<T>& p) {
  // The taps of every step-th input, the first one's among them.
  const auto every = [](const std::vector<ConvTap>& taps, int64_t first, int64_t step,
                        const WinogradEvery& inputs) {
    std::vector<ConvTap> found;
    for (size_t i = first; i < taps.size(); i += step)
      found.push_back({inputs.index + static_cast<int64_t>(found.size()), taps[i].weight});
    return found;
  };
  std::vector<ConvPass<T>> found;
  for (int64_t i = 0; i < p.step_h; ++i)
    for (int64_t j = 0; j < p.step_w; ++j) {
      const WinogradEvery h(p.taps_h[i].offset, p.step_h, p.in_h);
      const WinogradEvery w(p.taps_w[j].offset, p.step_w, p.in_w);
      ConvPass<T>& source = found.emplace_back(p);
      source.step_h = source.step_w = 1;
      source.taps_h = every(p.taps_h, i, p.step_h, h);
      source.taps_w = every(p.taps_w, j, p.step_w, w);
      source.in_h = h.count, source.in_w = w.count;
      source.x += h.first * p.x_strides.line + w.first * p.x_strides.pixel;
      source.x_strides.line *= p.step_h, source.x_strides.pixel *= p.step_w;
    }
  return found;
}

template <class T>
void run_winograd(const std::vector<ConvPass<T>>& passes) {
  const ConvPass<T>& of = passes.front();
  if (of.x_strides.channel == 1) return run_phases(passes);
  // The transforms take vectors of channels.
  const int64_t pixel = of.in_channels, line = of.in_w * pixel, image = of.in_h * line;
  const Scratch x(of.images * image * sizeof(T));
  parallel_for(0, of.images * of.in_h, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      gemm_part<T>().copy_matrix(
          of.in_w, of.in_channels,
          of.x + i / of.in_h * of.x_strides.image + i % of.in_h * of.x_strides.line,
          of.x_strides.pixel, of.x_strides.channel, x.as<T>() + i * line, pixel);
  });
  std::vector<ConvPass<T>> neighbours = passes;
  for (ConvPass<T>& pass : neighbours) {
    pass.x = x.as<T>();
    pass.x_strides = {image, 1, line, pixel};
  }
  run_phases(neighbours);
}

#define LEPTON_INSTANTIATE(T)                                             \
  template bool winograd_fits(const ConvPass<T>&);                        \
  template std::vector<ConvPass<T>> winograd_sources(const ConvPass<T>&); \
  template void run_winograd(const std::vector<ConvPass<T>>&);
LEPTON_INSTANTIATE(float)
LEPTON_INSTANTIATE(double)
#undef LEPTON_INSTANTIATE

}  // namespace lepton
