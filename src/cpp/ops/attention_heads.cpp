// Cuts attention into tasks: heads, and parts of a head's queries or keys where heads are few.
// SPDX-License-Identifier: Apache-2.0
#include "ops/attention_heads.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "ops/kernel_part.h"
#include "ops/reduce.h"

namespace lepton {
namespace {

// Queries of one forward task: enough to make the packing of a head's values small beside it.
constexpr int64_t kTaskQueries = 256;
// Where there are fewer heads, the gradient's tasks are parts of a head's keys, not below so many.
constexpr int64_t kGradientTasks = 32, kTaskKeys = 2 * kAttentionBlock;

// Where the matrix of each head starts, in elements of a tensor [heads..., rows, columns].
std::vector<int64_t> head_offsets(const Tensor& x) {
  std::vector<int64_t> offsets{0};
  for (size_t axis = 0; axis + 2 < x.ndim(); ++axis) {
    std::vector<int64_t> next;
    next.reserve(offsets.size() * static_cast<size_t>(x.shape()[axis]));
    for (int64_t offset : offsets)
      for (int64_t i = 0; i < x.shape()[axis]; ++i) next.push_back(offset + i * x.strides()[axis]);
    offsets = std::move(next);
  }
  return offsets;
}

// The matrices of a tensor of heads.
template <class T>
class Heads {
 public:
  explicit Heads(const Tensor& x)
      : data_(x.data<T>()), row_(x.strides()[x.ndim() - 2]), offsets_(head_offsets(x)) {}
  AttentionRows<const T> operator[](int64_t head) const { return {data_ + offsets_[head], row_}; }
  AttentionRows<T> written(int64_t head) const { return {data_ + offsets_[head], row_}; }

 private:
  T* data_;
  int64_t row_;
  std::vector<int64_t> offsets_;
};

template <class T>
class Call {
 public:
  Call(const AttentionInputs& in, const AttentionOptions& options)
      : q_(in.q), k_(in.k), v_(in.v), heads_(in.heads()) {
    all_.queries = in.q.length(-2);
    all_.keys = in.k.length(-2);
    all_.width = in.q.length(-1);
    all_.value_width = in.v.length(-1);
    all_.scale = static_cast<T>(options.scale);
    all_.causal = options.causal;
    all_.dropout = options.dropout;
    all_.seed = options.random.seed;
    all_.counter = options.random.counter;
    all_.drop = kernels().random->dropout[sizeof(T) == sizeof(double)];
    if (!in.mask.defined()) return;
    masks_ = head_offsets(in.mask);
    all_.mask = in.mask.data<T>();
    all_.mask_row = in.mask.strides()[in.mask.ndim() - 2];
    all_.mask_column = in.mask.strides().back();
  }

  void forward(const Tensor& y, const Tensor& log_sum_exp) const {
    const Heads<T> ys(y);
    const int64_t blocks = ceil_div(all_.queries, kTaskQueries);
    const auto& part = part_of<T>(kernels().attention);
    parallel_for(0, heads_ * blocks, 1, [&](int64_t begin, int64_t end) {
      const Scratch scratch(static_cast<size_t>(part.scratch(all_, false)) * sizeof(T));
      for (int64_t task = begin; task < end; ++task) {
        const int64_t i = task / blocks, first = task % blocks * kTaskQueries;
        part.forward(head(i), first, std::min(kTaskQueries, all_.queries - first), ys.written(i),
                     log_sum_exp.data<T>() + i * all_.queries, scratch.as<T>());
      }
    });
  }

  void backward(const Tensor& y, const Tensor& dy, const Tensor& log_sum_exp,
                const AttentionSlopes& slopes) const {
    // Parts of the keys have shares of dq of their own, added in their order.
    const int64_t most = std::max<int64_t>(1, all_.keys / kTaskKeys);
    const int64_t parts =
        std::clamp<int64_t>(ceil_div(kGradientTasks, std::max<int64_t>(heads_, 1)), 1, most);
    Shape shape = slopes.dq.shape();
    shape.insert(0, parts);
    const Tensor shares = parts > 1 ? empty(shape, slopes.dq.dtype()) : slopes.dq;
    const Heads<T> ys(y), dys(dy), dqs(shares), dks(slopes.dk), dvs(slopes.dv);
    const int64_t blocks = ceil_div(all_.keys, kAttentionBlock);
    const auto& part = part_of<T>(kernels().attention);
    parallel_for(0, heads_ * parts, 1, [&](int64_t begin, int64_t end) {
      const Scratch scratch(static_cast<size_t>(part.scratch(all_, true)) * sizeof(T));
      for (int64_t task = begin; task < end; ++task) {
        const int64_t i = task / parts, p = task % parts;
        T* dmask = slopes.dmask.defined() ? slopes.dmask.data<T>() : nullptr;
        const AttentionGradient<T> gradient = {
            ys[i],
            dys[i],
            log_sum_exp.data<T>() + i * all_.queries,
            dqs.written(p * heads_ + i),
            dks.written(i),
            dvs.written(i),
            dmask ? dmask + i * all_.queries * all_.keys : nullptr};
        const int64_t first = blocks * p / parts * kAttentionBlock;
        const int64_t last = std::min(blocks * (p + 1) / parts * kAttentionBlock, all_.keys);
        part.backward(head(i), gradient, first, last - first, scratch.as<T>());
      }
    });
    if (parts > 1) copy_into(slopes.dq, sum(shares, Dims{0}));
  }

 private:
  AttentionHead<T> head(int64_t i) const {
    AttentionHead<T> head = all_;
    head.q = q_[i];
    head.k = k_[i];
    head.v = v_[i];
    if (head.mask) head.mask += masks_[i];
    head.counter += static_cast<uint64_t>(i * all_.keys * attention_pitch(all_.queries));
    return head;
  }

  AttentionHead<T> all_ = {};  // what the heads have in common
  const Heads<T> q_, k_, v_;
  const int64_t heads_;
  std::vector<int64_t> masks_;
};

}  // namespace

int64_t AttentionInputs::heads() const {
  return count(Shape(q.shape().begin(), q.shape().end() - 2));
}

Shape AttentionInputs::shape_of_scores() const {
  Shape shape(q.shape().begin(), q.shape().end() - 1);
  shape.push_back(k.length(-2));
  return shape;
}

void attention_forward(const AttentionInputs& in, const AttentionOptions& options, const Tensor& y,
                       const Tensor& log_sum_exp) {
  const FlushDenormals flush;
  dispatch_floating("attention", y.dtype(),
                    [&]<class T>() { Call<T>(in, options).forward(y, log_sum_exp); });
}

void attention_backward(const AttentionInputs& in, const AttentionOptions& options, const Tensor& y,
                        const Tensor& dy, const Tensor& log_sum_exp,
                        const AttentionSlopes& slopes) {
  const FlushDenormals flush;
  dispatch_floating("attention", y.dtype(),
                    [&]<class T>() { Call<T>(in, options).backward(y, dy, log_sum_exp, slopes); });
}

RandomState take_attention_random(const AttentionInputs& in) {
  // A block's row of numbers starts a group of the generator, and so is drawn without waste.
  constexpr uint64_t kUnit = kAttentionBlock;
  const int64_t rows = in.heads() * in.k.length(-2);
  RandomState state = take_random(rows * attention_pitch(in.q.length(-2)) + kAttentionBlock);
  state.counter = (state.counter + kUnit - 1) / kUnit * kUnit;
  return state;
}

}  // namespace lepton
