// Loops over the elementwise ops: the table of their kernels follows from the list.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise.h"

#include "kernels/dtypes.h"
#include "kernels/elementwise_table.h"

namespace lepton::LEPTON_ISA {

extern const ElementwiseTable elementwise_table;

namespace {

template <int... I>
struct Indices {};
template <int n, int... I>
struct MakeIndices : MakeIndices<n - 1, n - 1, I...> {};
template <int... I>
struct MakeIndices<0, I...> {
  using type = Indices<I...>;
};
template <int n>
using FirstIndices = typename MakeIndices<n>::type;

constexpr int kForward = -1;

/// An op's forward (which = kForward) or one of its gradients, as a function of arrays.
template <class Op, int which>
struct Function {
  static constexpr unsigned all = (1u << Op::arity) - 1;
  static constexpr int arrays = which == kForward ? Op::arity : Op::arity + 2;
  static constexpr unsigned used =
      which == kForward
          ? all
          : 1 | (Op::needs & kNeedsX ? all << 1 : 0) | (Op::needs & kNeedsY ? 2 << Op::arity : 0);
  static constexpr int parameters = ElementwiseInfo(Op::info).parameter_count();

  template <class... V>
  LEPTON_INLINE auto call(V... v) {
    if constexpr (which == kForward)
      return Op::forward(v...);
    else if constexpr (which == 0)
      return Op::gradient0(v...);
    else
      return Op::gradient1(v...);
  }
};

template <class F, class T, int k>
LEPTON_INLINE Vec<T> load_input(const T* const* in, int64_t i) {
  if constexpr ((F::used >> k & 1) != 0)
    return load(in[k] + i);
  else
    return Vec<T>{};
}

/// Whole vectors in place, then the rest through padded buffers, so that F is compiled once.
template <class F, class T, int... I, int... P>
LEPTON_INLINE void vector_loop(int64_t n, const void* const* inputs, void* output,
                               const double* params, bool stream, Indices<I...>, Indices<P...>) {
  constexpr int64_t kCount = kLanes<T>;
  const Vec<T> p[] = {constant<Vec<T>>(params[P])..., Vec<T>{}};
  const T* in[] = {static_cast<const T*>(inputs[I])...};
  T *out = static_cast<T*>(output), padded[sizeof...(I)][kCount], result[kCount];
  const int64_t rest = n % kCount, whole = n - rest;
  int64_t end = whole;
  bool past = stream && can_stream(out, whole);
  for (bool last = false;; last = true) {
    for (int64_t i = 0; i < end; i += kCount)
      store_either<T>(past, F::call(load_input<F, T, I>(in, i)..., p[P]...), out + i);
    if (last || rest == 0) break;
    for (size_t k = 0; k < sizeof...(I); ++k) {
      if ((F::used >> k & 1) == 0) continue;
      store<T>(load_first(in[k] + whole, rest), padded[k]);
      in[k] = padded[k];
    }
    out = result;
    end = kCount;
    past = false;
  }
  if (rest) memcpy(static_cast<T*>(output) + whole, result, static_cast<size_t>(rest) * sizeof(T));
}

template <class F, class T, int k>
LEPTON_INLINE T load_element(const void* input, int64_t i) {
  if constexpr ((F::used >> k & 1) != 0)
    return static_cast<T>(static_cast<const Storage<T>*>(input)[i]);
  else
    return T{};
}

template <class F, class T, int... I, int... P>
LEPTON_INLINE void scalar_loop(int64_t n, const void* const* inputs, void* output,
                               const double* params, Indices<I...>, Indices<P...>) {
  using Result = Storage<decltype(F::call((I, T{})..., (P, T{})...))>;
  const T p[] = {static_cast<T>(params[P])..., T{}};
  const void* const in[] = {inputs[I]...};
  Result* out = static_cast<Result*>(output);
  LEPTON_INDEPENDENT_LOOP
  for (int64_t i = 0; i < n; ++i) out[i] = F::call(load_element<F, T, I>(in[I], i)..., p[P]...);
}

template <class Op, int which, class T>
void run(int64_t n, const void* const* inputs, void* output, const double* params, bool stream) {
  using F = Function<Op, which>;
  constexpr FirstIndices<F::arrays> arrays{};
  constexpr FirstIndices<F::parameters> parameters{};
  if constexpr (kIsFloating<T> && !Op::scalar && !ElementwiseInfo(Op::info).boolean_result)
    vector_loop<F, T>(n, inputs, output, params, stream, arrays, parameters);
  else
    scalar_loop<F, T>(n, inputs, output, params, arrays, parameters);
}

template <class Op, int dtype>
constexpr ElementwiseKernel forward_kernel() {
  if constexpr ((Op::dtypes >> dtype & 1) != 0)
    return run<Op, kForward, typename DTypeOf<dtype>::type>;
  else
    return nullptr;
}
template <class Op, int input, class T>
constexpr ElementwiseKernel gradient_kernel() {
  if constexpr (Op::needs != kNoGradient && input < Op::arity)
    return run<Op, input, T>;
  else
    return nullptr;
}

template <class List>
struct Kernels;
template <class... Ops>
struct Kernels<OpList<Ops...>> {
  static constexpr ElementwiseKernels ops[] = {
      {{forward_kernel<Ops, 0>(), forward_kernel<Ops, 1>(), forward_kernel<Ops, 2>(),
        forward_kernel<Ops, 3>(), forward_kernel<Ops, 4>(), forward_kernel<Ops, 5>()},
       {{gradient_kernel<Ops, 0, float>(), gradient_kernel<Ops, 0, double>()},
        {gradient_kernel<Ops, 1, float>(), gradient_kernel<Ops, 1, double>()}}}...};
};

template <class T>
LEPTON_INLINE void where_of(int64_t n, const uint8_t* condition, const void* a, const void* b,
                            void* output) {
  const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b);
  T* out = static_cast<T*>(output);
  LEPTON_INDEPENDENT_LOOP
  for (int64_t i = 0; i < n; ++i) {
    const T from_a = x[i], from_b = y[i];
    out[i] = condition[i] ? from_a : from_b;
  }
}

void where(int64_t n, const uint8_t* condition, const void* a, const void* b, void* output,
           int64_t bytes) {
  if (bytes == 1) where_of<uint8_t>(n, condition, a, b, output);
  if (bytes == 4) where_of<uint32_t>(n, condition, a, b, output);
  if (bytes == 8) where_of<uint64_t>(n, condition, a, b, output);
}

void finish() { finish_streaming(); }

}  // namespace

const ElementwiseTable elementwise_table = {Kernels<ElementwiseOps>::ops, where, finish};

}  // namespace lepton::LEPTON_ISA
