// CPU detection and the choice of the kernel tables.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/dispatch.h"

#include <atomic>
#include <cstdlib>

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

std::vector<const Kernels*> supported() {
  std::vector<const Kernels*> best_first;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) best_first.push_back(&kAvx512);
  if (__builtin_cpu_supports("x86-64-v3")) best_first.push_back(&kAvx2);
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
  if (const char* wanted = std::getenv("LEPTON_ISA"))
    if (const Kernels* k = find(wanted)) return k;
  return supported().front();
}

std::atomic<const Kernels*>& current() {
  static std::atomic<const Kernels*> kernels{initial()};
  return kernels;
}

}  // namespace

const Kernels& kernels() { return *current().load(std::memory_order_relaxed); }

bool use_isa(const std::string& name) {
  const Kernels* k = find(name);
  if (k) current().store(k, std::memory_order_relaxed);
  return k != nullptr;
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Kernels* k : supported()) names.emplace_back(k->isa);
  return names;
}

}  // namespace lepton
