// parallel_for on the pool, the choice of the thread count, and the floating-point mode.
// SPDX-License-Identifier: Apache-2.0
#include "core/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/pool.h"

namespace lepton {
namespace {

uint64_t get_float_mode() {
#if defined(__x86_64__)
  return __builtin_ia32_stmxcsr();
#elif defined(__aarch64__)
  uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
#else
  return 0;
#endif
}
void set_float_mode([[maybe_unused]] uint64_t mode) {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr(static_cast<unsigned>(mode));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" ::"r"(mode));
#endif
}
#if defined(__x86_64__)
constexpr uint64_t kFlush = 0x8040;  // FTZ and DAZ
#else
constexpr uint64_t kFlush = uint64_t{1} << 24;  // FZ
#endif

int cgroup_quota() {
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (v2 >> quota >> period && quota != "max" && period > 0)
    return std::max(1, static_cast<int>(std::stod(quota) / period + 0.5));
  std::ifstream q("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), p("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double micros = -1;
  if (q >> micros && p >> period && micros > 0 && period > 0)
    return std::max(1, static_cast<int>(micros / period + 0.5));
  return 0;
}

int physical_cores(const cpu_set_t& mask) {
  std::set<std::pair<int, int>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    const std::string dir = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    std::ifstream core(dir + "core_id"), package(dir + "physical_package_id");
    int c = cpu, p = -1;
    if (!(core >> c) || !(package >> p)) c = cpu, p = -1;
    cores.emplace(p, c);
  }
  return static_cast<int>(cores.size());
}

struct Threads {
  int count = 1;
  std::string reason;
};

Threads default_threads() {
  if (const char* text = std::getenv("LEPTON_NUM_THREADS")) {
    const int n = std::atoi(text);
    if (n >= 1 && n <= 1024) return {n, "LEPTON_NUM_THREADS"};
  }
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return {1, "the affinity mask is unknown"};
  const int affinity = CPU_COUNT(&mask), quota = cgroup_quota(), cores = physical_cores(mask);
  Threads best{std::max(cores, 1), "physical cores"};
  if (affinity <= best.count) best = {affinity, "CPUs in the affinity mask"};
  if (quota > 0 && quota < best.count) best = {quota, "cgroup CPU quota"};
  return best;
}

Threads& threads() {
  static Threads value = default_threads();
  return value;
}

thread_local bool inside = false;

}  // namespace

int num_threads() { return threads().count; }

void set_num_threads(int n) {
  check<ValueError>(n >= 1 && n <= 1024, "set_num_threads: expects 1 to 1024, got ", n);
  threads() = {n, "set_num_threads"};
}

std::string num_threads_reason() { return threads().reason; }

namespace {

// One parallel_for on its way: what its threads share.
struct Loop {
  int64_t begin, end, grain;
  void (*body)(void*, int64_t, int64_t);
  void* context;
  uint64_t mode;
  std::atomic<bool> failed{false};
  std::exception_ptr error = nullptr;

  void run(int64_t chunk) {
    const int64_t b = begin + chunk * grain;
    body(context, b, std::min(end, b + grain));
  }
  // On any thread: in the caller's floating-point mode; keeps the first exception.
  void run_in_pool(int64_t chunk) {
    if (failed.load(std::memory_order_relaxed)) return;
    const uint64_t own = get_float_mode();
    if (own != mode) set_float_mode(mode);
    inside = true;
    try {
      run(chunk);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
    inside = false;
    if (own != mode) set_float_mode(own);
  }
};

}  // namespace

void detail::run_chunks(int64_t begin, int64_t end, int64_t grain,
                        void (*body)(void*, int64_t, int64_t), void* context) {
  const int64_t chunks = (end - begin + grain - 1) / grain;
  Loop loop{begin, end, grain, body, context, get_float_mode()};
  const auto run = [](void* shared, int64_t chunk) {
    static_cast<Loop*>(shared)->run_in_pool(chunk);
  };
  const bool shared = num_threads() > 1 && chunks > 1 && chunks < Pool::kMaxChunks && !inside;
  if (shared && Pool::instance().run(chunks, num_threads(), run, &loop)) {
    if (loop.error) std::rethrow_exception(loop.error);
    return;
  }
  for (int64_t chunk = 0; chunk < chunks; ++chunk) loop.run(chunk);
}

FlushDenormals::FlushDenormals() : saved_(get_float_mode()) { set_float_mode(saved_ | kFlush); }
FlushDenormals::~FlushDenormals() { set_float_mode(saved_); }

}  // namespace lepton
