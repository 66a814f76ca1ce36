// Python's operators on Tensor: +, @, <, [], len and so on.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <Python.h>

#include <vector>

namespace lepton::python {

/// Slots of the number, comparison and subscript protocols, for PyType_Spec.
std::vector<PyType_Slot> operator_slots();

}  // namespace lepton::python
