// Memory of tensors: 64-byte aligned blocks from a caching allocator, or memory somebody else owns.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

#include "core/refcount.h"

namespace lepton {

class DerivedBlocks;

/// A block of bytes that tensors share. Counts the writes to it and who still needs its old
/// content.
class Storage : public RefCounted {
 public:
  explicit Storage(size_t bytes);
  /// Memory owned elsewhere; `release` runs once when the last tensor lets go.
  Storage(void* data, size_t bytes, bool writable, std::function<void()> release);
  ~Storage();

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  bool writable() const { return writable_; }
  /// Memory owned elsewhere.
  bool is_foreign() const { return static_cast<bool>(release_); }

  /// Number of in-place writes so far; a saved tensor compares it.
  int64_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }

  /// Registers that the gradient of `op` needs the present content, and takes that back.
  void add_saver(const char* op);
  void remove_saver(const char* op);
  /// An op whose gradient still needs the content; null if there is none.
  const char* saver() const;

  /// Registers that code which counts no versions, NumPy for one, can write the memory, and takes
  /// that back.
  void add_outside_writer() { outside_.fetch_add(1, std::memory_order_relaxed); }
  void remove_outside_writer() {
    handed_back_.fetch_add(1, std::memory_order_relaxed);
    outside_.fetch_sub(1, std::memory_order_release);
  }
  /// Whether every write to the memory changes content().
  bool written_by_ops_only() const {
    return !release_ && outside_.load(std::memory_order_acquire) == 0;
  }
  /// Differs whenever the bytes may differ, as long as written_by_ops_only().
  int64_t content() const { return version() + handed_back_.load(std::memory_order_relaxed); }
  /// What derive() keeps for this content.
  DerivedBlocks& derived();

  /// Tensors on this storage that record gradients.
  std::atomic<int32_t> tracked{0};

 private:
  void drop_derived();

  std::byte* data_;
  size_t bytes_;
  bool writable_ = true;
  std::function<void()> release_;
  std::atomic<int64_t> version_{0};
  std::atomic<int64_t> handed_back_{0};
  std::atomic<int32_t> outside_{0};
  std::atomic<DerivedBlocks*> derived_{nullptr};
  mutable std::mutex savers_mutex_;
  std::vector<const char*> savers_;
};

/// What the allocator holds, in bytes.
struct MemoryStats {
  size_t in_use;       // handed out to tensors
  size_t cached;       // freed and kept for reuse
  size_t peak;         // most ever handed out at once
  size_t cache_limit;  // most it keeps
};
MemoryStats memory_stats();
/// Gives cached blocks back to the system.
void empty_cache();
/// Most bytes to keep for reuse (default 1 GiB); frees what exceeds it.
void set_cache_limit(size_t bytes);
/// Restarts the count of `peak` at what is in use now.
void reset_peak_memory();

/// Scratch memory of a kernel call: aligned, uninitialised, back to the cache at the end of the
/// scope.
class Scratch {
 public:
  explicit Scratch(size_t bytes);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  std::byte* data_;
  size_t bytes_;
};

}  // namespace lepton
