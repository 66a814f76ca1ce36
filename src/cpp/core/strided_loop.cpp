// Ordering and merging of axes for StridedLoop.
// SPDX-License-Identifier: Apache-2.0
#include "core/strided_loop.h"

namespace lepton {

StridedLoop::StridedLoop(const Shape& shape, std::initializer_list<const Strides*> operands)
    : count_(static_cast<int>(operands.size())), numel_(lepton::count(shape)) {
  build(shape, operands.begin());
}

StridedLoop::StridedLoop(const Shape& shape, const Strides* const* operands, int count)
    : count_(count), numel_(lepton::count(shape)) {
  build(shape, operands);
}

void StridedLoop::build(const Shape& shape, const Strides* const* operands) {
  for (int64_t axis : memory_order(shape, *operands[0])) {
    const int64_t length = shape[axis];
    if (length == 1) continue;
    bool merges = !lengths_.empty();
    for (int k = 0; k < count_ && merges; ++k)
      merges = strides_[k].back() == (*operands[k])[axis] * length;
    if (merges) {
      lengths_[lengths_.size() - 1] *= length;
      for (int k = 0; k < count_; ++k) strides_[k][lengths_.size() - 1] = (*operands[k])[axis];
    } else {
      lengths_.push_back(length);
      for (int k = 0; k < count_; ++k) strides_[k].push_back((*operands[k])[axis]);
    }
  }
  if (lengths_.empty()) {
    lengths_.push_back(1);
    for (int k = 0; k < count_; ++k) strides_[k].push_back(1);
  }
}

}  // namespace lepton
