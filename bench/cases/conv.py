"""Convolutions: forward, backward by data, backward by weights, and all together."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from bench.case import Case, Work, flops, normal, sum_tolerance

TITLE = "Convolutions"
NOTES = """\
Shapes are (batch, in, size, out, kernel). Operations are counted as the definition has them, with
padding; Winograd's transforms need fewer and may pass 100 % of the ceiling. "backward data" and
"backward weights" are the backward pass alone, for one of the two."""


@dataclass(frozen=True)
class Shape:
    """(batch, in, size, out, kernel) and what else a convolution has."""

    batch: int
    inputs: int
    size: int
    outputs: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    transposed: bool = False

    @property
    def padding(self) -> int:
        return self.dilation * (self.kernel - 1) // 2

    @property
    def output_size(self) -> int:
        if self.transposed:
            return (self.size - 1) * self.stride - 2 * self.padding + self.kernel
        return (
            self.size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1
        ) // self.stride + 1

    @property
    def terms(self) -> int:
        """Products that one output adds up."""
        return self.inputs // self.groups * self.kernel**2

    @property
    def operations(self) -> float:
        """Of one pass; taps in the padding are counted as everyone counts them."""
        side = self.size if self.transposed else self.output_size
        filters = self.inputs * self.outputs // self.groups * self.kernel**2
        return 2.0 * self.batch * side**2 * filters

    @property
    def weight(self) -> tuple[int, ...]:
        first, second = self.outputs, self.inputs // self.groups
        if self.transposed:
            first, second = self.inputs, self.outputs // self.groups
        return first, second, self.kernel, self.kernel

    def __str__(self) -> str:
        text = f"({self.batch},{self.inputs},{self.size},{self.outputs},{self.kernel})"
        if self.stride > 1:
            text += f" stride {self.stride}"
        return text


def passes(shape: Shape, wanted: str) -> Callable[[Any], Work]:
    """Forward, or both passes with gradients for "x" and "w", or the backward "only"."""

    def build(fw: Any) -> Work:
        x = fw.image(normal(shape.batch, shape.inputs, shape.size, shape.size), "x" in wanted)
        scale = shape.terms**-0.5
        w = fw.weight(normal(*shape.weight, seed=1) * scale, "w" in wanted)
        size = shape.output_size
        dy = fw.image(normal(shape.batch, shape.outputs, size, size, seed=2))
        options = {"stride": shape.stride, "padding": shape.padding}
        options |= {"dilation": shape.dilation, "groups": shape.groups}
        conv = fw.F.conv_transpose2d if shape.transposed else fw.F.conv2d
        leaves = [t for t, letter in ((x, "x"), (w, "w")) if letter in wanted]

        def forward() -> Any:
            return conv(x, w, **options)

        if wanted == "forward":

            def run() -> Any:
                with fw.no_grad():
                    return forward()

            return Work(run, lambda: [fw.numpy(run())])
        kept = forward() if "only" in wanted else None

        def backward() -> None:
            y = forward() if kept is None else kept
            for leaf in leaves:
                leaf.grad = None
            y.backward(dy, retain_graph=kept is not None)

        def outputs() -> list[Any]:
            backward()
            return [fw.grad(leaf) for leaf in leaves]

        return Work(backward, outputs)

    return build


KINDS = {
    "forward": ("forward", 1),
    "forward + backward": ("xw", 3),
    "backward data": ("x only", 1),
    "backward weights": ("w only", 1),
    "forward + backward weights": ("w", 2),
}


def case(label: str, shape: Shape, kind: str, targets: dict[str, float], quick: bool) -> Case:
    if quick:
        shape = replace(shape, batch=2, size=min(shape.size, 10))
        width = {n: min(getattr(shape, n), 16) for n in ("inputs", "outputs", "groups")}
        shape = replace(shape, **width)
    letters, share = KINDS[kind]
    # Gradients by weights add over all pixels of the batch.
    terms = max(shape.terms, shape.outputs * shape.kernel**2)
    if "w" in letters:
        terms = max(terms, shape.batch * shape.output_size**2)
    return Case(
        f"{label} {kind}",
        {"framework": passes(shape, letters)},
        targets=targets,
        ceiling=flops(share * shape.operations),
        tolerance=sum_tolerance(terms),
    )


MIDDLE = [
    Shape(32, 64, 56, 64, 3), Shape(32, 128, 28, 128, 3), Shape(32, 256, 14, 256, 3),
    Shape(32, 512, 7, 512, 3), Shape(32, 64, 56, 256, 1), Shape(128, 32, 28, 64, 3),
    Shape(128, 64, 32, 64, 3),
]  # fmt: skip
FIRST = [Shape(32, 3, 224, 64, 7, stride=2), Shape(128, 1, 28, 32, 3), Shape(128, 3, 32, 64, 3)]
OTHER = {
    "depthwise (32,64,56,64,3)": (Shape(32, 64, 56, 64, 3, groups=64), 3.0),
    "depthwise (32,256,14,256,3)": (Shape(32, 256, 14, 256, 3, groups=256), 3.0),
    "depthwise (32,128,56,128,3) stride 2": (Shape(32, 128, 56, 128, 3, 2, groups=128), 3.0),
    "transposed (32,128,14,64,4) stride 2": (Shape(32, 128, 14, 64, 4, 2, transposed=True), 1.5),
    "transposed (32,64,28,64,3)": (Shape(32, 64, 28, 64, 3, transposed=True), 1.5),
    "dilated (32,64,28,64,3) by 2": (Shape(32, 64, 28, 64, 3, dilation=2), 1.5),
    "dilated (8,128,28,128,3) by 4": (Shape(8, 128, 28, 128, 3, dilation=4), 1.5),
}  # fmt: skip


def cases(quick: bool) -> Iterator[Case]:
    for shape in MIDDLE:
        for kind in ("forward", "forward + backward", "backward data", "backward weights"):
            ratio = 1.4 if shape.kernel == 3 else 1.05
            if kind == "backward weights":
                ratio = 1.1
            elif kind == "forward + backward":
                ratio = 1.05
            yield case(str(shape), shape, kind, {"torch": ratio}, quick)
    for shape in FIRST:
        yield case(str(shape), shape, "forward", {"torch": 1.0}, quick)
        yield case(str(shape), shape, "backward weights", {"torch": 1.2}, quick)
        both = {"torch-default": 3.0}
        yield case(str(shape), shape, "forward + backward weights", both, quick)
    for label, (shape, ratio) in OTHER.items():
        for kind in ("forward", "forward + backward"):
            yield case(label, shape, kind, {"torch": ratio}, quick)
