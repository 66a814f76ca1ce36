// Optimiser steps: all parameters are cut into chunks that one loop shares among threads.
// SPDX-License-Identifier: Apache-2.0
#include "ops/optimizer.h"

#include <cmath>

#include "autograd/node.h"
#include "core/parallel.h"
#include "ops/kernel_part.h"
#include "ops/layout.h"

namespace lepton {
namespace {

constexpr int64_t kChunk = 1 << 14;
constexpr int64_t kAhead = 4;         // rows fetched before their turn: half the time of none
constexpr int64_t kLine = 16;         // floats in a cache line
constexpr int64_t kNormChunk = 4096;  // bounds the rounding of sums of squares

// Elements begin .. end of a tensor; rows of one whose gradient is rows.
struct Chunk {
  size_t tensor;
  int64_t begin, end, work;
};

std::vector<Chunk> cut(const std::vector<Gradient>& grads, int64_t size) {
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < grads.size(); ++i) {
    const bool rows = static_cast<bool>(grads[i].rows);
    const int64_t width = rows ? std::max<int64_t>(1, grads[i].shape()[1]) : 1;
    const int64_t n = rows ? grads[i].rows->indices.numel() : grads[i].dense.numel();
    const int64_t step = std::max<int64_t>(1, size / width);
    for (int64_t b = 0; b < n; b += step) {
      const int64_t e = std::min(n, b + step);
      chunks.push_back({i, b, e, (e - b) * width});
    }
  }
  return chunks;
}

// Calls body(at, from, n) for the runs of a chunk: n elements from `at` on of the parameter take
// those from `from` on of the stored gradient. Calls ahead(at) for what will soon be needed; it is
// inlined by force, as GCC 12 drops calls of functions that only prefetch.
template <class Body, class Ahead>
void for_runs(const Chunk& c, const Gradient& grad, Body&& body, Ahead&& ahead) {
  if (!grad.rows) return body(c.begin, c.begin, c.end - c.begin);
  const int64_t* index = grad.rows->indices.data<int64_t>();
  const int64_t columns = grad.shape()[1];
  for (int64_t k = c.begin; k < c.end; ++k) {
    // Rows lie anywhere in memory: their cache misses are to overlap with the work on others.
    if (k + kAhead < c.end)
      for (int64_t i = 0; i < columns; i += kLine) ahead(index[k + kAhead] * columns + i);
    body(index[k] * columns, k * columns, columns);
  }
}

// Calls body(chunk) for all of them; a task takes neighbours until it has enough to do.
template <class Body>
void for_chunks(const std::vector<Chunk>& chunks, Body&& body) {
  std::vector<size_t> tasks{0};
  int64_t work = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    work += chunks[i].work;
    if (work < kChunk && i + 1 < chunks.size()) continue;
    tasks.push_back(i + 1);
    work = 0;
  }
  parallel_for(0, static_cast<int64_t>(tasks.size()) - 1, 1, [&](int64_t b, int64_t e) {
    for (size_t i = tasks[static_cast<size_t>(b)]; i < tasks[static_cast<size_t>(e)]; ++i)
      body(chunks[i]);
  });
}

// Tensors that a step writes, as dense memory in the order of `like`; commit() writes copies back.
class Written {
 public:
  Written(const char* op, const std::vector<Tensor>& tensors, const std::vector<Tensor>& like)
      : tensors_(tensors) {
    for (size_t i = 0; i < tensors.size(); ++i) {
      check_writable(op, tensors[i]);
      Tensor work = tensors[i];
      if (!work.is_dense() || !has_layout(work, like[i].strides())) {
        work = empty_strided(like[i].shape(), like[i].strides(), like[i].dtype());
        copy_into(work, tensors[i]);
      }
      memory.push_back(std::move(work));
    }
  }
  void commit() const {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (memory[i].impl() != tensors_[i].impl()) copy_into(tensors_[i], memory[i]);
      written(tensors_[i]);
    }
  }
  std::vector<Tensor> memory;

 private:
  const std::vector<Tensor>& tensors_;
};

