// Matrix products against plain loops in double: tiles, packing, stacks, gradients, threads.
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "autograd/engine.h"
#include "autograd/node.h"
#include "ops/gemm_blocked.h"
#include "ops/kernel_part.h"
#include "ops/matmul.h"
#include "ops/packed_matrix.h"
#include "ops/view.h"
#include "support.h"

namespace {

using namespace lepton;

template <class T>
std::vector<T> random_values(std::mt19937& generator, int64_t n) {
  std::uniform_real_distribution<float> between(-1, 1);
  std::vector<T> values(static_cast<size_t>(n));
  for (T& v : values) v = between(generator);
  return values;
}

// A sum of n rounded products in any order is at most this far off, for sums of |terms| <=
// magnitude.
template <class T>
double bound(int64_t n, double magnitude) {
  return static_cast<double>(n + 2) * std::numeric_limits<T>::epsilon() * magnitude;
}

// rows x k numbers in double, one row behind the other: the loops of the reference run through
// them.
template <class T>
std::vector<double> in_double(int64_t rows, int64_t k, const T* data, int64_t row, int64_t step) {
  std::vector<double> values(static_cast<size_t>(rows * k));
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t p = 0; p < k; ++p)
      values[static_cast<size_t>(i * k + p)] = data[i * row + p * step];
  return values;
}

// The sum of the products and of their absolute values, eight at a time: most of the test's time.
std::pair<double, double> dot(int64_t n, const double* x, const double* y) {
  constexpr int kTogether = 8;
  double sum[kTogether] = {}, magnitude[kTogether] = {};
  const auto add = [&](int64_t p, int u) {
    sum[u] += x[p] * y[p];
    magnitude[u] += std::abs(x[p] * y[p]);
  };
  int64_t p = 0;
  for (; p + kTogether <= n; p += kTogether)
    for (int u = 0; u < kTogether; ++u) add(p + u, u);
  for (; p < n; ++p) add(p, 0);
  return {std::accumulate(sum, sum + kTogether, 0.0),
          std::accumulate(magnitude, magnitude + kTogether, 0.0)};
}

template <class T>
void check_product(const GemmCall<T>& call, const std::vector<T>& before,
                   const std::vector<T>& after) {
  const auto a = in_double(call.m, call.k, call.a.data, call.a.row, call.a.column);
  const auto b = in_double(call.n, call.k, call.b.data, call.b.column, call.b.row);
  for (int64_t i = 0; i < call.m; ++i)
    for (int64_t j = 0; j < call.c_row; ++j) {
      const size_t at = static_cast<size_t>(i * call.c_row + j);
      if (j >= call.n) {
        REQUIRE(after[at] == before[at]);  // memory between the rows of c is left alone
        continue;
      }
      auto [sum, magnitude] = dot(call.k, a.data() + i * call.k, b.data() + j * call.k);
      for (const double more : {call.accumulate ? before[at] : 0.0, call.bias ? call.bias[j] : 0.0})
        sum += more, magnitude += std::abs(more);
      REQUIRE(std::abs(after[at] - sum) <= bound<T>(call.k, magnitude));
    }
}

// One product with random transposes, bias and accumulation, on 1 to 4 threads: right, and the same
// bits.
template <class T>
void check_shape(std::mt19937& generator, int64_t m, int64_t n, int64_t k) {
  const auto a = random_values<T>(generator, m * k), b = random_values<T>(generator, k * n);
  // Rows of c lie apart, or follow each other as in the tensors of matmul.
  const int64_t c_row = generator() % 2 ? n : n + 3;
  const auto bias = random_values<T>(generator, n), before = random_values<T>(generator, m * c_row);
  const bool ta = generator() % 2, tb = generator() % 2;
  auto c = before;
  GemmCall<T> call = {
      m,        n,    k, {a.data(), ta ? 1 : k, ta ? m : 1}, {b.data(), tb ? 1 : n, tb ? k : 1},
      c.data(), c_row};
  call.bias = generator() % 2 ? bias.data() : nullptr;
  call.accumulate = generator() % 2;
  INFO("m ", m, " n ", n, " k ", k, " transposed ", ta, tb, " on ", kernels().isa);
  set_num_threads(1);
  gemm_blocked(call);
  check_product(call, before, c);
  const auto one = c;
  for (int threads = 2; threads <= 4; ++threads) {
    c = before;
    set_num_threads(threads);
    gemm_blocked(call);
    REQUIRE((c.empty() || std::memcmp(one.data(), c.data(), c.size() * sizeof(T)) == 0));
  }
}

