# SPDX-License-Identifier: Apache-2.0
"""Writes src/lepton/_core/*.pyi, the types of the compiled module, from its registry of ops.

Run it after a change of ops or of functions in lepton.array: python tools/stubs.py
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import lepton
from lepton import _core
from lepton.array import _methods

TARGET = Path(__file__).resolve().parent.parent / "src" / "lepton" / "_core"

NOTE = """# SPDX-License-Identifier: Apache-2.0
# Written by tools/stubs.py; do not edit.
# ruff: noqa: I001, RUF022, RUF036, RUF100
"""

IMPORTS = """import builtins
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike
"""

# What the registry does not know: attributes, protocols, and methods that are not ops.
TENSOR = """class Tensor:
    def __new__(
        cls, data: Any, dtype: DTypeLike | None = ..., requires_grad: builtins.bool = ...
    ) -> Self: ...
    @property
    def shape(self) -> tuple[builtins.int, ...]: ...
    @property
    def strides(self) -> tuple[builtins.int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def device(self) -> str: ...
    @property
    def ndim(self) -> builtins.int: ...
    @property
    def size(self) -> builtins.int: ...
    @property
    def nbytes(self) -> builtins.int: ...
    @property
    def T(self) -> Tensor: ...
    @property
    def mT(self) -> Tensor: ...
    @property
    def is_leaf(self) -> builtins.bool: ...
    @property
    def operation(self) -> str | None: ...
    requires_grad: builtins.bool
    grad: Any  # Tensor | SparseRows | None: a union would make every use of a dense one an error
    __array_ufunc__: Any
    def __abs__(self) -> Tensor: ...
    def __array__(
        self, dtype: DTypeLike | None = ..., copy: builtins.bool | None = ...
    ) -> np.ndarray[Any, Any]: ...
    def __array_namespace__(self, /, *, api_version: str | None = ...) -> Any: ...
    def __bool__(self) -> builtins.bool: ...
    def __complex__(self) -> builtins.complex: ...
    def __contains__(self, value: Any) -> builtins.bool: ...
    def __deepcopy__(self, memo: dict[builtins.int, Any]) -> Tensor: ...
    def __dlpack__(
        self,
        /,
        *,
        stream: Any = ...,
        max_version: tuple[builtins.int, builtins.int] | None = ...,
        dl_device: tuple[Any, builtins.int] | None = ...,
        copy: builtins.bool | None = ...,
    ) -> Any: ...
    def __dlpack_device__(self, /) -> tuple[builtins.int, builtins.int]: ...
    def __eq__(self, other: Operand, /) -> Tensor: ...  # type: ignore[override]
    def __float__(self) -> builtins.float: ...
    def __format__(self, spec: str, /) -> str: ...
    def __getitem__(self, key: Any, /) -> Tensor: ...
    def __hash__(self) -> builtins.int: ...
    def __index__(self) -> builtins.int: ...
    def __int__(self) -> builtins.int: ...
    def __invert__(self) -> Tensor: ...
    def __iter__(self) -> Iterator[Tensor]: ...
    def __len__(self) -> builtins.int: ...
    def __ne__(self, other: Operand, /) -> Tensor: ...  # type: ignore[override]
    def __neg__(self) -> Tensor: ...
    def __pos__(self) -> Tensor: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...
    def _array(self) -> np.ndarray[Any, Any]: ...
    def _export(self, op: str) -> np.ndarray[Any, Any]: ...
    def backward(
        self, gradient: Tensor | None = ..., retain_graph: builtins.bool = ...
    ) -> None: ...
    def bool(self) -> Tensor: ...
    def clone(self) -> Tensor: ...
    def contiguous(self) -> Tensor: ...
    def copy(self) -> Tensor: ...
    def copy_(self, source: Any) -> Self: ...
    def detach(self) -> Tensor: ...
    def dim(self) -> builtins.int: ...
    def double(self) -> Tensor: ...
    def expand(self, *shape: builtins.int | Sequence[builtins.int]) -> Tensor: ...
    def fill_(self, value: builtins.float) -> Self: ...
    def float(self) -> Tensor: ...
    def int(self) -> Tensor: ...
    def is_channels_last(self) -> builtins.bool: ...
    def is_contiguous(self) -> builtins.bool: ...
    def item(self) -> Any: ...
    def long(self) -> Tensor: ...
    def numel(self) -> builtins.int: ...
    def numpy(self) -> np.ndarray[Any, Any]: ...
    def permute(self, *axes: builtins.int | Sequence[builtins.int]) -> Tensor: ...
    def requires_grad_(self, requires_grad: builtins.bool = ...) -> Self: ...
    def squeeze(
        self,
        axis: builtins.int | Sequence[builtins.int] | None = ...,
        *,
        dim: builtins.int | Sequence[builtins.int] | None = ...,
    ) -> Tensor: ...
    def swapaxes(self, axis1: builtins.int, axis2: builtins.int) -> Tensor: ...
    def to_device(self, device: str, /, *, stream: Any = ...) -> Self: ...
    def tolist(self) -> Any: ...
    def transpose(self, *axes: builtins.int | Sequence[builtins.int] | None) -> Tensor: ...
    def unsqueeze(self, dim: builtins.int) -> Tensor: ...
    def view(self, *shape: builtins.int | Sequence[builtins.int]) -> Tensor: ...
    def zero_(self) -> Self: ...
"""
OPERATORS = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
]
COMPARISONS = ["lt", "le", "gt", "ge"]

# Functions and types of the module that are not ops.
FUNCTIONS = """Operand = Tensor | np.ndarray[Any, Any] | bool | int | float

registry: list[dict[str, Any]]

class SparseRows:
    def __init__(self, indices: Tensor, values: Tensor, shape: Sequence[builtins.int]) -> None: ...
    @property
    def indices(self) -> Tensor: ...
    @property
    def values(self) -> Tensor: ...
    @property
    def shape(self) -> tuple[builtins.int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __neg__(self) -> SparseRows: ...
    def clone(self) -> SparseRows: ...
    def detach(self) -> SparseRows: ...
    def to_dense(self) -> Tensor: ...
    def zero_(self) -> SparseRows: ...

def asarray(obj: Any, *, dtype: DTypeLike | None = ..., copy: bool | None = ...) -> Tensor: ...
def promote_types(a: Any, b: Any, op: str = ...) -> np.dtype[Any]: ...
def record(
    op: str,
    inputs: Sequence[Tensor],
    output: Tensor,
    vjp: Callable[[Tensor], tuple[Tensor | None, ...]],
    saved: Sequence[Tensor] = ...,
) -> Tensor: ...
def available_isas() -> list[str]: ...
def empty_cache() -> None: ...
def get_num_threads() -> int: ...
def get_rng_state() -> dict[str, int]: ...
def is_grad_enabled() -> bool: ...
def isa() -> str: ...
def manual_seed(seed: int) -> None: ...
def memory_stats() -> dict[str, int]: ...
def num_threads_reason() -> str: ...
def reset_peak_memory() -> None: ...
def set_cache_limit(bytes: int) -> None: ...
def set_grad_enabled(mode: bool) -> None: ...
def set_isa(name: str) -> None: ...
def set_num_threads(n: int) -> None: ...
def set_rng_state(state: dict[str, int]) -> None: ...
"""


def qualified(annotation: str) -> str:
    """Builtin types by their full names: methods such as Tensor.float hide the short ones."""
    annotation = annotation.replace("'", '"')
    return re.sub(r"(?<![\w.])(bool|int|float|complex)(?!\w)", r"builtins.\1", annotation)


def sort_marks(signature: str) -> tuple[list[str], int, int]:
    """Names in a signature of the registry, how many are positional-only, how many positional."""
    names: list[str] = []
    only = 0
    positional: int | None = None
    depth, part = 0, ""
    parts = []
    for c in signature + ",":
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += c
    for part in filter(None, parts):
        if part == "/":
            only = len(names)
        elif part == "*":
            positional = len(names)
        else:
            names.append(part.partition("=")[0])
    return names, only, len(names) if positional is None else positional


def alias(parameters: list[str], pairs: tuple[tuple[str, str], ...]) -> list[str]:
    """The other library's word for an argument, as a keyword."""
    result = list(parameters)
    for name, other in pairs:
        for text in parameters:
            if text.startswith(f"{name}:") and text.endswith("= ..."):
                if not any(p == "*" or p.startswith("*") for p in result):
                    result.append("*")
                result.append(other + text[len(name) :])
    return result


def op_parameters(entry: dict[str, Any], method: bool) -> list[str]:
    names, only, positional = sort_marks(entry["signature"])
    packs = method and len(names) > 1 and names[1] in ("shape", "axes")
    texts = []
    for i, (name, kind, default) in enumerate(entry["parameters"]):
        text = f"{name}: {qualified(kind)}" + (" = ..." if default else "")
        if method and i == 0:
            text = "self"
        elif packs and i == 1:
            text = f"*{name}: builtins.int | Sequence[builtins.int]"
        elif i == positional and not method:
            texts.append("*")
        texts.append(text)
        if i + 1 == only and not method:
            texts.append("/")
    words = (("axis", "dim"), ("keepdims", "keepdim")) if method else (("dim", "axis"),)
    return alias(texts, words) if method or entry["space"] == "functional" else texts


def function_parameters(function: FunctionType) -> list[str]:
    """Parameters of a Python function as those of a method."""
    texts = ["self"]
    for p in list(inspect.signature(function).parameters.values())[1:]:
        default = "" if p.default is inspect.Parameter.empty else " = ..."
        texts.append(f"{p.name}: {qualified(str(p.annotation))}{default}")
    return alias(texts, (("axis", "dim"), ("keepdims", "keepdim")))


def define(name: str, parameters: list[str], result: str, indent: str = "") -> str:
    line = f"{indent}def {name}({', '.join(parameters)}) -> {qualified(result)}: ..."
    if len(line) <= 100:
        return line
    inner = f"{indent}    {', '.join(parameters)}\n"
    if len(inner) > 101:
        inner = "".join(f"{indent}    {p},\n" for p in parameters)
    return f"{indent}def {name}(\n{inner}{indent}) -> {qualified(result)}: ..."


def tensor_methods() -> Iterator[str]:
    for name in OPERATORS:
        for form in ("__{}__", "__r{}__"):
            yield f"    def {form.format(name)}(self, other: Operand, /) -> Tensor: ..."
        yield f"    def __i{name}__(self, other: Operand, /) -> Self: ..."
    for name in COMPARISONS:
        yield f"    def __{name}__(self, other: Operand, /) -> Tensor: ...  # type: ignore[misc]"
    ops = {entry["name"]: entry for entry in _core.registry if entry["space"] == "array"}
    for name in sorted(vars(lepton.Tensor)):
        if name.startswith("_") or name in _methods.METHODS:
            continue
        function = vars(lepton.array).get(name)
        if name in ops:
            yield define(name, op_parameters(ops[name], True), ops[name]["result"], "    ")
        elif isinstance(function, FunctionType):
            result = str(inspect.signature(function).return_annotation)
            yield define(name, function_parameters(function), result, "    ")


def stubs() -> dict[str, str]:
    """The text of every stub file."""
    sets = re.findall(r"\bUnique\w+", "\n".join(tensor_methods()))
    imports = f"from lepton.array._sets import {', '.join(sorted(set(sets)))}\n"
    body = TENSOR + "\n".join(tensor_methods())
    plain = set(re.findall(r"^(?:def|class) (\w+)", TENSOR + FUNCTIONS, re.MULTILINE))
    others = [
        define(name, ["*args: Any", "**options: Any"], "Any")
        for name, value in sorted(vars(_core).items())
        if callable(value) and name not in plain and not name.startswith("_")
    ]
    submodules = "from lepton._core import array as array, functional as functional\n"
    files = {"__init__.pyi": "\n".join([NOTE + IMPORTS, submodules + imports, body, "", FUNCTIONS])}
    files["__init__.pyi"] += "\n".join([*others, ""]) if others else ""
    for space in ("array", "functional", "internal"):
        ops = [e for e in _core.registry if e["space"] == space]
        lines = [define(e["name"], op_parameters(e, False), e["result"]) for e in ops]
        used = "\n".join(lines)
        head = [f"import {m}" for m in ("builtins",) if f"{m}." in used]
        head += ["from collections.abc import Sequence"] if "Sequence[" in used else []
        head += ["", "from numpy.typing import DTypeLike"] if "DTypeLike" in used else []
        head += ["", "from lepton._core import Tensor", ""] if lines else []
        names = ", ".join(f'"{e["name"]}"' for e in ops)
        wrapped = textwrap.fill(names, 100, initial_indent="    ", subsequent_indent="    ")
        head += ["# fmt: off", f"__all__ = [\n{wrapped},\n]", "# fmt: on", ""]
        files[f"{space}.pyi"] = NOTE + "\n".join([*head, used]).rstrip() + "\n"
    return files


def main() -> int:
    TARGET.mkdir(exist_ok=True)
    for name, text in stubs().items():
        (TARGET / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
