// The installed check, if there is one.
// SPDX-License-Identifier: Apache-2.0
#include "core/interrupt.h"

#include <atomic>

namespace lepton {
namespace {

std::atomic<void (*)()> installed_check{nullptr};

}  // namespace

void set_interrupt_check(void (*check)()) { installed_check = check; }

void check_interrupt() {
  if (void (*check)() = installed_check) check();
}

}  // namespace lepton
