// The global random state behind a lock.
// SPDX-License-Identifier: Apache-2.0
#include "core/random.h"

#include <mutex>

namespace lepton {
namespace {
std::mutex mutex;
RandomState global;
}  // namespace

void manual_seed(uint64_t seed) { set_random_state({seed, 0}); }

RandomState random_state() {
  std::lock_guard lock(mutex);
  return global;
}

void set_random_state(RandomState state) {
  std::lock_guard lock(mutex);
  global = state;
}

RandomState take_random(int64_t n) {
  std::lock_guard lock(mutex);
  const RandomState before = global;
  // Whole multiples of four: one Philox block gives four numbers, and ranges never share a block.
  global.counter += (static_cast<uint64_t>(n) + 3) / 4 * 4;
  return before;
}

}  // namespace lepton
