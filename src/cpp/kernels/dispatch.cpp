// CPU detection and the choice of the kernel tables.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/dispatch.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace lepton {

#define LEPTON_DECLARE(family, type) extern const type family##_table;
#if defined(__x86_64__)
namespace baseline {
LEPTON_KERNEL_FAMILIES(LEPTON_DECLARE)
}
namespace avx2 {
LEPTON_KERNEL_FAMILIES(LEPTON_DECLARE)
}
namespace avx512 {
LEPTON_KERNEL_FAMILIES(LEPTON_DECLARE)
}
#else
namespace baseline {
LEPTON_KERNEL_FAMILIES(LEPTON_DECLARE)
}
#endif

namespace {

#define LEPTON_ENTRY(family, type) &LEPTON_NAMESPACE::family##_table,
#define LEPTON_NAMESPACE baseline
constexpr Kernels kBaseline = {"baseline", LEPTON_KERNEL_FAMILIES(LEPTON_ENTRY)};
#undef LEPTON_NAMESPACE
#if defined(__x86_64__)
#define LEPTON_NAMESPACE avx2
constexpr Kernels kAvx2 = {"avx2", LEPTON_KERNEL_FAMILIES(LEPTON_ENTRY)};
#undef LEPTON_NAMESPACE
#define LEPTON_NAMESPACE avx512
constexpr Kernels kAvx512 = {"avx512", LEPTON_KERNEL_FAMILIES(LEPTON_ENTRY)};
#undef LEPTON_NAMESPACE
#endif

#if defined(__x86_64__) && (!defined(__clang__) || __clang_major__ >= 18)
bool has_v3() { return __builtin_cpu_supports("x86-64-v3"); }
bool has_v4() { return __builtin_cpu_supports("x86-64-v4"); }
#elif defined(__x86_64__)
// Older Clang knows no levels; these features came to every CPU together with the rest of theirs.
bool has_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

std::vector<const Kernels*> supported() {
  std::vector<const Kernels*> best_first;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (has_v4()) best_first.push_back(&kAvx512);
  if (has_v3()) best_first.push_back(&kAvx2);
#endif
  best_first.push_back(&kBaseline);
  return best_first;
}

const Kernels* find(const std::string& name) {
  for (const Kernels* k : supported())
    if (name == k->isa) return k;
  return nullptr;
}

const Kernels* initial() {
  const char* wanted = std::getenv("LEPTON_ISA");
  if (!wanted || !*wanted) return supported().front();
  const Kernels* k = find(wanted);
  if (!k) throw std::runtime_error(unknown_isa("LEPTON_ISA", wanted));
  return k;
}

std::atomic<const Kernels*>& current_kernels() {
  static std::atomic<const Kernels*> kernels{initial()};
  return kernels;
}

}  // namespace

const Kernels& kernels() { return *current_kernels().load(std::memory_order_relaxed); }

std::string unknown_isa(const std::string& what, const std::string& name) {
  std::string known;
  for (const std::string& isa : available_isas()) known += (known.empty() ? "" : ", ") + isa;
  return what + ": expects one of " + known + " (what this CPU has), got " + name;
}

bool use_isa(const std::string& name) {
  const Kernels* k = find(name);
  if (k) current_kernels().store(k, std::memory_order_relaxed);
  return k != nullptr;
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Kernels* k : supported()) names.emplace_back(k->isa);
  return names;
}

}  // namespace lepton
