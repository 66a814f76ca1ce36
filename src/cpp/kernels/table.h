// All the rest of Lepton knows about a kernel build: one struct of function pointers per family.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/attention_table.h"
#include "kernels/conv_table.h"
#include "kernels/coordinate_table.h"
#include "kernels/copy_table.h"
#include "kernels/elementwise_table.h"
#include "kernels/gemm_table.h"
#include "kernels/gram_table.h"
#include "kernels/norm_table.h"
#include "kernels/optim_table.h"
#include "kernels/pool_table.h"
#include "kernels/random_table.h"
#include "kernels/recurrent_table.h"
#include "kernels/reduce_table.h"
#include "kernels/softmax_table.h"
#include "kernels/winograd_table.h"

/// X(family, type): every family exports lepton::<isa>::<family>_table of that type, and nothing
/// else.
#define LEPTON_KERNEL_FAMILIES(X)  \
  X(attention, AttentionTable)     \
  X(conv, ConvTable)               \
  X(coordinate, CoordinateTable)   \
  X(copy, CopyTable)               \
  X(elementwise, ElementwiseTable) \
  X(gemm, GemmTable)               \
  X(gram, GramTable)               \
  X(norm, NormTable)               \
  X(optim, OptimTable)             \
  X(pool, PoolTable)               \
  X(random, RandomTable)           \
  X(recurrent, RecurrentTable)     \
  X(reduce, ReduceTable)           \
  X(softmax, SoftmaxTable)         \
  X(winograd, WinogradTable)

namespace lepton {

/// The kernels of one instruction set.
struct Kernels {
  const char* isa;
#define LEPTON_FIELD(family, type) const type* family;
  LEPTON_KERNEL_FAMILIES(LEPTON_FIELD)
#undef LEPTON_FIELD
};

}  // namespace lepton
