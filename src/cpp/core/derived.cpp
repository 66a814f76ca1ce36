// The blocks derived from a storage, and the content they belong to.
// SPDX-License-Identifier: Apache-2.0
#include "core/derived.h"

#include <mutex>

#include "kernels/dispatch.h"

namespace lepton {
namespace {

struct Key {
  Derivation how;
  std::string isa;
  DType dtype;
  int64_t offset;
  Shape shape;
  Strides strides;
  bool operator==(const Key&) const = default;
};

}  // namespace

class DerivedBlocks {
 public:
  /// The block kept for this key and content, or null; `again` tells whether it was asked for
  /// before.
  Ref<Storage> find(const Key& key, int64_t content, bool& again) {
    const std::lock_guard lock(mutex_);
    if (content != content_) entries_.clear();
    content_ = content;
    for (const Entry& entry : entries_)
      if (entry.key == key) {
        again = true;
        return entry.block;
      }
    again = false;
    entries_.push_back({key, {}});
    return {};
  }
  void keep(const Key& key, int64_t content, const Ref<Storage>& block) {
    const std::lock_guard lock(mutex_);
    if (content != content_) return;
    for (Entry& entry : entries_)
      if (entry.key == key) entry.block = block;
  }

 private:
  struct Entry {
    Key key;
    Ref<Storage> block;  // null after the first request
  };
  std::mutex mutex_;
  int64_t content_ = 0;
  std::vector<Entry> entries_;
};

DerivedBlocks& Storage::derived() {
  DerivedBlocks* blocks = derived_.load(std::memory_order_acquire);
  if (blocks) return *blocks;
  auto made = std::make_unique<DerivedBlocks>();
  if (derived_.compare_exchange_strong(blocks, made.get(), std::memory_order_acq_rel))
    return *made.release();
  return *blocks;
}

void Storage::drop_derived() { delete derived_.exchange(nullptr, std::memory_order_acq_rel); }

namespace {

Ref<Storage> filled(size_t bytes, const std::function<void(std::byte*)>& fill) {
  Ref<Storage> block(new Storage(bytes));
  fill(block->data());
  return block;
}

}  // namespace

Ref<Storage> derive_again(const Tensor& from, const Derivation& how, size_t bytes,
                          const std::function<void(std::byte*)>& fill) {
  Storage& storage = from.storage();
  if (!storage.written_by_ops_only()) return {};
  const int64_t content = storage.content();
  const Key key = {how, kernels().isa, from.dtype(), from.offset(), from.shape(), from.strides()};
  bool again = false;
  if (Ref<Storage> kept = storage.derived().find(key, content, again)) return kept;
  if (!again) return {};
  const Ref<Storage> block = filled(bytes, fill);
  storage.derived().keep(key, content, block);
  return block;
}

Ref<Storage> derive(const Tensor& from, const Derivation& how, size_t bytes,
                    const std::function<void(std::byte*)>& fill) {
  if (Ref<Storage> kept = derive_again(from, how, bytes, fill)) return kept;
  return filled(bytes, fill);
}

}  // namespace lepton