template <class T>
void run_random_products(std::mt19937& generator) {
  constexpr int64_t sizes[] = {0, 1, 2, 3, 5, 7, 13, 14, 15, 16, 17, 31, 33, 64, 65, 100, 129};
  const auto size = [&] { return sizes[generator() % std::size(sizes)]; };
  for (int i = 0; i < 80; ++i)
    check_shape<T>(generator, size(), i % 20 == 1 ? 700 : size(), i % 20 < 2 ? 1100 + i : size());
  // Every ragged size on every side.
  for (int64_t n = 1; n <= 70; ++n) {
    check_shape<T>(generator, n, n, n);
    check_shape<T>(generator, n, 1 + generator() % 70, 1 + generator() % 70);
    check_shape<T>(generator, 1 + generator() % 70, n, 1 + generator() % 70);
  }
  // Few rows or columns; sums so long that they are cut into pieces; rows a power of two apart.
  for (int i = 0; i < 28; ++i) {
    const int64_t few = 1 + i % 7, many = 1 + static_cast<int64_t>(generator() % 900),
                  length = 1 + static_cast<int64_t>(generator() % (i % 2 ? 5000 : 300));
    check_shape<T>(generator, few, many, length);
    check_shape<T>(generator, many, few, length);
  }
  for (int i = 0; i < 8; ++i) {
    check_shape<T>(generator, 1 + i * 20, 64, 4096 + i);
    check_shape<T>(generator, 130, 256, 512 * (1 + i % 3));
  }
}

template <class T>
void run_packed_products(std::mt19937& generator, int count) {
  constexpr int64_t sizes[] = {0, 1, 2, 6, 7, 16, 17, 31, 64, 65, 100, 300};
  const auto size = [&] { return sizes[generator() % std::size(sizes)]; };
  for (int i = 0; i < count; ++i) {
    const int64_t m = size(), n = size(), k = i % 10 == 0 ? 1100 + i : size();
    const auto a = random_values<T>(generator, m * k), b = random_values<T>(generator, k * n);
    const auto bias = random_values<T>(generator, n),
               before = random_values<T>(generator, m * (n + 3));
    auto c = before;
    const bool ta = generator() % 2, tb = generator() % 2;
    GemmCall<T> call = {
        m,        n,    k, {a.data(), ta ? 1 : k, ta ? m : 1}, {b.data(), tb ? 1 : n, tb ? k : 1},
        c.data(), n + 3};
    call.bias = generator() % 2 ? bias.data() : nullptr;
    call.accumulate = generator() % 2;
    PackedCall<T> packed = {m, call.a, call.c, call.c_row, call.bias, call.accumulate};
    INFO("m ", m, " n ", n, " k ", k, " transposed ", ta, tb, " on ", kernels().isa);
    set_num_threads(4);
    const PackedMatrix<T> matrix(k, n, call.b, m);
    matrix.multiply(packed);
    check_product(call, before, c);
    const auto whole = c;
    // In two ranges of columns, one row at a time, inside a loop: the same bits.
    c = before;
    const int64_t cut = n / 2 / matrix.column_step() * matrix.column_step();
    parallel_for(0, 2 * m, 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        PackedCall<T> row = packed;
        row.m = 1;
        if (k > 0) row.a.data += r / 2 * call.a.row;  // null where there is nothing to add up
        row.c += r / 2 * call.c_row;
        row.begin = r % 2 ? cut : 0;
        row.end = r % 2 ? n : cut;
        matrix.multiply(row);
      }
    });
    REQUIRE((c.empty() || std::memcmp(whole.data(), c.data(), c.size() * sizeof(T)) == 0));
  }
}

template <class T>
void check_tiles(std::mt19937& generator, const GemmKernel<T>& kernel) {
  constexpr int64_t segments = 3;
  const int64_t length = 5, a_row = 40, n = kernel.columns;
  const int64_t offsets[] = {7, 0, 20};
  const auto a = random_values<T>(generator, kernel.max_rows * a_row);
  const auto b = random_values<T>(generator, segments * length * n),
             bias = random_values<T>(generator, n);
  for (int64_t rows = 1; rows <= kernel.max_rows; ++rows) {
    std::vector<T> c(static_cast<size_t>(rows * n), T(1)), turned = c;
    kernel.tile({rows, segments, length, a.data(), a_row, offsets, b.data(), n, c.data(), n,
                 bias.data(), true});
    // The same product where the rows of a are neighbours.
    std::vector<T> columns(a.size());
    int64_t at[segments];
    for (int64_t q = 0; q < segments; ++q) at[q] = offsets[q] * kernel.max_rows;
    for (int64_t i = 0; i < kernel.max_rows; ++i)
      for (int64_t p = 0; p < a_row; ++p) columns[p * kernel.max_rows + i] = a[i * a_row + p];
    kernel.tile({rows, segments, length, columns.data(), 1, at, b.data(), n, turned.data(), n,
                 bias.data(), true, kernel.max_rows});
    REQUIRE(std::memcmp(c.data(), turned.data(), c.size() * sizeof(T)) == 0);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = 1.0 + bias[j], magnitude = 1.0 + std::abs(bias[j]);
        for (int64_t p = 0; p < segments * length; ++p) {
          const double term =
              static_cast<double>(a[i * a_row + offsets[p / length] + p % length]) * b[p * n + j];
          sum += term;
          magnitude += std::abs(term);
        }
        REQUIRE(std::abs(c[i * n + j] - sum) <= bound<T>(segments * length + 2, magnitude));
      }
  }
}

