// The one loop behind all elementwise ops, and their one gradient rule.
// SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise.h"

#include <array>
#include <optional>

#include "autograd/node.h"
#include "core/parallel.h"
#include "core/strided_loop.h"
#include "kernels/dispatch.h"
#include "ops/layout.h"
#include "ops/reduce.h"
#include "ops/view.h"

namespace lepton {
namespace {

constexpr int kMaxArrays = 4;     // dy, x1, x2, y
constexpr int64_t kBlock = 1024;  // elements gathered at a time when memory is strided or converted

using Kernel = ElementwiseKernel;

// One input of a loop: where it lies, how it steps, and what it must be converted to.
struct Input {
  const std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  Strides strides;
};

Strides broadcast_strides(const Tensor& x, const Shape& shape) {
  Strides strides(shape.size(), 0);
  const size_t lead = shape.size() - x.ndim();
  for (size_t i = 0; i < x.ndim(); ++i) strides[lead + i] = x.shape()[i] == 1 ? 0 : x.strides()[i];
  return strides;
}

// Runs kernel over a loop whose operand 0 is the output and 1.. the inputs, all `type` inside.
class BlockRunner {
 public:
  BlockRunner(Kernel kernel, const double* parameters, const Tensor& output,
              std::span<const Input> inputs, DType type)
      : kernel_(kernel),
        parameters_(parameters),
        output_(output),
        inputs_(inputs),
        type_(type),
        stream_(is_streamed(output)) {}

  void run(const StridedLoop& loop) const {
    loop.parallel_run(kTaskElements, [&](const StridedLoop::Offsets& at, int64_t n) {
      alignas(64) std::byte buffers[kMaxArrays][kBlock * sizeof(double)];
      const void* pointers[kMaxArrays];
      const int64_t block = whole_runs(loop) ? n : kBlock;
      for (int64_t i = 0; i < n; i += block) {
        const int64_t m = std::min(block, n - i);
        for (size_t k = 0; k < inputs_.size(); ++k) {
          const int64_t stride = loop.inner_stride(k + 1);
          if (i > 0 && stride == 0) continue;  // the first block's elements serve all others
          pointers[k] = gather(k, at[k + 1] + i * stride, stride, m, buffers[k]);
        }
        kernel_(m, pointers, output_.bytes() + (at[0] + i) * output_.item_size(), parameters_,
                stream_);
      }
      if (stream_) kernels().elementwise->finish();
    });
  }

 private:
  bool direct(size_t k, int64_t stride) const {
    return !inputs_[k].data || (stride == 1 && inputs_[k].dtype == type_);
  }
  bool whole_runs(const StridedLoop& loop) const {
    for (size_t k = 0; k < inputs_.size(); ++k)
      if (!direct(k, loop.inner_stride(k + 1))) return false;
    return true;
  }
  const void* gather(size_t k, int64_t offset, int64_t stride, int64_t n, std::byte* buffer) const {
    const Input& in = inputs_[k];
    if (!in.data) return nullptr;
    const std::byte* from = in.data + offset * item_size(in.dtype);
    if (direct(k, stride)) return from;
    kernels().copy->cast[index(in.dtype)][index(type_)](n, from, stride, buffer, 1);
    return buffer;
  }

