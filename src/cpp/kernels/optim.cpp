// The optimiser kernels of one instruction set.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/math.h"
#include "kernels/optim_table.h"

#define LEPTON_BODY __attribute__((always_inline))

namespace lepton::LEPTON_ISA {
namespace {

LEPTON_LIBM(sqrt)

template <class V>
LEPTON_INLINE V square_root(V x) {
  return per_lane(x, [](LaneOf<V> a) LEPTON_BODY { return libm_sqrt(a); });
}

template <class T>
void sgd(int64_t n, const SgdStep& step, T* p, const T* g, T* buffer) {
  using V = Vec<T>;
  const V lr = constant<V>(step.lr), momentum = constant<V>(step.momentum);
  const V decay = constant<V>(step.weight_decay), fresh = constant<V>(1 - step.dampening);
  for_each_vector<T>(n, [&](int64_t i, int64_t lanes) LEPTON_BODY {
    const V x = load<T>(p + i, lanes);
    V d = load<T>(g + i, lanes) + decay * x;
    if (buffer) {
      const V b = momentum * load<T>(buffer + i, lanes) + fresh * d;
      store<T>(b, buffer + i, lanes);
      d = step.nesterov ? d + momentum * b : b;
    }
    store<T>(x - lr * d, p + i, lanes);
  });
}

template <class T>
void adam(int64_t n, const AdamStep& step, T* p, const T* g, T* m, T* v) {
  using V = Vec<T>;
  const V beta1 = constant<V>(step.beta1), beta2 = constant<V>(step.beta2);
  const V fresh1 = constant<V>(1 - step.beta1), fresh2 = constant<V>(1 - step.beta2);
  const V added = constant<V>(step.decoupled ? 0 : step.weight_decay);
  const V kept = constant<V>(step.decoupled ? 1 - step.lr * step.weight_decay : 1);
  const V rate = constant<V>(step.lr / step.correction1), eps = constant<V>(step.eps);
  const V unbias = constant<V>(1 / __builtin_sqrt(step.correction2));
  for_each_vector<T>(n, [&](int64_t i, int64_t lanes) LEPTON_BODY {
    const V x = load<T>(p + i, lanes), d = load<T>(g + i, lanes) + added * x;
    const V first = beta1 * load<T>(m + i, lanes) + fresh1 * d;
    const V second = beta2 * load<T>(v + i, lanes) + fresh2 * (d * d);
    store<T>(first, m + i, lanes);
    store<T>(second, v + i, lanes);
    store<T>(kept * x - rate * first / (square_root(second) * unbias + eps), p + i, lanes);
  });
}

template <class T>
double squared_norm(int64_t n, const T* x) {
  Vec<T> sum{};
  for_each_vector<T>(n, [&](int64_t i, int64_t lanes) LEPTON_BODY {
    const Vec<T> v = load<T>(x + i, lanes);
    sum += v * v;
  });
  return static_cast<double>(sum_lanes<T>(sum));
}

template <class T>
void scale(int64_t n, double factor, T* x) {
  for_each_vector<T>(n, [&](int64_t i, int64_t lanes) LEPTON_BODY {
    store<T>(load<T>(x + i, lanes) * constant<Vec<T>>(factor), x + i, lanes);
  });
}

template <class T>
constexpr OptimPart<T> kPart = {sgd<T>, adam<T>, squared_norm<T>, scale<T>};

}  // namespace

extern const OptimTable optim_table;
const OptimTable optim_table = {kPart<float>, kPart<double>};

}  // namespace lepton::LEPTON_ISA
