// Stopping long computations on the user's wish.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lepton {

/// Installs what check_interrupt() calls: a function that throws if the user asked to stop.
void set_interrupt_check(void (*check)());
/// To be called now and then, on the thread that called the op, where a call may take seconds.
void check_interrupt();

}  // namespace lepton