// Every list must match params in number, shapes and dtypes.
void check_list(const char* op, const char* name, const std::vector<Tensor>& params,
                const std::vector<Tensor>& list) {
  check<ValueError>(list.size() == params.size(), op, ": ", name, " expects ", params.size(),
                    " tensors as params has, got ", list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    check<ValueError>(list[i].shape() == params[i].shape(), op, ": ", name, "[", i,
                      "] expects shape ", params[i].shape(), ", got ", list[i].shape());
    check<TypeError>(list[i].dtype() == params[i].dtype(), op, ": ", name, "[", i, "] expects ",
                     params[i].dtype(), ", got ", list[i].dtype());
  }
}

void check_grads(const char* op, const std::vector<Tensor>& params,
                 const std::vector<Gradient>& grads) {
  std::vector<Tensor> kinds;
  for (size_t i = 0; i < grads.size(); ++i) {
    if (grads[i].rows) check_rows(op, *grads[i].rows);
    // Rows stand for a tensor of the whole shape: so they are checked, without making one.
    kinds.push_back(grads[i].rows ? grads[i].stored().view(grads[i].shape(), {0, 0}, 0)
                                  : grads[i].dense);
  }
  check_list(op, "grads", params, kinds);
}

void check_floating(const char* op, const char* name, const std::vector<Tensor>& tensors) {
  for (size_t i = 0; i < tensors.size(); ++i)
    check<TypeError>(is_floating(tensors[i].dtype()), op, ": ", name, "[", i,
                     "] expects float32 or float64, got ", tensors[i].dtype());
}

// Dense layouts that the memory of a step follows: those of the parameters, where they have one;
// row-major where rows are to be found in it.
std::vector<Tensor> layouts(const std::vector<Tensor>& params, const std::vector<Gradient>& grads) {
  std::vector<Tensor> result;
  for (size_t i = 0; i < params.size(); ++i)
    result.push_back(grads[i].rows ? contiguous(params[i]) : dense(params[i]));
  return result;
}

// The stored elements of all gradients, in the layouts of `like` where these are all elements.
std::vector<Tensor> laid_out_all(const std::vector<Gradient>& grads,
                                 const std::vector<Tensor>& like) {
  std::vector<Tensor> result;
  for (size_t i = 0; i < grads.size(); ++i)
    result.push_back(grads[i].rows ? grads[i].stored() : laid_out_as(grads[i].dense, like[i]));
  return result;
}

}  // namespace

void sgd_step(const std::vector<Tensor>& params, const std::vector<Gradient>& grads,
              const std::vector<Tensor>& momentum_buffers, double lr, double momentum,
              double dampening, double weight_decay, bool nesterov) {
  const char* op = "sgd_step";
  check_floating(op, "params", params);
  check_grads(op, params, grads);
  const bool has_momentum = !momentum_buffers.empty();
  if (has_momentum) check_list(op, "momentum_buffers", params, momentum_buffers);
  const GradMode off(false);
  const FlushDenormals flush;
  const std::vector<Tensor> like = layouts(params, grads), g = laid_out_all(grads, like);
  const Written p(op, params, like), buffers(op, momentum_buffers, like);
  const SgdStep step{lr, momentum, dampening, weight_decay, nesterov};
  for_chunks(cut(grads, kChunk), [&](const Chunk& c) {
    dispatch_floating(op, params[c.tensor].dtype(), [&]<class T>() {
      T* const param = p.memory[c.tensor].data<T>();
      T* const buffer = has_momentum ? buffers.memory[c.tensor].data<T>() : nullptr;
      const T* const grad = g[c.tensor].data<T>();
      const auto kernel = part_of<T>(kernels().optim).sgd;
      for_runs(
          c, grads[c.tensor],
          [&](int64_t at, int64_t from, int64_t n) {
            kernel(n, step, param + at, grad + from, buffer ? buffer + at : nullptr);
          },
          [&](int64_t at) __attribute__((always_inline)) { __builtin_prefetch(param + at, 1); });
    });
  });
  p.commit();
  buffers.commit();
}