  Kernel kernel_;
  const double* parameters_;
  const Tensor& output_;
  std::span<const Input> inputs_;
  DType type_;
  bool stream_;
};

// Fresh memory for a result, laid out as the first operand that has the result's shape.
Tensor allocate(const Shape& shape, DType dtype, std::span<const Tensor> inputs) {
  for (const Tensor& x : inputs)
    if (x.defined() && x.shape() == shape) return empty_like(x, dtype);
  return empty(shape, dtype);
}

void run_kernel(const ElementwiseInfo& info, Kernel kernel, const double* parameters,
                const Tensor& output, std::span<const Tensor> arrays, DType type) {
  if (output.numel() == 0) return;
  std::array<Input, kMaxArrays> inputs;
  std::array<const Strides*, kMaxArrays + 1> strides{&output.strides()};
  for (size_t k = 0; k < arrays.size(); ++k) {
    if (arrays[k].defined()) {
      inputs[k] = {arrays[k].bytes(), arrays[k].dtype(),
                   broadcast_strides(arrays[k], output.shape())};
    } else {
      inputs[k].strides = Strides(output.ndim(), 0);
    }
    strides[k + 1] = &inputs[k].strides;
  }
  const StridedLoop loop(output.shape(), strides.data(), static_cast<int>(arrays.size()) + 1);
  std::optional<FlushDenormals> flush;
  if (info.flushes) flush.emplace();
  BlockRunner(kernel, parameters, output, {inputs.data(), arrays.size()}, type).run(loop);
}

unsigned bit(DType d) { return 1u << index(d); }

// The dtype an op computes in: the promoted one, or a floating one for ops that know only those.
DType compute_type(const ElementwiseOp& op, std::span<const Operand> operands) {
  const DType type = result_type(op.info->name, operands);
  if (op.dtypes & bit(type)) return type;
  if (op.dtypes == kFloating) return kDefaultFloat;
  if (type == DType::kBool && (op.dtypes & bit(DType::kInt64))) {
    bool any_number = false;
    for (const Operand& o : operands) any_number |= o.number.has_value();
    if (any_number) return DType::kInt64;
  }
  raise<TypeError>(op.info->name, ": does not take ", type);
}

Tensor gradient(const ElementwiseOp& op, int input, DType type, const Tensor& dy,
                std::span<const Tensor> inputs, const Tensor& y,
                std::span<const double> parameters) {
  std::array<Tensor, kMaxArrays> arrays{dy};
  size_t n = 1;
  for (const Tensor& x : inputs) arrays[n++] = (op.needs & kNeedsX) ? x : Tensor();
  arrays[n++] = (op.needs & kNeedsY) ? y : Tensor();
  const Tensor dx = empty_like(dy);
  const Kernel kernel = kernels().elementwise->ops[op.id].gradient[input][type == DType::kFloat64];
  run_kernel(*op.info, kernel, parameters.data(), dx, {arrays.data(), n}, type);
  return dx;
}

Tensor record(const ElementwiseOp& op, std::span<const Tensor> inputs, DType type, Tensor y,
              std::span<const double> parameters) {
  if (op.needs == kNoGradient || !is_floating(y.dtype())) return y;
  Recorder tape = op.arity == 1 ? Recorder(op.info->name, {&inputs[0]})
                                : Recorder(op.info->name, {&inputs[0], &inputs[1]});
  if (!tape) return y;
  std::array<double, 3> kept{};
  std::copy(parameters.begin(), parameters.end(), kept.begin());
  for (int input = 0; input < op.arity; ++input) {
    if (!tape.needs(input)) continue;
    std::array<Saved, 2> xs;
    std::vector<Saved> saved;
    if (op.needs & kNeedsX)
      for (const Tensor& x : inputs) saved.push_back(tape.save(x));
    if (op.needs & kNeedsY) saved.push_back(tape.save(y));
    tape.vjp(input, [&op, input, type, kept, saved = std::move(saved),
                     shape = inputs[input].shape(),
                     dtype = inputs[input].dtype()](const Tensor& dy) {
      std::array<Tensor, 2> x;
      Tensor result;
      size_t at = 0;
      if (op.needs & kNeedsX)
        for (int k = 0; k < op.arity; ++k) x[k] = *saved[at++];
      if (op.needs & kNeedsY) result = *saved[at];
      const Tensor dx =
          gradient(op, input, type, dy, {x.data(), static_cast<size_t>(op.arity)}, result, kept);
      return sum_to(dx, shape, dtype);
    });
  }
  return tape.output(std::move(y));
}

}  // namespace

DType result_type(const char* op, std::span<const Operand> operands) {
  std::optional<DType> type;
  std::optional<Scalar::Kind> kind;
  for (const Operand& o : operands) {
    if (!o.number)
      type = type ? promote(*type, o.tensor.dtype()) : o.tensor.dtype();
    else
      kind = kind ? std::max(*kind, o.number->kind) : o.number->kind;
  }
  check<TypeError>(type || kind, op, ": expects at least one argument");
  if (!kind) return *type;
  if (!type)
    return *kind == Scalar::Kind::kBool      ? DType::kBool
           : *kind == Scalar::Kind::kInteger ? DType::kInt64
                                             : kDefaultFloat;
  if (*kind == Scalar::Kind::kFloat && !is_floating(*type)) return kDefaultFloat;
  if (*kind == Scalar::Kind::kInteger && *type == DType::kBool) return DType::kInt64;
  return *type;
}

namespace {
// A number as a 0-d tensor of the type computed in.
Tensor materialize(const char* op, const Scalar& s, DType type) {
  if (s.kind != Scalar::Kind::kInteger || is_floating(type) || type == DType::kBool)
    return scalar(s.kind == Scalar::Kind::kFloat ? s.value : static_cast<double>(s.integer), type);
  Tensor t = empty({}, type);
  dispatch(type, [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      check<ValueError>(
          std::in_range<std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>>(s.integer), op,
          ": ", s.integer, " does not fit into ", type);
      *t.data<T>() = static_cast<T>(s.integer);
    }
  });
  return t;
}
}  // namespace

