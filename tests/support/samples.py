"""Calls of ops made from their declarations: sampled arguments, other lengths, other layouts."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass
class Call:
    """The arguments of one call; arrays may lie in lists."""

    args: list[Any]
    kwargs: dict[str, Any]

    def map(self, change: Callable[[Array], Any]) -> Call:
        """The same call with every array replaced, in order."""

        def visit(value: Any) -> Any:
            if isinstance(value, np.ndarray):
                # NumPy turns arrays without axes into scalars.
                changed = change(value)
                return np.asarray(changed) if isinstance(changed, np.generic) else changed
            if isinstance(value, list):
                return [visit(v) for v in value]
            return value

        return Call([visit(a) for a in self.args], {k: visit(v) for k, v in self.kwargs.items()})

    def arrays(self) -> list[Array]:
        """All arrays, in order."""
        found: list[Array] = []
        self.map(found.append)
        return found

    def with_arrays(self, arrays: list[Any]) -> Call:
        """The same call with these in the place of the arrays."""
        rest = iter(arrays)
        return self.map(lambda _: next(rest))

    def __str__(self) -> str:
        def show(value: Any) -> str:
            if isinstance(value, np.ndarray):
                return f"{value.dtype}{list(value.shape)}"
            return f"[{', '.join(map(show, value))}]" if isinstance(value, list) else repr(value)

        return ", ".join(
            [*map(show, self.args), *(f"{k}={show(v)}" for k, v in self.kwargs.items())]
        )


@dataclass
class Sampler:
    """The functions that the `samples` of an op may call."""

    seed: int
    low: float = -3.0
    high: float = 3.0
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def randn(self, *shape: int) -> Array:
        """Standard normal numbers."""
        return np.asarray(self.random.standard_normal(shape))

    def rand(self, *shape: int) -> Array:
        """Uniform numbers in [0.1, 1): weights, variances and probabilities that are not zero."""
        return np.asarray(self.random.uniform(0.1, 1, shape))

    def sample(self, *shape: int) -> Array:
        """Uniform numbers in the domain of an elementwise op."""
        return np.asarray(self.random.uniform(self.low, self.high, shape))

    def randint(self, low: int, high: int, shape: tuple[int, ...]) -> Array:
        """Uniform integers."""
        return np.asarray(self.random.integers(low, high, shape))

    def randbool(self, *shape: int) -> Array:
        """True or false."""
        return np.asarray(self.random.random(shape) < 0.5)


SHAPED = ("randn", "rand", "randbool", "sample")


@dataclass(frozen=True)
class Sample:
    """The text of one call, such as `randn(2, 3), axis=1`."""

    text: str
    low: float = -3.0
    high: float = 3.0

    def tree(self) -> ast.Expression:
        """The text as the arguments of a call."""
        return ast.parse(f"call({self.text})", mode="eval")

    def make(self) -> Call:
        """The call with values that depend on the text alone."""
        sampler = Sampler(zlib.crc32(self.text.encode()), self.low, self.high)
        scope = {name: getattr(sampler, name) for name in (*SHAPED, "randint")}
        scope["call"] = lambda *args, **kwargs: Call(list(args), kwargs)
        call = eval(
            compile(self.tree(), self.text, "eval"), {"inf": np.inf, "nan": np.nan, **scope}
        )
        assert isinstance(call, Call)
        return call

    def sizes(self) -> list[int]:
        """Numbers of elements of the arrays, none of which is made."""
        scope: dict[str, Any] = {
            name: lambda *shape: np.broadcast_to(0.0, shape) for name in SHAPED
        }
        scope["randint"] = lambda low, high, shape: np.broadcast_to(0, shape)
        scope["call"] = lambda *args, **kwargs: Call(list(args), kwargs)
        call = eval(
            compile(self.tree(), self.text, "eval"), {"inf": np.inf, "nan": np.nan, **scope}
        )
        return [a.size for a in call.arrays()]

    def lengths(self) -> list[int]:
        """The lengths of axes in the text, in order, without repetition."""
        return list(dict.fromkeys(node.value for node in _shape_numbers(self.tree())))

    def resized(self, old: int, new: int) -> Iterator[Sample]:
        """The sample with one length replaced: in the arrays, then in tuples too."""
        for numbers in (_shape_numbers, _listed_numbers):
            tree = self.tree()
            hit = False
            for node in numbers(tree):
                if node.value == old:
                    node.value, hit = new, True
            if hit:
                yield self._of(tree)

    def scaled(self, factor: int) -> Iterator[Sample]:
        """The sample with every length multiplied; every number where there are no arrays."""
        for numbers in (_shape_numbers, _listed_numbers) if self.sizes() else (_numbers,):
            tree = self.tree()
            for node in numbers(tree):
                node.value *= factor
            yield self._of(tree)

    def _of(self, tree: ast.Expression) -> Sample:
        assert isinstance(tree.body, ast.Call)
        parts = [ast.unparse(a) for a in tree.body.args]
        parts += [f"{k.arg}={ast.unparse(k.value)}" for k in tree.body.keywords]
        return Sample(", ".join(parts), self.low, self.high)


def _constants(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            yield node


def _shape_numbers(tree: ast.AST) -> list[ast.Constant]:
    """The numbers that are lengths of arrays."""
    found: list[ast.Constant] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in SHAPED:
                found += [c for a in node.args for c in _constants(a)]
            elif node.func.id == "randint":
                found += _constants(node.args[2])
    return found


def _listed_numbers(tree: ast.AST) -> list[ast.Constant]:
    """The same and the numbers in tuples: shapes that are arguments."""
    found = {id(c): c for c in _shape_numbers(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple):
            found |= {id(c): c for c in _constants(node)}
    return list(found.values())


def _numbers(tree: ast.AST) -> list[ast.Constant]:
    """All integers."""
    return list(_constants(tree))


def _strided(x: Array) -> Array:
    buffer = np.zeros([2 * n + 1 for n in x.shape], x.dtype)
    view = buffer[(*(slice(1, 2 * n + 1, 2) for n in x.shape), ...)]
    view[...] = x
    return view


def _contiguous(x: Array) -> Array:
    return x.copy(order="C")


def _transposed(x: Array) -> Array:
    return x.T.copy(order="C").T


def _negative(x: Array) -> Array:
    return np.flip(np.flip(x).copy(order="C"))


def _channels_last(x: Array) -> Array:
    if x.ndim < 3:
        return _contiguous(x)
    return np.moveaxis(np.moveaxis(x, -3, -1).copy(order="C"), -1, -3)


def _alternate(change: Callable[[Array], Array], parity: int) -> Callable[[Call], Call]:
    def apply(call: Call) -> Call:
        count = iter(range(1 << 30))
        return call.map(lambda x: change(x) if next(count) % 2 == parity else _contiguous(x))

    return apply


# The same values in other memory; always a copy, for ops that write to their arguments.
LAYOUTS: dict[str, Callable[[Call], Call]] = {
    "contiguous": lambda call: call.map(_contiguous),
    "strided": lambda call: call.map(_strided),
    "transposed": lambda call: call.map(_transposed),
    "negative strides": lambda call: call.map(_negative),
    "channels last": lambda call: call.map(_channels_last),
    "first transposed": _alternate(_transposed, 0),
    "second strided": _alternate(_strided, 1),
}


def cast(call: Call, dtype: str) -> Call:
    """Floating-point arrays as another dtype; none negative for uint8."""

    def convert(x: Array) -> Array:
        if x.dtype.kind != "f":
            return x
        if dtype == "bool":
            return x > 0.5
        if dtype in ("float32", "float64"):
            return x.astype(dtype)
        return np.floor(np.abs(x) if dtype == "uint8" else x).astype(dtype)

    return call.map(convert)


def broadcast(call: Call) -> Iterator[Call]:
    """The call with arrays stretched (stride 0) along their first axis, or along their last."""
    for axis in (0, -1):

        def stretch(x: Array, axis: int = axis) -> Array:
            if x.ndim == 0 or x.shape[axis] < 2:
                return x
            return np.broadcast_to(np.take(x, [0], axis), x.shape)

        if any(x.ndim and x.shape[axis] > 1 for x in call.arrays()):
            yield call.map(stretch)
