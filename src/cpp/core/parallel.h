// Threads: loops over ranges, how many threads, and the floating-point mode.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <type_traits>

namespace lepton {

/// Threads that parallel_for uses; at least 1.
int num_threads();
/// ValueError unless 1 <= n <= 1024.
void set_num_threads(int n);
/// Why that number: affinity, cgroup quota, physical cores, LEPTON_NUM_THREADS, or the caller.
std::string num_threads_reason();

/// Elements of cheap work that a thread takes at a time.
constexpr int64_t kTaskElements = 1 << 14;
/// Floating-point operations below which work is not worth waking another thread.
constexpr double kParallelFlops = 1e6;

namespace detail {
void run_chunks(int64_t begin, int64_t end, int64_t grain, void (*body)(void*, int64_t, int64_t),
                void* context);
}

/// Calls body(b, e) for the chunks [begin, begin + grain), ... in any order on several threads.
/// Where the range is cut depends on grain alone, never on the threads: same bits for any number of
/// them. The first exception of a body is thrown again here. Nested calls run on the calling
/// thread.
template <class Body>
void parallel_for(int64_t begin, int64_t end, int64_t grain, Body&& body) {
  if (end <= begin) return;
  if (end - begin <= grain) {
    body(begin, end);
    return;
  }
  using B = std::remove_reference_t<Body>;
  detail::run_chunks(
      begin, end, grain < 1 ? 1 : grain,
      [](void* context, int64_t b, int64_t e) { (*static_cast<B*>(context))(b, e); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

/// Flushes denormals to zero while it lives, and then restores the mode. For kernels whose inner
/// loops would crawl on denormals; parallel_for carries the mode of the caller to its threads.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  uint64_t saved_;
};

}  // namespace lepton
