// The parts of the compiled module.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <pybind11/pybind11.h>

namespace lepton::python {
void bind_ops(pybind11::module_& module);
void bind_sparse_rows(pybind11::module_& module);
void bind_tensor(pybind11::module_& module);
void bind_runtime(pybind11::module_& module);
}  // namespace lepton::python
