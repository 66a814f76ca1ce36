"""The ops that the registry declares, as subjects of tests."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

import lepton
from lepton import _core
from support.accuracy import disturbed
from support.reference import evaluate
from support.samples import Call, Sample

Array = np.ndarray[Any, Any]


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in text.split(",")] if text else []


def flatten(value: Any) -> list[Any]:
    """The elements of nested lists, without None."""
    if isinstance(value, (list, tuple)):
        return [v for element in value for v in flatten(element)]
    return [] if value is None else [value]


def as_array(value: Any) -> Array:
    """A result of an op as a NumPy array."""
    return value.detach().numpy() if isinstance(value, lepton.Tensor) else np.asarray(value)


@dataclass(frozen=True)
class Op:
    """One op: how to call it, and what it says of itself."""

    entry: dict[str, Any]

    @property
    def name(self) -> str:
        """Its public name."""
        return str(self.entry["name"])

    @property
    def formula(self) -> str | None:
        """What it computes, as a NumPy expression."""
        return self.entry["formula"]

    @property
    def random(self) -> bool:
        """Whether its values come from the random state."""
        return bool(self.entry["random"])

    @property
    def elementwise(self) -> dict[str, Any] | None:
        """Arity, dtypes and domain of an elementwise op."""
        return self.entry.get("elementwise")

    @property
    def widest(self) -> str:
        """float64, or the widest dtype that an elementwise op takes."""
        return self.elementwise["dtypes"][-1] if self.elementwise else "float64"

    @property
    def undefined(self) -> bool:
        """Whether its formula leaves the values open: uninitialised memory."""
        return self.formula is not None and self.formula.startswith("anything(")

    @property
    def constants(self) -> list[str]:
        """Parameters that take no gradient although the result depends on them."""
        return _names(self.entry["constants"])

    @property
    def writes(self) -> list[str]:
        """Parameters that the op writes to."""
        return _names(self.entry["writes"])

    @cached_property
    def parameters(self) -> list[tuple[str, str, str]]:
        """Name, type and default of each parameter."""
        return [tuple(p) for p in self.entry["parameters"]]

    @property
    def function(self) -> Any:
        """The callable."""
        space = self.entry["space"]
        return getattr(_core if space == "core" else getattr(_core, space), self.name)

    def run(self, call: Call, requires_grad: bool = False) -> tuple[list[Any], list[Any]]:
        """Calls the op: its results and what it wrote, and the tensors of the call's arrays."""
        tensors: list[Any] = []

        def wrap(x: Array) -> Any:
            t = lepton.asarray(x)
            tensors.append(t.requires_grad_(True) if requires_grad and x.dtype.kind == "f" else t)
            return t

        if self.random:
            lepton.manual_seed(0)
        made = call.map(wrap)
        results = flatten(self.function(*made.args, **made.kwargs))
        if self.writes:
            bound = self.bound(made)
            results += flatten([bound[name] for name in self.writes])
        return results, tensors

    def values(self, call: Call) -> list[Array]:
        """The op's results as arrays."""
        return [as_array(r) for r in self.run(call)[0]]

    def bound(self, call: Call) -> dict[str, Any]:
        """The call's arguments by the names that the formula knows."""
        values = {name: ast.literal_eval(text) for name, _, text in self.parameters if text}
        values |= {p[0]: a for p, a in zip(self.parameters, call.args, strict=False)} | call.kwargs
        if self.elementwise and self.elementwise["arity"] == 1:
            values["x"] = values[self.parameters[0][0]]
        return values

    def reference(self, call: Call, precision: Any = np.float64) -> list[Any]:
        """The formula's results, floating-point arrays computed in another precision."""
        assert self.formula is not None
        wide = call.map(lambda x: x.astype(precision) if x.dtype.kind == "f" else x)
        return flatten(evaluate(self.formula, self.bound(wide)))

    def rough_reference(self, call: Call) -> list[Any]:
        """The formula's results when every step of it is off by a little."""
        assert self.formula is not None
        wide = call.map(lambda x: x.astype(np.float64) if x.dtype.kind == "f" else x)
        return flatten(evaluate(self.formula, self.bound(wide), disturbed))

    def samples(self) -> list[Sample]:
        """The calls to test."""
        text = self.entry["samples"]
        if text is not None:
            return [Sample(part) for part in text.split("; ")]
        if self.elementwise is None:
            return []
        domain = self.elementwise["low"], self.elementwise["high"]
        if self.elementwise["arity"] == 1:
            texts = ["sample(4, 5, 3)", "sample(37)", "sample()"]
            example = "sample(37)"
        else:
            texts = [
                "sample(4, 5, 3), sample(5, 1)",
                "sample(37), sample(37)",
                "sample(3, 1), sample(7)",
            ]
            example = "sample(37), sample(37)"
        for name, _, default in self.parameters[self.elementwise["arity"] :]:
            texts.append(f"{example}, {name}={float(default) / 2}")
        return [Sample(t, *domain) for t in texts]

    def __str__(self) -> str:
        return self.name


OPS = [Op(entry) for entry in _core.registry]
ISAS = lepton.available_isas()


@cache
def op_named(name: str) -> Op:
    """The op of that name."""
    return next(op for op in OPS if op.name == name)
