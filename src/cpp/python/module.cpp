// The compiled module lepton._core.
// SPDX-License-Identifier: Apache-2.0
#include <pybind11/pybind11.h>

#include "python/bind.h"
#include "python/tensor_object.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The compiled core of Lepton.";
  pybind11::register_local_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const lepton::TypeError& e) {
      PyErr_SetString(PyExc_TypeError, e.what());
    } catch (const lepton::ValueError& e) {
      PyErr_SetString(PyExc_ValueError, e.what());
    } catch (const lepton::IndexError& e) {
      PyErr_SetString(PyExc_IndexError, e.what());
    }
  });
  lepton::python::bind_tensor(module);
  lepton::python::bind_sparse_rows(module);
  lepton::python::bind_runtime(module);
  lepton::python::bind_ops(module);
}
