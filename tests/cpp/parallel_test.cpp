// Loops on several threads: every index once, errors, nesting, chunks, modes, forks.
// SPDX-License-Identifier: Apache-2.0
#include "core/parallel.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/lockstep.h"
#include "ops/elementwise.h"
#include "support.h"

namespace {

using namespace lepton;

// Under a sanitizer that does not follow forked children.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LEPTON_NO_FORK
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define LEPTON_NO_FORK
#endif

using Chunks = std::set<std::pair<int64_t, int64_t>>;

Chunks chunks_of(int64_t begin, int64_t end, int64_t grain) {
  std::mutex mutex;
  Chunks chunks;
  parallel_for(begin, end, grain, [&](int64_t b, int64_t e) {
    const std::lock_guard lock(mutex);
    chunks.emplace(b, e);
  });
  return chunks;
}

// The sum of a large elementwise result, so that the loop is really cut.
[[maybe_unused]] double use_all_threads() {
  const Tensor x = add(ones({300000}, DType::kFloat64), ones({300000}, DType::kFloat64));
  double total = 0;
  for (int64_t i = 0; i < x.numel(); ++i) total += x.data<double>()[i];
  return total;
}

}  // namespace

TEST_CASE("every index is visited once, whatever the threads and the grain") {
  const Machine machine;
  for (int threads : {1, 2, 3, 4, 7}) {
    set_num_threads(threads);
    for (int64_t grain : {-1, 1, 7, 100, 5000}) {
      std::vector<int> visits(1003);
      parallel_for(3, 1003, grain, [&](int64_t b, int64_t e) {
        for (int64_t i = b; i < e; ++i) ++visits[static_cast<size_t>(i)];
      });
      for (int64_t i = 0; i < 1003; ++i) REQUIRE(visits[static_cast<size_t>(i)] == (i >= 3));
    }
  }
}

TEST_CASE("an empty range calls nothing") {
  CHECK(chunks_of(5, 5, 1).empty());
  CHECK(chunks_of(5, 3, 1).empty());
}

TEST_CASE("where a range is cut does not depend on the threads") {
  const Machine machine;
  set_num_threads(1);
  const Chunks one = chunks_of(10, 1000, 64);
  for (int threads : {2, 3, 4, 16}) {
    set_num_threads(threads);
    CHECK(chunks_of(10, 1000, 64) == one);
  }
}

TEST_CASE("the first error of a body is thrown again, and the next loop works") {
  const Machine machine;
  for (int threads : {1, 4}) {
    set_num_threads(threads);
    for (int round = 0; round < 20; ++round) {
      CHECK_THROWS_AS(parallel_for(0, 100, 1,
                                   [](int64_t b, int64_t) {
                                     check<ValueError>(b % 10 != 3, "body: refuses ", b);
                                   }),
                      ValueError);
      CHECK(chunks_of(0, 100, 10).size() == 10);
    }
  }
}

TEST_CASE("a loop inside a loop runs on its thread") {
  const Machine machine;
  set_num_threads(4);
  std::atomic<int> total{0};
  parallel_for(0, 16, 1, [&](int64_t, int64_t) {
    const auto thread = std::this_thread::get_id();
    parallel_for(0, 50, 1, [&](int64_t b, int64_t e) {
      if (std::this_thread::get_id() != thread) std::abort();
      total += static_cast<int>(e - b);
    });
  });
  CHECK(total == 16 * 50);
}

TEST_CASE("threads of a program may run loops at the same time") {
  const Machine machine;
  set_num_threads(3);
  std::vector<std::thread> threads;
  std::atomic<int64_t> total{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&total] {
      for (int round = 0; round < 50; ++round)
        parallel_for(0, 64, 1, [&](int64_t b, int64_t e) { total += e - b; });
    });
  for (std::thread& t : threads) t.join();
  CHECK(total == 4 * 50 * 64);
}

TEST_CASE("workers compute in the caller's floating-point mode, and get theirs back") {
  const Machine machine;
  set_num_threads(4);
  const auto flushed = [] {
    std::atomic<int> zeros{0};
    parallel_for(0, 64, 1, [&](int64_t, int64_t) {
      volatile double tiny = 1e-310;
      const volatile double half = tiny * 0.5;
      zeros += half == 0;
    });
    return zeros.load();
  };
  CHECK(flushed() == 0);
  {
    const FlushDenormals flush;
    CHECK(flushed() == 64);
  }
  CHECK(flushed() == 0);
}

TEST_CASE("the number of threads is checked and explained") {
  const Machine machine;
  CHECK_THROWS_AS(set_num_threads(0), ValueError);
  CHECK_THROWS_AS(set_num_threads(100000), ValueError);
  CHECK_FALSE(num_threads_reason().empty());
  set_num_threads(2);
  CHECK(num_threads() == 2);
  CHECK(num_threads_reason() == "set_num_threads");
}

TEST_CASE("an op, a fork, and an op in the child") {
#ifndef LEPTON_NO_FORK
  const Machine machine;
  for (int threads : {1, 4}) {
    set_num_threads(threads);
    REQUIRE(use_all_threads() == 600000);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      alarm(30);  // a child that waits for its parent's threads would wait forever
      _exit(use_all_threads() == 600000 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(use_all_threads() == 600000);
  }
#endif
}

TEST_CASE("lockstep visits every index at every step, and no step before the one before is done") {
  const Machine machine;
  for (int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    for (int64_t n : {0, 1, 5, 48, 100})
      for (int64_t grain : {1, 16, 200}) {
        constexpr int64_t kSteps = 200;
        std::vector<int64_t> value(static_cast<size_t>(n), 1);
        std::vector<int64_t> next = value;
        std::atomic<bool> aligned{true};
        // Every element takes in what the step before left in all others.
        lockstep(kSteps, n, grain, [&](int64_t step, int64_t begin, int64_t end) noexcept {
          const std::vector<int64_t>& from = step % 2 ? next : value;
          std::vector<int64_t>& to = step % 2 ? value : next;
          if (begin % grain != 0) aligned = false;
          for (int64_t i = begin; i < end; ++i) {
            int64_t sum = 0;
            for (int64_t j = 0; j < n; ++j) sum += from[static_cast<size_t>(j)];
            to[static_cast<size_t>(i)] = sum % 1009 + i;
          }
        });
        std::vector<int64_t> expected(static_cast<size_t>(n), 1);
        for (int64_t step = 0; step < kSteps; ++step) {
          int64_t sum = 0;
          for (int64_t x : expected) sum += x;
          for (int64_t i = 0; i < n; ++i) expected[static_cast<size_t>(i)] = sum % 1009 + i;
        }
        INFO("threads ", threads, " n ", n, " grain ", grain);
        CHECK(value == expected);
        CHECK(aligned);
      }
  }
}

TEST_CASE("lockstep inside a loop runs on the calling thread") {
  const Machine machine;
  set_num_threads(4);
  std::atomic<int64_t> visits{0};
  parallel_for(0, 8, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      lockstep(10, 64, 16, [&](int64_t, int64_t b, int64_t e) noexcept { visits += e - b; });
  });
  CHECK(visits == 8 * 10 * 64);
}
