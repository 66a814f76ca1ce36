// The pooling kernels of one instruction set.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/pool.h"

namespace lepton::LEPTON_ISA {
namespace {

template <class T>
constexpr PoolPart<T> kPart = {
    {max_pool<T, uint8_t>, max_pool<T, int32_t>},
    {max_pool_gradient<T, uint8_t>, max_pool_gradient<T, int32_t>},
    average_pool<T>,
    average_pool_gradient<T>,
};

}  // namespace

extern const PoolTable pool_table;
const PoolTable pool_table = {kPart<float>, kPart<double>};

}  // namespace lepton::LEPTON_ISA
