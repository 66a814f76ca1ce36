// Claiming of chunks, waking and sleeping of workers; the only file that names OpenMP.
// SPDX-License-Identifier: Apache-2.0
#include "core/pool.h"

#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <cstdlib>

namespace lepton {
namespace {

// Waking a sleeper takes about 50 us, so a worker looks out for the next loop that long and longer.
constexpr std::chrono::microseconds kSpin{200};
constexpr int kPausesPerLook = 32, kPausesBeforeYield = 2000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Leaked on purpose: workers sleep on it until the process ends.
std::atomic<Pool*> current{nullptr};

}  // namespace

void rest(int turn) { turn < kPausesBeforeYield ? pause() : static_cast<void>(sched_yield()); }

Pool& Pool::instance() {
  // A child of fork has none of its parent's workers, and perhaps a lock that nobody will open.
  [[maybe_unused]] static const int registered =
      pthread_atfork(nullptr, nullptr, [] { current.store(nullptr); });
  Pool* pool = current.load(std::memory_order_acquire);
  if (!pool) {
    Pool* fresh = new Pool;
    if (current.compare_exchange_strong(pool, fresh)) {
      pool = fresh;
      // LLVM's OpenMP tears itself down as the process ends, and must not find a team at work.
      [[maybe_unused]] static const int at_exit = std::atexit([] {
        if (Pool* last = current.load()) last->stop();
      });
    } else {
      delete fresh;
    }
  }
  return *pool;
}

void Pool::resize(int workers) {
  const uint32_t team = team_.fetch_add(1) + 1;
  generation_.fetch_add(1);
  generation_.notify_all();  // workers of the old team see another team and leave
  if (team_thread_.joinable()) team_thread_.join();
  workers_ = workers;
  if (workers == 0) return;
  // OpenMP makes the team, so OMP_PLACES and OMP_PROC_BIND hold for it. It does not share out the
  // work: the end of its loops waits for every thread, even for one that holds no chunk and no
  // core.
  team_thread_ = std::thread([this, workers, team] {
#pragma omp parallel num_threads(workers)
    worker_loop(team);
  });
}

void Pool::stop() {
  const std::unique_lock lock(busy_, std::try_to_lock);
  if (!lock || std::this_thread::get_id() == team_thread_.get_id()) return;
  stopped_ = true;
  resize(0);
}

void Pool::work(uint32_t generation) {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (static_cast<uint32_t>(ticket >> 32) == generation) {
    const int64_t chunk = static_cast<uint32_t>(ticket);
    const int64_t chunks = chunks_.load(std::memory_order_acquire);
    const Body body = body_.load(std::memory_order_acquire);
    void* context = context_.load(std::memory_order_acquire);
    if (chunk >= chunks) return;
    // What was read belongs to this generation only if the ticket still does.
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire))
      continue;
    body(context, chunk);
    done_.fetch_add(1, std::memory_order_release);
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

void Pool::worker_loop(uint32_t team) {
  for (uint32_t seen = 0; team_.load() == team;) {
    uint32_t generation = generation_.load(std::memory_order_acquire);
    const auto deadline = std::chrono::steady_clock::now() + kSpin;
    while (generation == seen && std::chrono::steady_clock::now() < deadline) {
      for (int i = 0; i < kPausesPerLook; ++i) pause();
      generation = generation_.load(std::memory_order_acquire);
    }
    if (generation == seen) {
      sleeping_.fetch_add(1);
      generation_.wait(seen);
      sleeping_.fetch_sub(1);
      continue;
    }
    seen = generation;
    work(generation);
  }
}

bool Pool::run(int64_t chunks, int threads, Body body, void* context) {
  const std::unique_lock lock(busy_, std::try_to_lock);
  if (!lock || stopped_) return false;
  if (workers_ != threads - 1) resize(threads - 1);
  const uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
  // Closes the old loop before its fields change.
  ticket_.store(uint64_t{generation} << 32 | UINT32_MAX, std::memory_order_release);
  body_.store(body, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  chunks_.store(chunks, std::memory_order_release);
  done_.store(0, std::memory_order_relaxed);
  ticket_.store(uint64_t{generation} << 32, std::memory_order_release);
  generation_.store(generation);
  if (sleeping_.load()) {
    if (chunks <= 2)
      generation_.notify_one();
    else
      generation_.notify_all();
  }
  work(generation);
  for (int i = 0; done_.load(std::memory_order_acquire) != chunks; ++i) rest(i);
  return true;
}

}  // namespace lepton