// Rows from any strides in groups, step by step; not more than was promised behind the last.
template <class T>
void check_packed_rows(const GemmKernel<T>& kernel) {
  const int64_t height = kernel.max_rows;
  for (const int64_t rows : {int64_t{1}, height - 1, height, 2 * height, 3 * height + 1})
    for (const int64_t length : {1, 7, 16, 40})
      for (int order = 0; order < 3; ++order) {
        const int64_t row = order == 0 ? length + 1 : order == 1 ? 1 : 3;
        const int64_t column = order == 0 ? 1 : order == 1 ? rows + 2 : 3 * rows;
        std::vector<T> source(static_cast<size_t>((rows - 1) * row + (length - 1) * column + 1));
        for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<T>(i + 1);
        const int64_t groups = (rows + height - 1) / height, size = groups * height * length;
        std::vector<T> target(static_cast<size_t>(size + kMaxLanes + 1), T(-1));
        kernel.pack_rows(rows, length, source.data(), row, column, target.data());
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t p = 0; p < length; ++p)
            REQUIRE(target[(i / height * length + p) * height + i % height] ==
                    source[i * row + p * column]);
        REQUIRE(target.back() == T(-1));
      }
}

template <class T>
void check_kernels(std::mt19937& generator) {
  const GemmPart<T>& part = gemm_part<T>();
  for (const auto* kernel : {&part.narrow, &part.tall, &part.wide, &part.few}) {
    check_tiles(generator, *kernel);
    check_packed_rows(*kernel);
  }
}

template <class T>
void check_copies() {
  const int64_t sizes[] = {1, 2, 7, 16, 17, 33};
  for (int64_t rows : sizes)
    for (int64_t columns : sizes)
      for (int order = 0; order < 3; ++order) {
        const int64_t row = order == 0 ? columns + 1 : order == 1 ? 1 : 3;
        const int64_t column = order == 0 ? 1 : order == 1 ? rows + 2 : 3 * rows;
        std::vector<T> source(static_cast<size_t>((rows - 1) * row + (columns - 1) * column + 1));
        for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<T>(i + 1);
        std::vector<T> target(static_cast<size_t>(rows * (columns + 1)), T(-1));
        gemm_part<T>().copy_matrix(rows, columns, source.data(), row, column, target.data(),
                                   columns + 1);
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < columns; ++j)
            REQUIRE(target[i * (columns + 1) + j] == source[i * row + j * column]);
          REQUIRE(target[i * (columns + 1) + columns] == T(-1));
        }
      }
}

}  // namespace

TEST_CASE("gemm tiles sum over segments for every number of rows") {
  const Machine machine;
  std::mt19937 generator(1);
  for (const std::string& isa : available_isas()) {
    REQUIRE(use_isa(isa));
    check_kernels<float>(generator);
    check_kernels<double>(generator);
  }
}

TEST_CASE("copy_matrix copies between any strides") {
  const Machine machine;
  for (const std::string& isa : available_isas()) {
    REQUIRE(use_isa(isa));
    check_copies<float>();
    check_copies<double>();
  }
}

TEST_CASE("gemm_blocked equals plain loops and does not depend on threads") {
  const Machine machine;
  std::mt19937 generator(2);
  for (const std::string& isa : available_isas()) {
    REQUIRE(use_isa(isa));
    run_random_products<float>(generator);
    run_random_products<double>(generator);
  }
}

TEST_CASE("a packed matrix gives the same bits for any rows, columns and threads") {
  const Machine machine;
  std::mt19937 generator(5);
  for (const std::string& isa : available_isas()) {
    REQUIRE(use_isa(isa));
    run_packed_products<float>(generator, 60);
    run_packed_products<double>(generator, 60);
  }
}

