// The matrix product kernels of one instruction set.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm.h"

#include "kernels/few_rows.h"
#include "kernels/transpose.h"

namespace lepton::LEPTON_ISA {
namespace {

template <class T>
constexpr GemmPart<T> kPart = {
    kGemmKernel<T, kNarrowRows, 1>,
    kGemmKernel<T, kTallRows, 2>,
    kGemmKernel<T, kWideRows, kWideVectors>,
    copy_matrix<T>,
    pack_panels<T>,
    row_dots<T>,
    row_sums<T>,
    kLanes<T>,
    finish_streaming,
    gemm_peak<T>,
    int64_t{2} * kWideRows* kWideVectors* kLanes<T>,
    kGemmKernel<T, kFewRows, kFewVectors>,
};

}  // namespace

extern const GemmTable gemm_table;
const GemmTable gemm_table = {kPart<float>, kPart<double>};

}  // namespace lepton::LEPTON_ISA
