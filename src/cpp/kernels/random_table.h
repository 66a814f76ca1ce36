// Entry points of the counter-based random number kernels (Philox4x32-10).
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// Element i of every kernel depends on (seed, counter + i) and nothing else, so a range may be cut
/// anywhere and filled by any worker with the same result. Other instruction sets may round
/// floating-point results differently; they drop the same elements and draw the same integers.
struct RandomTable {
  /// Uniform in [low, high); [float32, float64].
  void (*uniform[2])(int64_t n, uint64_t seed, uint64_t counter, void* out, double low,
                     double high);
  /// Normal, of mean and standard deviation; [float32, float64].
  void (*normal[2])(int64_t n, uint64_t seed, uint64_t counter, void* out, double mean, double std);
  /// y = kept ? x / (1 - p) : 0, each element kept with probability 1 - p; the gradient is the same
  /// call on dy with the same counter. x and y may be the same memory. [float32, float64]
  void (*dropout[2])(int64_t n, uint64_t seed, uint64_t counter, const void* x, void* y, double p);
  /// Uniform integers in [low, high), low < high.
  void (*integers)(int64_t n, uint64_t seed, uint64_t counter, int64_t* out, int64_t low,
                   int64_t high);
};

}  // namespace lepton
