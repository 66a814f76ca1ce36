// Winograd's convolution by 3 x 3 and 2 x 2 filters: fewer products than the sum over taps has.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/conv_direct.h"

namespace lepton {

/// Whether convolutions by 3 x 3 filters keep to F(2 x 2), as accurate as the sum over taps, or may
/// take F(4 x 4), which is faster and has about three times its error.
enum class ConvPrecision { kHighest, kHigh };
ConvPrecision conv_precision();
void set_conv_precision(ConvPrecision precision);

/// Whether Winograd's algorithm can compute the pass and is faster than the sum over taps.
template <class T>
bool winograd_fits(const ConvPass<T>& pass);

/// Computes passes over the same x that fit on all threads; the same bits for any number of them.
template <class T>
void run_winograd(const std::vector<ConvPass<T>>& passes);

/// The passes of step 1 whose sum a pass that fits and is not dilated is: each reads every step-th
/// line and pixel of x.
template <class T>
std::vector<ConvPass<T>> winograd_sources(const ConvPass<T>& pass);

/// The gradient of the weight of a forward pass that fits and is not dilated,
/// [panel][tap][in][columns] in panels of conv_part().weight_tall; dy lies as y_strides says,
/// channels of x and dy are neighbours. Where db, [panel][columns], is not null, also the sums of
/// dy over pixels.
template <class T>
void winograd_weight_gradient(const ConvPass<T>& forward, const T* dy, T* dw, T* db);

}  // namespace lepton
