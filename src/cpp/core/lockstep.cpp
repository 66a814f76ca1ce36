// Threads that meet after every step; one that comes late finds its part done by the others.
// SPDX-License-Identifier: Apache-2.0
#include "core/lockstep.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/parallel.h"
#include "core/pool.h"

namespace lepton {
namespace {

// Looks at another thread's part before it is taken away: about a microsecond, many times what
// separates threads that have just met.
constexpr int kPatience = 64;

struct Lockstep {
  struct alignas(64) Part {
    std::atomic<int64_t> next{0};  // the first step that nobody has taken
  };

  const int64_t steps, n, grain;
  const detail::LockstepBody body;
  void* const context;
  std::vector<Part> parts;
  alignas(64) std::atomic<int64_t> done{0};  // parts of all steps

  int64_t count() const { return static_cast<int64_t>(parts.size()); }
  int64_t bound(int64_t part) const {
    const int64_t units = (n + grain - 1) / grain;
    return std::min(n, units * part / count() * grain);
  }
  bool take(int64_t part, int64_t step) {
    int64_t expected = step;
    return parts[static_cast<size_t>(part)].next.compare_exchange_strong(
        expected, step + 1, std::memory_order_acq_rel, std::memory_order_relaxed);
  }
  void wait_for_owner(int64_t part, int64_t step) const {
    const auto& next = parts[static_cast<size_t>(part)].next;
    for (int i = 0; i < kPatience && next.load(std::memory_order_relaxed) <= step; ++i) rest(i);
  }
  // The loop of the thread that owns a part.
  void run(int64_t own) {
    for (int64_t step = done.load(std::memory_order_acquire) / count(); step < steps; ++step) {
      for (int64_t i = 0; i < count(); ++i) {
        const int64_t part = (own + i) % count();
        if (i > 0) wait_for_owner(part, step);
        if (!take(part, step)) continue;
        body(context, step, bound(part), bound(part + 1));
        done.fetch_add(1, std::memory_order_acq_rel);
      }
      const int64_t wanted = (step + 1) * count();
      for (int i = 0; done.load(std::memory_order_acquire) < wanted; ++i) rest(i);
    }
  }
};

}  // namespace

void detail::run_lockstep(int64_t steps, int64_t n, int64_t grain, LockstepBody body,
                          void* context) {
  if (n <= 0) return;
  const int64_t parts = std::clamp<int64_t>(n / grain, 1, num_threads());
  Lockstep loop{steps, n, grain, body, context, std::vector<Lockstep::Part>(parts)};
  if (parts == 1) return loop.run(0);
  parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t own = begin; own < end; ++own) loop.run(own);
  });
}

}  // namespace lepton