TEST_CASE("matmul broadcasts stacks and takes 1-d arguments") {
  std::mt19937 generator(3);
  const std::pair<Shape, Shape> cases[] = {
      {{3, 4}, {4, 5}},    {{4}, {4}},       {{4}, {4, 5}},       {{3, 4}, {4}},
      {{2, 3, 4}, {4, 5}}, {{2, 3, 4}, {4}}, {{4}, {2, 4, 5}},    {{2, 1, 3, 4}, {5, 4, 2}},
      {{0, 4}, {4, 5}},    {{3, 0}, {0, 5}}, {{0, 3, 4}, {4, 5}}, {{9, 3, 4}, {1, 4, 2}}};
  for (const auto& shapes : cases) {
    const Shape &left = shapes.first, &right = shapes.second;
    INFO("shapes of ", left.size(), " and ", right.size(), " axes");
    Tensor x1 = random_tensor(generator, left), x2 = random_tensor(generator, right);
    set_requires_grad(x1, true);
    set_requires_grad(x2, true);
    const Tensor y = matmul(x1, x2), dy = random_tensor(generator, y.shape());
    // <matmul(x1, x2), dy> is linear in x1 and in x2, so it equals <x1, dx1> and <x2, dx2>.
    backward(y, dy);
    const auto dot = [](const Tensor& a, const Tensor& b) {
      const Tensor p = contiguous(a), q = contiguous(b);
      double s = 0;
      for (int64_t i = 0; i < p.numel(); ++i) s += p.data<double>()[i] * q.data<double>()[i];
      return s;
    };
    const double value = dot(y, dy);
    CHECK(x1.impl()->grad->shape() == x1.shape());
    CHECK(x2.impl()->grad->shape() == x2.shape());
    CHECK(dot(x1, *x1.impl()->grad) == doctest::Approx(value));
    CHECK(dot(x2, *x2.impl()->grad) == doctest::Approx(value));
  }
}

TEST_CASE("matmul of integers wraps around and promotes") {
  const Tensor a = from_integers({1, 2, 3}),
               b = from_integers({4, 5, std::numeric_limits<int64_t>::max()});
  CHECK(
      matmul(a, b).item<int64_t>() ==
      static_cast<int64_t>(14u + 3u * static_cast<uint64_t>(std::numeric_limits<int64_t>::max())));
  CHECK(matmul(a, cast(a, DType::kFloat32)).dtype() == promote(DType::kInt64, DType::kFloat32));
  CHECK(matmul(cast(a, DType::kUInt8), cast(a, DType::kUInt8)).dtype() == DType::kUInt8);
}

TEST_CASE("linear reads transposed views in place and adds its bias") {
  std::mt19937 generator(4);
  const Tensor x = matrix_transpose(random_tensor(generator, {7, 20}, DType::kFloat32));
  const Tensor w = random_tensor(generator, {33, 7}, DType::kFloat32);
  const Tensor b = random_tensor(generator, {33}, DType::kFloat32);
  const Tensor y = linear(x, w, b);
  REQUIRE(y.shape() == Shape{20, 33});
  for (int64_t i = 0; i < 20; ++i)
    for (int64_t j = 0; j < 33; ++j) {
      double sum = b.data<float>()[j], magnitude = std::abs(sum);
      for (int64_t p = 0; p < 7; ++p) {
        const double term =
            static_cast<double>(x.data<float>()[p * 20 + i]) * w.data<float>()[j * 7 + p];
        sum += term;
        magnitude += std::abs(term);
      }
      REQUIRE(std::abs(y.data<float>()[i * 33 + j] - sum) <= bound<float>(8, magnitude));
    }
}

TEST_CASE("products name what does not fit") {
  const Tensor a = zeros({3, 4}, DType::kFloat32), b = zeros({3, 4}, DType::kFloat32);
  CHECK_THROWS_WITH_AS(matmul(a, b),
                       "matmul: x1 has 4 columns and x2 has 3 rows (x1: [3, 4], x2: [3, 4])",
                       ValueError);
  CHECK_THROWS_AS(matmul(a, scalar(1, DType::kFloat32)), ValueError);
  CHECK_THROWS_AS(matmul(zeros({2, 3, 4}, DType::kFloat32), zeros({3, 4, 5}, DType::kFloat32)),
                  ValueError);
  CHECK_THROWS_AS(matmul(zeros({2}, DType::kBool), zeros({2}, DType::kBool)), TypeError);
  CHECK_THROWS_AS(linear(a, zeros({5, 3}, DType::kFloat32)), ValueError);
  CHECK_THROWS_AS(linear(a, zeros({5, 4}, DType::kFloat64)), TypeError);
  CHECK_THROWS_AS(linear(a, zeros({5, 4}, DType::kFloat32), zeros({4}, DType::kFloat32)),
                  ValueError);
}