Tensor elementwise(const ElementwiseOp& op, std::span<const Operand> operands,
                   std::span<const double> parameters) {
  const DType type = compute_type(op, operands);
  std::array<Tensor, 2> inputs;
  for (size_t k = 0; k < operands.size(); ++k)
    inputs[k] = operands[k].number ? materialize(op.info->name, *operands[k].number, type)
                                   : operands[k].tensor;
  const std::span<const Tensor> arrays{inputs.data(), operands.size()};
  const Shape shape = op.arity == 1 || arrays[0].shape() == arrays[1].shape()
                          ? arrays[0].shape()
                          : broadcast_shapes(op.info->name, arrays[0].shape(), arrays[1].shape());
  std::array<double, 3> values{};
  for (int p = 0; p < op.info->parameter_count(); ++p)
    values[p] = static_cast<size_t>(p) < parameters.size() ? parameters[p]
                                                           : op.info->parameters[p].fallback;
  Tensor y = allocate(shape, op.info->boolean_result ? DType::kBool : type, arrays);
  run_kernel(*op.info, kernels().elementwise->ops[op.id].forward[index(type)], values.data(), y,
             arrays, type);
  return record(op, arrays, type, std::move(y), values);
}

Tensor where(const Tensor& condition, const Operand& x1, const Operand& x2) {
  check<TypeError>(condition.dtype() == DType::kBool, "where: condition expects bool, got ",
                   condition.dtype());
  const std::array<Operand, 2> operands{x1, x2};
  const DType type = result_type("where", operands);
  std::array<Tensor, 2> x;
  for (int k = 0; k < 2; ++k)
    x[k] =
        operands[k].number ? materialize("where", *operands[k].number, type) : operands[k].tensor;
  const Shape shape = broadcast_shapes(
      "where", broadcast_shapes("where", condition.shape(), x[0].shape()), x[1].shape());
  const std::array<Tensor, 3> arrays{condition, x[0], x[1]};
  Tensor y = allocate(shape, type, arrays);
  const auto dense = [&](const Tensor& t, DType dtype) {
    Tensor out = empty_strided(shape, y.strides(), dtype);
    copy_into(out, t);
    return out;
  };
  const auto laid = [&](const Tensor& t, DType dtype) {
    return t.dtype() == dtype && t.shape() == shape && t.strides() == y.strides() ? t
                                                                                  : dense(t, dtype);
  };
  const Tensor c = laid(condition, DType::kBool), a = laid(x[0], type), b = laid(x[1], type);
  const int64_t size = item_size(type);
  parallel_for(0, y.numel(), kTaskElements, [&](int64_t begin, int64_t end) {
    kernels().elementwise->where(end - begin, c.data<uint8_t>() + begin, a.bytes() + begin * size,
                                 b.bytes() + begin * size, y.bytes() + begin * size, size);
  });
  Recorder tape("where", {&x[0], &x[1]});
  for (size_t k = 0; k < 2; ++k)
    if (tape.needs(k))
      tape.vjp(k, [c = tape.save(condition), k, from = x[k].shape(),
                   dtype = x[k].dtype()](const Tensor& dy) {
        return sum_to(k == 0 ? where(*c, dy, 0.0) : where(*c, 0.0, dy), from, dtype);
      });
  return tape.output(y);
}

Tensor sum_to(const Tensor& dx, const Shape& shape, DType dtype) {
  if (dx.shape() == shape) return cast(dx, dtype);
  Dims axes;
  const size_t lead = dx.ndim() - shape.size();
  for (size_t i = 0; i < dx.ndim(); ++i)
    if (i < lead || (shape[i - lead] == 1 && dx.shape()[i] != 1))
      axes.push_back(static_cast<int64_t>(i));
  const Tensor total = axes.empty() ? dx : sum(dx, axes, std::nullopt, false);
  return cast(reshape(total, shape), dtype);
}

}  // namespace lepton
