// Pooling over channels-last images; row-major input is as many images of one channel.
// SPDX-License-Identifier: Apache-2.0
#include "ops/pool.h"

#include "autograd/node.h"
#include "core/parallel.h"
#include "ops/kernel_part.h"
#include "ops/layout.h"
#include "ops/view.h"

namespace lepton {
namespace {

// The windows of one call along one axis, and how their taps step.
struct Axis {
  std::vector<PoolSpan> spans;
  int64_t dilation = 1;
  int64_t longest() const {
    int64_t n = 0;
    for (const PoolSpan& s : spans) n = std::max(n, s.count);
    return n;
  }
};

struct Window {
  int64_t kernel, stride, padding, dilation;
  bool ceil_mode, count_padding;
};

void check_window(const char* op, const char* axis, int64_t length, const Window& w) {
  check<ValueError>(w.kernel > 0, op, ": kernel_size expects positive numbers, got ", w.kernel);
  check<ValueError>(w.stride > 0, op, ": stride expects positive numbers, got ", w.stride);
  check<ValueError>(w.dilation > 0, op, ": dilation expects positive numbers, got ", w.dilation);
  check<ValueError>(w.padding >= 0 && w.padding <= w.kernel / 2, op,
                    ": padding expects 0 to half of kernel_size ", w.kernel, ", got ", w.padding);
  constexpr int64_t kLimit = int64_t{1} << 31;
  check<ValueError>(w.kernel < kLimit && w.stride < kLimit && w.dilation < kLimit, op,
                    ": kernel_size, stride and dilation expect numbers below 2**31");
  check<ValueError>(length + 2 * w.padding >= w.dilation * (w.kernel - 1) + 1, op,
                    ": the window of ", w.dilation * (w.kernel - 1) + 1, " does not fit into the ",
                    axis, " of ", length, " with padding ", w.padding);
}

Axis sliding(const char* op, const char* name, int64_t length, const Window& w) {
  check_window(op, name, length, w);
  const int64_t room = length + 2 * w.padding - w.dilation * (w.kernel - 1) - 1;
  int64_t outputs = (w.ceil_mode ? (room + w.stride - 1) / w.stride : room / w.stride) + 1;
  // A window must start inside the image or the border before it.
  if (w.ceil_mode && (outputs - 1) * w.stride >= length + w.padding) --outputs;
  Axis axis;
  axis.dilation = w.dilation;
  axis.spans.reserve(static_cast<size_t>(outputs));
  for (int64_t o = 0; o < outputs; ++o) {
    const int64_t start = o * w.stride - w.padding;
    const int64_t skipped = start < 0 ? (-start + w.dilation - 1) / w.dilation : 0;
    const int64_t first = start + skipped * w.dilation;
    const int64_t inside = first < length ? (length - first + w.dilation - 1) / w.dilation : 0;
    const int64_t count = std::min(w.kernel - skipped, inside);
    const int64_t padded = std::min(start + w.kernel, length + w.padding) - start;
    axis.spans.push_back({first, count, w.count_padding ? padded : count});
  }
  return axis;
}

Axis adaptive(const char* op, int64_t length, std::optional<int64_t> wanted) {
  const int64_t parts = wanted.value_or(length);
  check<ValueError>(parts >= 0 && parts < (int64_t{1} << 31), op,
                    ": output_size expects numbers of at least 0, got ", parts);
  Axis axis;
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t first = i * length / parts, end = ((i + 1) * length + parts - 1) / parts;
    axis.spans.push_back({first, end - first, end - first});
  }
  return axis;
}

// Input as channels-last images: [images, H, W, channels] in memory, in the layout of x.
struct Images {
  Tensor x;
  int64_t count, height, width, channels;
  bool interleaved;  // channels innermost; else each plane is an image

