// A loop of steps, each shared among threads that keep their parts from step to step.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <type_traits>

namespace lepton {

namespace detail {
using LockstepBody = void (*)(void* context, int64_t step, int64_t begin, int64_t end);
void run_lockstep(int64_t steps, int64_t n, int64_t grain, LockstepBody body, void* context);
}  // namespace detail

/// Calls body(step, b, e) for parts of [0, n) that together are the whole, all of one step before
/// any of the next. A thread takes the same part at every step, so what only that part reads stays
/// in the cache next to its core; where it is late, another takes its place. Parts are as many as
/// threads, at multiples of `grain` (above 0): no result may depend on them. body must not throw.
template <class Body>
void lockstep(int64_t steps, int64_t n, int64_t grain, Body&& body) {
  static_assert(std::is_nothrow_invocable_v<Body, int64_t, int64_t, int64_t>);
  using B = std::remove_reference_t<Body>;
  detail::run_lockstep(
      steps, n, grain,
      [](void* context, int64_t step, int64_t b, int64_t e) {
        (*static_cast<B*>(context))(step, b, e);
      },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace lepton
