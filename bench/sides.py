"""The sides: what is compared, in which environment, and one face for Lepton and PyTorch."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import os
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

# glibc: keep freed memory instead of faulting its pages in anew on every call.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "68719476736",
    "MALLOC_TOP_PAD_": "268435456",
}
# What a side is called, and the families of builders it understands, the closest first.
FAMILIES = {
    "lepton": ("lepton", "framework"),
    "torch": ("torch", "framework"),
    "torch-default": ("torch-default", "torch", "framework"),
    "torch-compile": ("torch-compile",),
    "numpy": ("numpy",),
    "sklearn": ("sklearn",),
    "onnxruntime": ("onnxruntime",),
    "keras-tensorflow": ("keras",),
    "keras-jax": ("keras",),
}
# Sides that spend half a minute on compiling a step: timed on the judged number of threads alone.
COMPILED = ("torch-compile", "keras-tensorflow", "keras-jax")
THREAD_VARIABLES = (
    "LEPTON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
)  # fmt: skip


def environment(side: str, threads: int) -> dict[str, str]:
    """The environment of a side's process."""
    dropped = ("OPENBLAS_", "MALLOC_", "LEPTON_")
    result = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    result.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    name, _, isa = side.partition("@")
    if isa:
        result["LEPTON_ISA"] = isa
    if name in ("torch", "torch-compile"):
        result.update(KEEP_MEMORY)
    if name == "torch-compile":
        result["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    if name.startswith("keras-"):
        result["KERAS_BACKEND"] = name.removeprefix("keras-")
        result["TF_CPP_MIN_LOG_LEVEL"] = "3"
        result["CUDA_VISIBLE_DEVICES"] = ""
    return result


def builder(sides: Any, side: str) -> Any:
    """The function that builds a case's work for a side, or None."""
    families = FAMILIES[side.partition("@")[0]]
    return next((sides[f] for f in families if f in sides), None)


class Framework:
    """What Lepton and PyTorch share, under the same names, and the little in which they differ."""

    def __init__(self, side: str, threads: int) -> None:
        self.side = side
        self.threads = threads
        self.is_lepton = side.startswith("lepton")
        self.best = side != "torch-default"
        if self.is_lepton:
            import lepton as lib
            from lepton import nn, optim
        else:
            import torch as lib
            from torch import nn, optim

            lib.set_num_threads(threads)
        self.lib: Any = lib
        self.nn: Any = nn
        self.F: Any = nn.functional
        self.optim: Any = optim
        self.no_grad = lib.no_grad

    def tensor(self, array: Any, grad: bool = False) -> Any:
        """A tensor with the values of an array, in C order."""
        array = np.ascontiguousarray(array)
        made = self.lib.tensor(array) if self.is_lepton else self.lib.from_numpy(array).clone()
        return made.requires_grad_() if grad else made

    def image(self, array: np.ndarray, grad: bool = False) -> Any:
        """A batch (N, C, H, W) in the layout in which this side is at its best."""
        if self.is_lepton:
            rows = np.ascontiguousarray(array.transpose(0, 2, 3, 1))
            made = self.lib.tensor(rows).permute(0, 3, 1, 2)
        else:
            made = self.lib.from_numpy(array).clone()
            if self.best:
                made = made.contiguous(memory_format=self.lib.channels_last)
        return made.requires_grad_() if grad else made

    def weight(self, array: np.ndarray, grad: bool = False) -> Any:
        """Filters (O, I, H, W), laid out as the side's own layer lays them out."""
        return self.tensor(array, grad) if self.is_lepton else self.image(array, grad)

    def numpy(self, tensor: Any) -> np.ndarray:
        return np.asarray(tensor.detach().numpy())

    def grad(self, tensor: Any) -> np.ndarray:
        """The gradient of a tensor as an array; taken out, so that the next one starts anew."""
        found, tensor.grad = tensor.grad, None
        if found is not None and not self.is_lepton and found.is_sparse:
            found = found.to_dense()
        return np.asarray(found.numpy())

    def module(self, module: Any, seed: int = 0) -> Any:
        """Give a module the same weights on every side, and the layout of the side."""
        with self.no_grad():
            for name, parameter in module.named_parameters():
                shape = tuple(parameter.shape)
                rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
                if len(shape) > 1 or "bias" in name:  # weights of norms are ones
                    bound = float(np.prod(shape[1:])) ** -0.5 if len(shape) > 1 else 0.1
                    values = rng.uniform(-bound, bound, shape).astype(np.float32)
                    parameter.copy_(self.lib.asarray(values))
        if not self.is_lepton and self.best:
            module = module.to(memory_format=self.lib.channels_last)
        return module

    def optimizer(self, name: str, parameters: Iterable[Any], **options: Any) -> Any:
        """An optimiser: PyTorch's best is the fused one, where there is one."""
        if not self.is_lepton and self.best and name in ("Adam", "AdamW", "SGD"):
            options["fused"] = True
        return getattr(self.optim, name)(parameters, **options)


def load(side: str, threads: int) -> Any:
    """What a builder is given; raises ImportError where the side is not installed."""
    name = side.partition("@")[0]
    if name.startswith(("lepton", "torch")):
        return Framework(name, threads)
    from bench import other_sides

    return other_sides.load(name, threads)


def versions(side: str) -> dict[str, str]:
    """The versions a side runs with."""
    name = side.partition("@")[0]
    if name == "lepton":
        import lepton

        return {"lepton": f"{lepton.__version__} ({lepton.isa()})"}
    packages = {
        "keras-tensorflow": ("keras", "tensorflow"),
        "keras-jax": ("keras", "jax"),
    }.get(name, (name.partition("-")[0],))
    return {package: importlib.import_module(package).__version__ for package in packages}
