// The global random state: a seed and a counter; every number is a function of both.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace lepton {

struct RandomState {
  uint64_t seed = 0, counter = 0;
};

/// Restarts the generator at counter 0.
void manual_seed(uint64_t seed);
RandomState random_state();
void set_random_state(RandomState state);
/// Reserves n numbers: returns the state before and moves the counter past them.
RandomState take_random(int64_t n);

}  // namespace lepton
