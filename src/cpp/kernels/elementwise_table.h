// Entry points of the elementwise kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// output[i] = f(inputs[0][i], inputs[1][i], ...) over n contiguous elements; a gradient takes
/// (dy, x..., y) as its inputs, null where the op declares that it does not need them. `stream`
/// stores the output past the caches where the kernel can.
using ElementwiseKernel = void (*)(int64_t n, const void* const* inputs, void* output,
                                   const double* params, bool stream);

struct ElementwiseKernels {
  ElementwiseKernel forward[6];      // by DType of the inputs; null where the op has no such type
  ElementwiseKernel gradient[2][2];  // [input][float32, float64]; null where there is none
};

struct ElementwiseTable {
  const ElementwiseKernels* ops;  // in the order of ElementwiseOps
  /// output[i] = condition[i] ? a[i] : b[i]; bytes is the element size: 1, 4 or 8.
  void (*where)(int64_t n, const uint8_t* condition, const void* a, const void* b, void* output,
                int64_t bytes);
  /// To be called after kernels that stream, before other threads may look.
  void (*finish)();
};

}  // namespace lepton
