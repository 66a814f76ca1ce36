// Threads, instruction sets, memory, random state and gradient mode.
// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "autograd/node.h"
#include "core/interrupt.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/storage.h"
#include "kernels/dispatch.h"
#include "ops/conv_winograd.h"
#include "python/bind.h"

namespace lepton::python {

namespace py = pybind11;

namespace {

// Runs Python's handlers of signals that arrived: Ctrl-C is an exception there.
void check_signals() {
  const py::gil_scoped_acquire lock;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

}  // namespace

void bind_runtime(py::module_& m) {
  set_interrupt_check(&check_signals);
  m.def("get_num_threads", &num_threads, "Threads that ops use.");
  m.def("set_num_threads", &set_num_threads, py::arg("n"), "Sets the threads that ops use.");
  m.def("num_threads_reason", &num_threads_reason, "Why that many threads.");
  m.def("isa", [] { return kernels().isa; }, "Instruction set in use.");
  m.def("available_isas", &available_isas,
        "Instruction sets that are built and that this CPU has, best first.");
  m.def(
      "set_isa",
      [](const std::string& name) {
        if (use_isa(name)) return;
        raise<ValueError>(unknown_isa("set_isa", name));
      },
      py::arg("name"), "Switches to another instruction set.");

  m.def(
      "get_conv_precision",
      [] { return conv_precision() == ConvPrecision::kHigh ? "high" : "highest"; },
      "How exactly convolutions compute: 'highest' or 'high'.");
  m.def(
      "set_conv_precision",
      [](const std::string& precision) {
        check<ValueError>(precision == "high" || precision == "highest",
                          "set_conv_precision: expects 'highest' or 'high', got '", precision, "'");
        set_conv_precision(precision == "high" ? ConvPrecision::kHigh : ConvPrecision::kHighest);
      },
      py::arg("precision"), "Lets convolutions trade exactness for speed, or forbids it.");

  m.def(
      "run_peak",
      [](int64_t steps) {
        const auto& kernel = kernels().gemm->f32;
        const int64_t chunks = 4 * num_threads();
        const py::gil_scoped_release released;
        parallel_for(0, chunks, 1, [&](int64_t, int64_t) {
          [[maybe_unused]] volatile float sink = kernel.peak(steps);
        });
        return static_cast<double>(steps) * static_cast<double>(kernel.peak_flops * chunks);
      },
      py::arg("steps"),
      "Runs float32 multiply-adds out of registers on all threads and returns how many "
      "operations.");

  m.def(
      "memory_stats",
      [] {
        const MemoryStats s = memory_stats();
        return py::dict(py::arg("in_use") = s.in_use, py::arg("cached") = s.cached,
                        py::arg("peak") = s.peak, py::arg("cache_limit") = s.cache_limit);
      },
      "Bytes in use, cached for reuse, the peak, and the limit of the cache.");
  m.def("empty_cache", &empty_cache, "Gives cached memory back to the system.");
  m.def("set_cache_limit", &set_cache_limit, py::arg("bytes"),
        "Most bytes of freed memory to keep.");
  m.def("reset_peak_memory", &reset_peak_memory, "Restarts the count of the peak.");

  m.def("manual_seed", &manual_seed, py::arg("seed"), "Restarts the random numbers from a seed.");
  m.def(
      "get_rng_state",
      [] {
        const RandomState s = random_state();
        return py::dict(py::arg("seed") = s.seed, py::arg("counter") = s.counter);
      },
      "The random state: seed and counter.");
  m.def(
      "set_rng_state",
      [](const py::dict& state) {
        set_random_state({state["seed"].cast<uint64_t>(), state["counter"].cast<uint64_t>()});
      },
      py::arg("state"), "Restores what get_rng_state returned.");

  m.def("is_grad_enabled", &grad_enabled, "Whether ops record gradients on this thread.");
  m.def("set_grad_enabled", &set_grad_enabled, py::arg("mode"),
        "Turns recording of gradients on or off.");
}

}  // namespace lepton::python
