// Chooses the kernels for this CPU, once, by feature and never by vendor.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "kernels/table.h"

namespace lepton {

/// The kernels in use: the best the CPU has, or what LEPTON_ISA=baseline|avx2|avx512 names.
/// The first call throws std::runtime_error where LEPTON_ISA names none of available_isas().
const Kernels& kernels();
/// Switches to another instruction set by name; false if it is not built or the CPU lacks it.
bool use_isa(const std::string& name);
/// The sentence that refuses a name: what expects it, the choices, what it got.
std::string unknown_isa(const std::string& what, const std::string& name);
/// Names of the instruction sets that are built and that this CPU has, best first.
std::vector<std::string> available_isas();

}  // namespace lepton
