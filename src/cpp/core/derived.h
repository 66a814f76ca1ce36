// What ops derive from the content of a tensor, kept while that content stands.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace lepton {

/// Names a derivation, with all it depends on beside the tensor and the instruction set.
struct Derivation {
  std::string name;
  std::vector<int64_t> details;
  bool operator==(const Derivation&) const = default;
};

/// The block that `fill` derives from the content of `from`, for example packed weights. A block
/// that is asked for a second time is kept until `from` is written to or its storage goes, so
/// training, which writes between the calls, holds no more memory. Never kept where others can
/// write the memory unseen. Safe from several threads; nobody may write to the block.
Ref<Storage> derive(const Tensor& from, const Derivation& how, size_t bytes,
                    const std::function<void(std::byte*)>& fill);
/// The same from the second request on; null at the first, and where nothing may be kept: for ops
/// that do without the block as long as they cannot tell whether it will serve again.
Ref<Storage> derive_again(const Tensor& from, const Derivation& how, size_t bytes,
                          const std::function<void(std::byte*)>& fill);

}  // namespace lepton