void adam_step(const std::vector<Tensor>& params, const std::vector<Gradient>& grads,
               const std::vector<Tensor>& exp_avgs, const std::vector<Tensor>& exp_avg_sqs,
               int64_t step, double lr, double beta1, double beta2, double eps, double weight_decay,
               bool decoupled) {
  const char* op = "adam_step";
  check<ValueError>(step >= 1, op, ": step expects a count from 1, got ", step);
  check_floating(op, "params", params);
  check_grads(op, params, grads);
  check_list(op, "exp_avgs", params, exp_avgs);
  check_list(op, "exp_avg_sqs", params, exp_avg_sqs);
  const GradMode off(false);
  const FlushDenormals flush;
  const std::vector<Tensor> like = layouts(params, grads), g = laid_out_all(grads, like);
  const Written p(op, params, like), m(op, exp_avgs, like), v(op, exp_avg_sqs, like);
  const double count = static_cast<double>(step);
  const AdamStep how{lr,
                     beta1,
                     beta2,
                     eps,
                     weight_decay,
                     decoupled,
                     1 - std::pow(beta1, count),
                     1 - std::pow(beta2, count)};
  for_chunks(cut(grads, kChunk), [&](const Chunk& c) {
    dispatch_floating(op, params[c.tensor].dtype(), [&]<class T>() {
      T* const param = p.memory[c.tensor].data<T>();
      T *const mean = m.memory[c.tensor].data<T>(), *const square = v.memory[c.tensor].data<T>();
      const T* const grad = g[c.tensor].data<T>();
      const auto kernel = part_of<T>(kernels().optim).adam;
      for_runs(
          c, grads[c.tensor],
          [&](int64_t at, int64_t from, int64_t n) {
            kernel(n, how, param + at, grad + from, mean + at, square + at);
          },
          [&](int64_t at) __attribute__((always_inline)) {
            __builtin_prefetch(param + at, 1);
            __builtin_prefetch(mean + at, 1);
            __builtin_prefetch(square + at, 1);
          });
    });
  });
  p.commit();
  m.commit();
  v.commit();
}

double clip_grad_norm(const std::vector<Gradient>& grads, double max_norm, double eps) {
  const char* op = "clip_grad_norm";
  check<ValueError>(max_norm >= 0, op, ": max_norm expects a number of at least 0, got ", max_norm);
  std::vector<Tensor> stored;  // rows have no others than these that are not zero
  std::vector<Gradient> all;
  for (const Gradient& g : grads) {
    if (g.rows) check_rows(op, *g.rows);
    stored.push_back(g.stored());
    all.push_back(g.stored());
  }
  check_floating(op, "grads", stored);
  const GradMode off(false);
  const FlushDenormals flush;
  const Written g(op, stored, layouts(stored, all));
  const std::vector<Chunk> chunks = cut(all, kNormChunk);
  std::vector<double> squares(chunks.size());
  const auto each = [&](auto body) {
    for_chunks(chunks, [&](const Chunk& c) {
      const Tensor& x = g.memory[c.tensor];
      dispatch_floating(op, x.dtype(), [&]<class T>() {
        body(part_of<T>(kernels().optim), c.end - c.begin, x.data<T>() + c.begin,
             &c - chunks.data());
      });
    });
  };
  each([&](const auto& part, int64_t n, auto* x, ptrdiff_t i) {
    squares[i] = part.squared_norm(n, x);
  });
  double total = 0;
  for (double s : squares) total += s;
  const double norm = std::sqrt(total), factor = max_norm / (norm + eps);
  // A norm that is NaN makes everything NaN, so that it is seen; no limit scales nothing.
  if (factor >= 1 || std::isinf(max_norm)) return norm;
  each([&](const auto& part, int64_t n, auto* x, ptrdiff_t) { part.scale(n, factor, x); });
  g.commit();
  return norm;
}

}  // namespace lepton
