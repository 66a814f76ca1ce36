"""The sides that are no tape-based framework: NumPy, scikit-learn, ONNX Runtime, Keras."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any


def load(name: str, threads: int) -> Any:
    """A namespace with the library and the number of threads."""
    if name == "numpy":
        import numpy

        return SimpleNamespace(side=name, threads=threads, lib=numpy)
    if name == "sklearn":
        import sklearn

        return SimpleNamespace(side=name, threads=threads, lib=sklearn)
    if name == "onnxruntime":
        import onnxruntime

        return SimpleNamespace(side=name, threads=threads, lib=onnxruntime)
    # Neither backend takes a number of threads for all it does; the affinity mask binds both.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import keras

    if name == "keras-tensorflow":
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    return SimpleNamespace(side=name, threads=threads, lib=keras)
