// Matrix-vector products, and rows of a small batch times a weight that is not worth packing.
// SPDX-License-Identifier: Apache-2.0
#include "ops/gemm_few_rows.h"

#include <algorithm>
#include <optional>

#include "core/parallel.h"
#include "core/storage.h"
#include "ops/kernel_part.h"

namespace lepton {
namespace {

// Rows of a up to which reading b in place is faster than packing it first.
constexpr int64_t kDotRows = 6, kSumRows = 3;
// Shorter sums spend their time on adding up lanes.
constexpr int64_t kDotVectors = 8;
// Elements of b for one task, about 20 us of reading: less does not pay for waking a thread.
constexpr int64_t kDotElements = 1 << 16;
// Sums side by side that stay in the first cache; shorter runs of b read at half the speed.
constexpr int64_t kSumElements = 4096;

// The same product with rows and columns exchanged: c^T = b^T a^T.
template <class T>
FewRows<T> exchanged(const GemmCall<T>& call) {
  return {call.n, call.m, call.k, call.b.data, call.b.column, call.b.row,     call.a.data,
          0,      call.c, 1,      call.c_row,  nullptr,       call.accumulate};
}

template <class T>
void run(FewRows<T> call, bool dots) {
  std::optional<Scratch> row;
  if (dots && call.a_column != 1) {
    row.emplace(static_cast<size_t>(call.m * call.k) * sizeof(T));
    gemm_part<T>().copy_matrix(call.m, call.k, call.a, call.a_row, call.a_column, row->as<T>(),
                               call.k);
    call.a = row->as<T>();
    call.a_row = call.k;
    call.a_column = 1;
  }
  const int64_t work = call.k * std::max<int64_t>(1, call.m / 4);
  const int64_t wanted = dots ? kDotElements / work : kSumElements / std::max<int64_t>(1, call.m);
  const int64_t grain = (std::clamp<int64_t>(wanted, 1, call.n) + 15) / 16 * 16;  // whole lines
  parallel_for(0, call.n, grain, [&](int64_t begin, int64_t end) {
    FewRows<T> part = call;
    part.n = end - begin;
    part.b += begin * (dots ? call.b_row : 1);
    part.c += begin * call.c_column;
    if (call.bias) part.bias += begin;
    (dots ? gemm_part<T>().row_dots : gemm_part<T>().row_sums)(part);
  });
}

// Whether a's rows are the few, and what is done with b; else the product is to be exchanged.
struct Choice {
  FewRowsWay way;
  bool exchange;
};
template <class T>
Choice choose(const GemmCall<T>& call) {
  const bool long_sums = call.k >= kDotVectors * gemm_part<T>().lanes;
  const MatrixView<T>&a = call.a, &b = call.b;
  if (b.row == 1 && long_sums && call.m <= (a.column == 1 ? kDotRows : 1))
    return {FewRowsWay::kDots, false};
  if (b.column == 1 && call.m <= kSumRows && call.n >= gemm_part<T>().lanes)
    return {FewRowsWay::kSums, false};
  if (call.n <= kSumRows && call.m >= gemm_part<T>().lanes) {
    if (a.column == 1 && long_sums) return {FewRowsWay::kDots, true};
    if (a.row == 1 && call.n == 1 && call.c_row == 1) return {FewRowsWay::kSums, true};
  }
  return {FewRowsWay::kNone, false};
}

}  // namespace

template <class T>
FewRowsWay few_rows_way(const GemmCall<T>& call) {
  return choose(call).way;
}

template <class T>
bool gemm_few_rows(const GemmCall<T>& call) {
  const Choice choice = choose(call);
  const bool dots = choice.way == FewRowsWay::kDots;
  if (choice.way == FewRowsWay::kNone) return false;
  if (!choice.exchange) {
    run<T>({call.m, call.n, call.k, call.a.data, call.a.row, call.a.column, call.b.data,
            dots ? call.b.column : call.b.row, call.c, call.c_row, 1, call.bias, call.accumulate},
           dots);
    return true;
  }
  FewRows<T> columns = exchanged(call);
  columns.b_row = dots ? call.a.row : call.a.column;
  if (call.bias) {
    for (int64_t i = 0; i < call.m; ++i)
      for (int64_t j = 0; j < call.n; ++j) {
        T& out = call.c[i * call.c_row + j];
        out = call.bias[j] + (call.accumulate ? out : T(0));
      }
    columns.accumulate = true;
  }
  run(columns, dots);
  return true;
}

template FewRowsWay few_rows_way(const GemmCall<float>&);
template FewRowsWay few_rows_way(const GemmCall<double>&);
template bool gemm_few_rows(const GemmCall<float>&);
template bool gemm_few_rows(const GemmCall<double>&);

}  // namespace lepton
