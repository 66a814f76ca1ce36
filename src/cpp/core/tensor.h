// The tensor: a handle on shape, strides, offset and storage, with its place in the tape.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "core/dtype.h"
#include "core/refcount.h"
#include "core/shape.h"
#include "core/storage.h"

namespace lepton {

class Tensor;
struct SparseRows;

/// What the tape knows of a tensor; the autograd floor derives its node from it.
struct History : RefCounted {
  virtual ~History() = default;
};

struct TensorImpl : RefCounted {
  Shape shape;
  Strides strides;     // in elements; 0 where an axis is broadcast
  int64_t offset = 0;  // of the first element, in elements
  DType dtype = DType::kFloat32;
  Ref<Storage> storage;

  bool requires_grad = false;
  Ref<History> history;          // the op that made it; null for a leaf
  std::unique_ptr<Tensor> grad;  // of a leaf, once backward has run
  Ref<SparseRows> grad_rows;     // in place of grad where only some rows are not zero
  TensorImpl();
  ~TensorImpl();
};

/// A cheap, shared handle on an n-dimensional array; copies share everything.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}

  bool defined() const { return static_cast<bool>(impl_); }
  const Shape& shape() const { return impl_->shape; }
  const Strides& strides() const { return impl_->strides; }
  int64_t offset() const { return impl_->offset; }
  size_t ndim() const { return impl_->shape.size(); }
  int64_t length(int64_t axis) const { return impl_->shape[axis < 0 ? axis + ndim() : axis]; }
  int64_t numel() const { return count(impl_->shape); }
  DType dtype() const { return impl_->dtype; }
  int64_t item_size() const { return lepton::item_size(dtype()); }
  Storage& storage() const { return *impl_->storage; }
  TensorImpl* impl() const { return impl_.get(); }
  const Ref<TensorImpl>& ref() const { return impl_; }

  /// Address of the first element.
  std::byte* bytes() const { return impl_->storage->data() + impl_->offset * item_size(); }
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(bytes());
  }
  /// The only element, converted to T; ValueError if there is not exactly one.
  template <class T>
  T item() const;

  /// Row-major without gaps.
  bool is_contiguous() const;
  /// A 4-D tensor whose memory is N, H, W, C without gaps.
  bool is_channels_last() const;
  /// Some order of its axes covers its memory without gaps or overlaps.
  bool is_dense() const;

  /// Nobody else holds this tensor or its memory: its owner may overwrite it.
  bool is_unshared() const {
    return impl_->references() == 1 && impl_->storage->references() == 1 && !storage().is_foreign();
  }

  /// Another view of the same memory, without history.
  Tensor view(Shape shape, Strides strides, int64_t offset) const;
  /// The same memory without history.
  Tensor detach() const { return view(shape(), strides(), offset()); }

  bool requires_grad() const { return impl_->requires_grad; }
  bool is_leaf() const { return !impl_->history; }

 private:
  Ref<TensorImpl> impl_;
};

/// Uninitialised memory, row-major.
Tensor empty(Shape shape, DType dtype);
/// Uninitialised memory with the given strides, which must be dense.
Tensor empty_strided(Shape shape, Strides strides, DType dtype);
/// Uninitialised 4-D N, C, H, W tensor whose memory is N, H, W, C.
Tensor empty_channels_last(Shape shape, DType dtype);
/// Uninitialised memory in the memory order of `like`.
Tensor empty_like(const Tensor& like, DType dtype);
inline Tensor empty_like(const Tensor& like) { return empty_like(like, like.dtype()); }
Tensor full(Shape shape, double value, DType dtype);
inline Tensor zeros(Shape shape, DType dtype) { return full(std::move(shape), 0, dtype); }
inline Tensor ones(Shape shape, DType dtype) { return full(std::move(shape), 1, dtype); }
Tensor zeros_strided(Shape shape, Strides strides, DType dtype);
Tensor zeros_like(const Tensor& like);
/// A 0-d tensor.
Tensor scalar(double value, DType dtype);
/// A 1-d int64 tensor.
Tensor from_integers(const std::vector<int64_t>& values);
/// A tensor on memory owned elsewhere.
Tensor from_memory(void* data, Shape shape, Strides strides, DType dtype, bool writable,
                   std::function<void()> release);

/// dst = src, broadcast and converted; dst's memory is written as it lies. Records nothing.
void copy_into(const Tensor& dst, const Tensor& src);
/// x itself if it is row-major, else a row-major copy. Records nothing.
Tensor contiguous(const Tensor& x);
/// x itself if its memory is N, H, W, C without gaps, else such a copy. Records nothing.
Tensor channels_last(const Tensor& x);
/// x itself if it has that dtype, else a converted copy in the same memory order. Records nothing.
Tensor cast(const Tensor& x, DType dtype);
/// A copy in the same memory order. Records nothing.
Tensor clone(const Tensor& x);

}  // namespace lepton
