// A team of worker threads that takes the chunks of one loop at a time.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>

namespace lepton {

/// One turn, the i-th from 0, of a loop that waits for another thread: spares the core, and when
/// the wait grows long lets others have it.
void rest(int turn);

/// Calls body(context, chunk) for the chunks of a loop on the caller and on idle workers. The
/// caller takes chunks too and waits only for those still running, so a worker that gets no time
/// slice, or wakes late, delays nobody. Made for one loop at a time: run says no while another is
/// under way.
class Pool {
 public:
  using Body = void (*)(void* context, int64_t chunk);
  static constexpr int64_t kMaxChunks = int64_t{1} << 31;

  /// The pool of this process; a forked child gets a new one.
  static Pool& instance();

  /// Runs the chunks 0 .. chunks - 1 (fewer than kMaxChunks) on up to `threads` threads; false,
  /// with nothing done, if the pool is busy. body must not throw.
  bool run(int64_t chunks, int threads, Body body, void* context);

 private:
  void resize(int workers);
  /// At the end of the process: sends the workers home; loops run on their callers from then on.
  void stop();
  void work(uint32_t generation);
  void worker_loop(uint32_t team);

  std::mutex busy_;
  int workers_ = 0;
  bool stopped_ = false;
  std::thread team_thread_;  // makes the team and belongs to it
  // A ticket is generation << 32 | next chunk: who wakes late finds another generation and claims
  // nothing.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<uint32_t> generation_{0};
  std::atomic<uint32_t> team_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<int64_t> chunks_{0};
  std::atomic<Body> body_{nullptr};
  std::atomic<void*> context_{nullptr};
  alignas(64) std::atomic<int64_t> done_{0};
};

}  // namespace lepton