  Images(const char* op, const Tensor& input) {
    check<TypeError>(is_floating(input.dtype()), op, ": input expects float32 or float64, got ",
                     input.dtype());
    const size_t n = input.ndim();
    check<ValueError>(n == 3 || n == 4, op, ": input expects [N, C, H, W] or [C, H, W], got shape ",
                      input.shape());
    height = input.shape()[n - 2];
    width = input.shape()[n - 1];
    check<ValueError>(input.shape()[n - 3] > 0 && height > 0 && width > 0, op,
                      ": input expects channels, height and width of at least 1, got shape ",
                      input.shape());
    interleaved = !input.is_contiguous() && has_layout(input, order(input.shape()));
    x = interleaved ? input : contiguous(input);
    channels = interleaved ? x.shape()[n - 3] : 1;
    count = x.numel() / (height * width * channels);
  }
  static Strides order(const Shape& shape) {
    return shape.size() == 4 ? strides_in_order(shape, {0, 2, 3, 1})
                             : strides_in_order(shape, {1, 2, 0});
  }
  int64_t size() const { return height * width * channels; }
  Tensor output(int64_t lines, int64_t pixels, DType dtype) const {
    Shape shape = x.shape();
    shape[shape.size() - 2] = lines;
    shape[shape.size() - 1] = pixels;
    Strides strides = interleaved ? order(shape) : contiguous_strides(shape);
    return empty_strided(std::move(shape), std::move(strides), dtype);
  }
};

// For each input coordinate of an axis the windows that have it, in their order.
struct Sources {
  std::vector<int64_t> first;
  std::vector<PoolSource> source;

  // An average divides by `divisor`, or by the windows' lengths where that is 0.
  Sources(const Axis& axis, int64_t length, int64_t divisor)
      : first(static_cast<size_t>(length) + 1) {
    const auto each = [&](auto&& visit) {
      for (size_t o = 0; o < axis.spans.size(); ++o) {
        const PoolSpan& span = axis.spans[o];
        const double share = 1.0 / static_cast<double>(divisor ? divisor : span.length);
        for (int64_t k = 0; k < span.count; ++k)
          visit(static_cast<size_t>(span.first + k * axis.dilation),
                PoolSource{static_cast<int64_t>(o), k, span.count, share});
      }
    };
    each([&](size_t i, const PoolSource&) { ++first[i + 1]; });
    for (size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
    source.resize(static_cast<size_t>(first.back()));
    std::vector<int64_t> next = first;
    each([&](size_t i, const PoolSource& s) { source[static_cast<size_t>(next[i]++)] = s; });
  }
  PoolSources pointers() const { return {first.data(), source.data()}; }
};

// The windows that have each of `length` coordinates of an axis, as windows themselves; nothing
// where lengths differ and an average divides by them.
std::optional<Axis> covering_windows(const Axis& axis, int64_t length, int64_t divisor) {
  Axis covering;
  const int64_t same = axis.spans.empty() ? 1 : axis.spans.front().length;
  covering.spans.assign(static_cast<size_t>(length), {0, 0, same});
  for (size_t o = 0; o < axis.spans.size(); ++o) {
    const PoolSpan& span = axis.spans[o];
    if (!divisor && span.length != same) return std::nullopt;
    for (int64_t i = span.first; i < span.first + span.count; ++i) {
      PoolSpan& windows = covering.spans[static_cast<size_t>(i)];
      if (windows.count++ == 0) windows.first = static_cast<int64_t>(o);
    }
  }
  return covering;
}

// One call's geometry; the images themselves are let go.
struct Pooling {
  int64_t images, channels, height, width;
  Axis lines, pixels;
  Shape shape;
  Strides strides;
  bool streamed;  // results

  Pooling(const Images& in, Axis lines, Axis pixels)
      : images(in.count),
        channels(in.channels),
        height(in.height),
        width(in.width),
        lines(std::move(lines)),
        pixels(std::move(pixels)),
        shape(in.x.shape()),
        strides(in.x.strides()),
        streamed(is_streamed(images * out_lines() * out_line() * in.x.item_size())) {}

  int64_t out_lines() const { return static_cast<int64_t>(lines.spans.size()); }
  int64_t out_pixels() const { return static_cast<int64_t>(pixels.spans.size()); }
  int64_t out_line() const { return out_pixels() * channels; }
  int64_t image() const { return height * width * channels; }
  bool small_window() const { return lines.longest() * pixels.longest() <= 255; }

