// Winograd's convolution by 3 x 3 filters: fewer products than the sum over taps has.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/conv_direct.h"

namespace lepton {

/// Whether Winograd's algorithm can compute the pass and is faster than the sum over taps.
template <class T>
bool winograd_fits(const ConvPass<T>& pass);

/// Computes a pass that fits on all threads; the same bits for any number of them.
template <class T>
void run_winograd(const ConvPass<T>& pass);

}  // namespace lepton
