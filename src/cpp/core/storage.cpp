// The caching allocator and the storages that live in it.
// SPDX-License-Identifier: Apache-2.0
#include "core/storage.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <new>

#include "core/error.h"

namespace lepton {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr int kClasses = 64 * 4;

// Four sizes to each power of two: at most a quarter of a block is wasted.
size_t rounded(size_t bytes) {
  if (bytes <= 256)
    return (bytes + kAlignment - 1) / kAlignment * kAlignment + (bytes == 0) * kAlignment;
  const size_t step = std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}
int size_class(size_t size) {
  if (size <= 256) return static_cast<int>(size / kAlignment) - 1;
  const int log = std::bit_width(size - 1) - 1;
  const size_t base = size_t{1} << log;
  return (log - 7) * 4 + static_cast<int>((size - base - 1) / (base / 4));
}

class Allocator {
 public:
  std::byte* allocate(size_t bytes) {
    const size_t size = rounded(bytes);
    {
      std::lock_guard lock(mutex_);
      account(size);
      auto& list = free_[size_class(size)];
      if (!list.empty()) {
        std::byte* p = list.back();
        list.pop_back();
        cached_ -= size;
        return p;
      }
    }
    // Whole huge pages keep the cost of page faults and TLB misses out of large outputs.
    const size_t alignment = size >= kHugePage ? kHugePage : kAlignment;
    void* p = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (!p) {
      empty(0);
      p = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    }
    if (!p) {
      std::lock_guard lock(mutex_);
      in_use_ -= size;
      throw std::bad_alloc();
    }
#if defined(MADV_HUGEPAGE)
    if (size >= kHugePage) madvise(p, size, MADV_HUGEPAGE);
#endif
    return static_cast<std::byte*>(p);
  }

  void release(std::byte* p, size_t bytes) {
    const size_t size = rounded(bytes);
    std::unique_lock lock(mutex_);
    in_use_ -= size;
    if (cached_ + size > limit_) {
      lock.unlock();
      std::free(p);
      return;
    }
    free_[size_class(size)].push_back(p);
    cached_ += size;
  }

  void empty(size_t keep) {
    std::lock_guard lock(mutex_);
    // Large blocks first: they are the fewest and hold the most.
    for (size_t c = free_.size(); c-- > 0 && cached_ > keep;)
      while (!free_[c].empty() && cached_ > keep) {
        std::free(free_[c].back());
        free_[c].pop_back();
        cached_ -= class_size(static_cast<int>(c));
      }
  }
  void set_limit(size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      limit_ = bytes;
    }
    empty(bytes);
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    peak_ = in_use_;
  }
  MemoryStats stats() {
    std::lock_guard lock(mutex_);
    return {in_use_, cached_, peak_, limit_};
  }
  std::mutex& mutex() { return mutex_; }

 private:
  static size_t class_size(int c) {
    if (c < 4) return static_cast<size_t>(c + 1) * kAlignment;
    const size_t base = size_t{1} << (c / 4 + 7);
    return base + static_cast<size_t>(c % 4 + 1) * (base / 4);
  }
  void account(size_t size) {
    in_use_ += size;
    peak_ = std::max(peak_, in_use_);
  }

  std::mutex mutex_;
  std::array<std::vector<std::byte*>, kClasses> free_;
  size_t in_use_ = 0, cached_ = 0, peak_ = 0, limit_ = size_t{1} << 30;
};

// Never destroyed: tensors held by other static objects may outlive any order of destruction.
Allocator& allocator() {
  static Allocator& instance = *new Allocator;
  // A child of fork must not find it locked by a thread that it does not have.
  [[maybe_unused]] static const int registered =
      pthread_atfork([] { instance.mutex().lock(); }, [] { instance.mutex().unlock(); },
                     [] { instance.mutex().unlock(); });
  return instance;
}

}  // namespace

Storage::Storage(size_t bytes) : data_(allocator().allocate(bytes)), bytes_(bytes) {}

Storage::Storage(void* data, size_t bytes, bool writable, std::function<void()> release)
    : data_(static_cast<std::byte*>(data)),
      bytes_(bytes),
      writable_(writable),
      release_(std::move(release)) {}

Storage::~Storage() {
  drop_derived();
  if (release_)
    release_();
  else
    allocator().release(data_, bytes_);
}

void Storage::add_saver(const char* op) {
  std::lock_guard lock(savers_mutex_);
  savers_.push_back(op);
}

void Storage::remove_saver(const char* op) {
  std::lock_guard lock(savers_mutex_);
  const auto it = std::find(savers_.rbegin(), savers_.rend(), op);
  std::swap(*it, savers_.back());
  savers_.pop_back();
}

const char* Storage::saver() const {
  std::lock_guard lock(savers_mutex_);
  return savers_.empty() ? nullptr : savers_.back();
}

MemoryStats memory_stats() { return allocator().stats(); }
void empty_cache() { allocator().empty(0); }
void set_cache_limit(size_t bytes) { allocator().set_limit(bytes); }
void reset_peak_memory() { allocator().reset_peak(); }

Scratch::Scratch(size_t bytes) : data_(allocator().allocate(bytes)), bytes_(bytes) {}
Scratch::~Scratch() { allocator().release(data_, bytes_); }

}  // namespace lepton