  PoolBlock block(int64_t first_line, int64_t count) const {
    const int64_t line = width * channels;
    return {channels,
            count,
            out_pixels(),
            lines.spans.data() + first_line,
            pixels.spans.data(),
            line,
            channels,
            lines.dilation * line,
            pixels.dilation * channels,
            image(),
            streamed};
  }

  /// Calls body(block, offset of its image, offset of its output) for groups of output lines.
  template <class Body>
  void for_lines(Body&& body) const {
    const int64_t work = std::max<int64_t>(1, out_line() * lines.longest() * pixels.longest());
    const int64_t group =
        std::clamp<int64_t>(kTaskElements / work, 1, std::max<int64_t>(1, out_lines()));
    const int64_t groups = (out_lines() + group - 1) / group;
    parallel_for(0, images * groups, std::max<int64_t>(1, kTaskElements / (work * group)),
                 [&](int64_t b, int64_t e) {
                   for (int64_t task = b; task < e; ++task) {
                     const int64_t n = task / groups, line = task % groups * group;
                     body(block(line, std::min(group, out_lines() - line)), n * image(),
                          (n * out_lines() + line) * out_line());
                   }
                 });
  }

  /// The gradient of the input: gather(block, dx of its lines, offset of its image in dy). divisor
  /// as of Sources, for both axes.
  template <class T, class Gather>
  Tensor input_gradient(DType dtype, int64_t divisor, Gather&& gather) const {
    const Tensor dx = empty_strided(shape, strides, dtype);
    const Sources of_lines(lines, height, divisor), of_pixels(pixels, width, divisor ? 1 : 0);
    const int64_t line = width * channels, out_image = out_lines() * out_line();
    const int64_t group = std::clamp<int64_t>(kTaskElements / line, 1, height);
    const int64_t groups = (height + group - 1) / group;
    const bool stream = is_streamed(dx);
    parallel_for(0, images * groups, std::max<int64_t>(1, kTaskElements / (line * group)),
                 [&](int64_t b, int64_t e) {
                   for (int64_t task = b; task < e; ++task) {
                     const int64_t n = task / groups, first = task % groups * group;
                     const PoolGradientBlock block{channels,
                                                   first,
                                                   std::min(group, height - first),
                                                   width,
                                                   of_lines.pointers(),
                                                   of_pixels.pointers(),
                                                   out_pixels(),
                                                   stream};
                     gather(block, dx.data<T>() + n * image() + first * line, n * out_image);
                   }
                 });
    return dx;
  }
};

Tensor max_pool(const char* op, const Tensor& input, const Images& in, Axis lines, Axis pixels) {
  const Pooling pooling(in, std::move(lines), std::move(pixels));
  Tensor y = in.output(pooling.out_lines(), pooling.out_pixels(), in.x.dtype());
  Recorder tape(op, {&input});
  const bool small = pooling.small_window();
  const Tensor taps =
      tape ? empty_strided(y.shape(), y.strides(), small ? DType::kUInt8 : DType::kInt32)
           : Tensor();
  return dispatch_floating(op, y.dtype(), [&]<class T>() {
    const auto kernel = part_of<T>(kernels().pool).max[small ? 0 : 1];
    pooling.for_lines([&](const PoolBlock& block, int64_t image, int64_t out) {
      kernel(block, in.x.data<T>() + image, y.data<T>() + out,
             taps.defined() ? taps.bytes() + out * taps.item_size() : nullptr);
    });
    if (tape)
      tape.vjp(0, [pooling, taps, small](const Tensor& upstream) {
        const Tensor dy = laid_out_as(upstream, taps);
        const auto gradient = part_of<T>(kernels().pool).max_gradient[small ? 0 : 1];
        const auto gather = [&](const PoolGradientBlock& block, T* dx, int64_t out) {
          gradient(block, dy.data<T>() + out, taps.bytes() + out * taps.item_size(), dx);
        };
        return pooling.input_gradient<T>(dy.dtype(), 1, gather);
      });
    return tape.output(y);
  });
}

// Where all windows are of one length, dx is an average of dy over the windows of each element.
template <class T>
Tensor average_gradient(const Pooling& pooling, const Tensor& dy, int64_t divisor) {
  const FlushDenormals flush;
  const PoolPart<T>& part = part_of<T>(kernels().pool);
  std::optional<Axis> lines = covering_windows(pooling.lines, pooling.height, divisor);
  std::optional<Axis> pixels = covering_windows(pooling.pixels, pooling.width, divisor);
  if (!lines || !pixels)
    return pooling.input_gradient<T>(dy.dtype(), divisor,
                                     [&](const PoolGradientBlock& block, T* dx, int64_t out) {
                                       part.average_gradient(block, dy.data<T>() + out, dx);
                                     });
  const Tensor dx = empty_strided(pooling.shape, pooling.strides, dy.dtype());
  Pooling back = pooling;
  back.height = pooling.out_lines(), back.width = pooling.out_pixels();
  back.lines = std::move(*lines), back.pixels = std::move(*pixels);
  back.streamed = is_streamed(dx);
  back.for_lines([&](const PoolBlock& block, int64_t image, int64_t out) {
    part.average(block, dy.data<T>() + image, divisor, dx.data<T>() + out);
  });
  return dx;
}

Tensor average_pool(const char* op, const Tensor& input, const Images& in, Axis lines, Axis pixels,
                    int64_t divisor) {
  const Pooling pooling(in, std::move(lines), std::move(pixels));
  Tensor y = in.output(pooling.out_lines(), pooling.out_pixels(), in.x.dtype());
  Recorder tape(op, {&input});
  return dispatch_floating(op, y.dtype(), [&]<class T>() {
    const auto kernel = part_of<T>(kernels().pool).average;
    const FlushDenormals flush;
    pooling.for_lines([&](const PoolBlock& block, int64_t image, int64_t out) {
      kernel(block, in.x.data<T>() + image, divisor, y.data<T>() + out);
    });
    if (tape)
      tape.vjp(0, [pooling, divisor, strides = y.strides()](const Tensor& upstream) {
        const Tensor dy = laid_out(upstream, strides);
        return average_gradient<T>(pooling, dy, divisor);
      });
    return tape.output(y);
  });
}

}  // namespace

Tensor max_pool2d(const Tensor& input, Pair kernel_size, std::optional<Pair> stride, Pair padding,
                  Pair dilation, bool ceil_mode) {
  const char* op = "max_pool2d";
  const Images in(op, input);
  const Pair step = stride.value_or(kernel_size);
  return max_pool(
      op, input, in,
      sliding(op, "height", in.height,
              {kernel_size.first, step.first, padding.first, dilation.first, ceil_mode, false}),
      sliding(
          op, "width", in.width,
          {kernel_size.second, step.second, padding.second, dilation.second, ceil_mode, false}));
}

Tensor avg_pool2d(const Tensor& input, Pair kernel_size, std::optional<Pair> stride, Pair padding,
                  bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override) {
  const char* op = "avg_pool2d";
  check<ValueError>(divisor_override != 0, op, ": divisor_override expects a number other than 0");
  const Images in(op, input);
  const Pair step = stride.value_or(kernel_size);
  return average_pool(
      op, input, in,
      sliding(op, "height", in.height,
              {kernel_size.first, step.first, padding.first, 1, ceil_mode, count_include_pad}),
      sliding(op, "width", in.width,
              {kernel_size.second, step.second, padding.second, 1, ceil_mode, count_include_pad}),
      divisor_override.value_or(0));
}

Tensor adaptive_avg_pool2d(const Tensor& input, MaybePair output_size) {
  const char* op = "adaptive_avg_pool2d";
  const Images in(op, input);
  return average_pool(op, input, in, adaptive(op, in.height, output_size.first),
                      adaptive(op, in.width, output_size.second), 0);
}

Tensor adaptive_max_pool2d(const Tensor& input, MaybePair output_size) {
  const char* op = "adaptive_max_pool2d";
  const Images in(op, input);
  return max_pool(op, input, in, adaptive(op, in.height, output_size.first),
                  adaptive(op, in.width, output_size.second));
}

}  // namespace lepton
