// Making tensors, and copies between them.
// SPDX-License-Identifier: Apache-2.0
#include "core/tensor.h"

#include "core/sparse_rows.h"
#include "core/strided_loop.h"
#include "kernels/dispatch.h"

namespace lepton {
namespace {

constexpr int64_t kCopyGrain = 1 << 15;

Tensor make(Shape shape, Strides strides, int64_t offset, DType dtype, Ref<Storage> storage) {
  auto* impl = new TensorImpl;
  impl->shape = std::move(shape);
  impl->strides = std::move(strides);
  impl->offset = offset;
  impl->dtype = dtype;
  impl->storage = std::move(storage);
  return Tensor(Ref<TensorImpl>(impl));
}

bool dense_in_order(const Shape& shape, const Strides& strides, const Dims& order) {
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    const int64_t axis = order[i];
    if (shape[axis] == 1) continue;
    if (strides[axis] != step) return false;
    step *= shape[axis];
  }
  return true;
}

}  // namespace

TensorImpl::TensorImpl() = default;
TensorImpl::~TensorImpl() {
  if (requires_grad && storage) storage->tracked.fetch_sub(1, std::memory_order_relaxed);
}

bool Tensor::is_contiguous() const {
  if (numel() == 0) return true;
  int64_t step = 1;
  for (size_t i = ndim(); i-- > 0;) {
    if (shape()[i] == 1) continue;
    if (strides()[i] != step) return false;
    step *= shape()[i];
  }
  return true;
}

bool Tensor::is_channels_last() const {
  return ndim() == 4 && dense_in_order(shape(), strides(), {0, 2, 3, 1});
}

bool Tensor::is_dense() const {
  return is_contiguous() || dense_in_order(shape(), strides(), memory_order(shape(), strides()));
}

Tensor Tensor::view(Shape shape, Strides strides, int64_t offset) const {
  return make(std::move(shape), std::move(strides), offset, dtype(), impl_->storage);
}

template <class T>
T Tensor::item() const {
  check<ValueError>(numel() == 1, "item: expects a tensor with exactly one element, got shape ",
                    shape());
  return dispatch(dtype(), [&]<class S>() { return static_cast<T>(*data<S>()); });
}
template double Tensor::item<double>() const;
template int64_t Tensor::item<int64_t>() const;
template bool Tensor::item<bool>() const;

Tensor empty(Shape shape, DType dtype) {
  Strides strides = contiguous_strides(shape);
  return empty_strided(std::move(shape), std::move(strides), dtype);
}

Tensor empty_strided(Shape shape, Strides strides, DType dtype) {
  const size_t bytes = static_cast<size_t>(count("empty", shape) * item_size(dtype));
  return make(std::move(shape), std::move(strides), 0, dtype, Ref<Storage>(new Storage(bytes)));
}

Tensor empty_channels_last(Shape shape, DType dtype) {
  Strides strides = strides_in_order(shape, {0, 2, 3, 1});
  return empty_strided(std::move(shape), std::move(strides), dtype);
}

Tensor empty_like(const Tensor& like, DType dtype) {
  if (like.is_contiguous()) return empty(like.shape(), dtype);
  return empty_strided(like.shape(),
                       strides_in_order(like.shape(), memory_order(like.shape(), like.strides())),
                       dtype);
}

Tensor full(Shape shape, double value, DType dtype) {
  Tensor y = empty(std::move(shape), dtype);
  dispatch(dtype, [&]<class T>() {
    T* p = y.data<T>();
    const T v = static_cast<T>(value);
    parallel_for(0, y.numel(), kCopyGrain,
                 [&](int64_t b, int64_t e) { std::fill(p + b, p + e, v); });
  });
  return y;
}

Tensor zeros_like(const Tensor& like) {
  Strides strides = strides_in_order(like.shape(), memory_order(like.shape(), like.strides()));
  return zeros_strided(like.shape(), std::move(strides), like.dtype());
}

Tensor zeros_strided(Shape shape, Strides strides, DType dtype) {
  Tensor y = empty_strided(std::move(shape), std::move(strides), dtype);
  std::memset(y.bytes(), 0, static_cast<size_t>(y.numel() * y.item_size()));
  return y;
}

Tensor scalar(double value, DType dtype) { return full({}, value, dtype); }

Tensor from_integers(const std::vector<int64_t>& values) {
  Tensor y = empty({static_cast<int64_t>(values.size())}, DType::kInt64);
  std::copy(values.begin(), values.end(), y.data<int64_t>());
  return y;
}

Tensor from_memory(void* data, Shape shape, Strides strides, DType dtype, bool writable,
                   std::function<void()> release) {
  // Strides may be negative: the storage starts at the first element, offsets reach back from it.
  const size_t bytes = static_cast<size_t>(count(shape) * item_size(dtype));
  Ref<Storage> storage(new Storage(data, bytes, writable, std::move(release)));
  return make(std::move(shape), std::move(strides), 0, dtype, std::move(storage));
}

void copy_into(const Tensor& dst, const Tensor& src) {
  Strides from(dst.ndim(), 0);
  const size_t lead = dst.ndim() - src.ndim();
  for (size_t i = 0; i < src.ndim(); ++i)
    from[lead + i] = src.shape()[i] == 1 ? 0 : src.strides()[i];
  const auto kernel = kernels().copy->cast[index(src.dtype())][index(dst.dtype())];
  const StridedLoop loop(dst.shape(), {&dst.strides(), &from});
  const int64_t to_step = loop.inner_stride(0), from_step = loop.inner_stride(1);
  std::byte* const to = dst.bytes();
  const std::byte* const origin = src.bytes();
  const int64_t to_size = dst.item_size(), from_size = src.item_size();
  loop.parallel_run(kCopyGrain, [&](const StridedLoop::Offsets& at, int64_t n) {
    kernel(n, origin + at[1] * from_size, from_step, to + at[0] * to_size, to_step);
  });
}

Tensor contiguous(const Tensor& x) {
  if (x.is_contiguous()) return x;
  Tensor y = empty(x.shape(), x.dtype());
  copy_into(y, x);
  return y;
}

Tensor channels_last(const Tensor& x) {
  if (x.is_channels_last()) return x;
  Tensor y = empty_channels_last(x.shape(), x.dtype());
  copy_into(y, x);
  return y;
}

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = empty_like(x, dtype);
  copy_into(y, x);
  return y;
}

Tensor clone(const Tensor& x) {
  Tensor y = empty_like(x);
  copy_into(y, x);
  return y;
}

}  // namespace lepton
