"""Arrays larger than what one task or one cache holds: cut, added up, searched."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lepton

Array = np.ndarray[Any, Any]
# Of float32, more than 32 MB. No multiple of any vector.
HUGE = (3, 2_900_001)


@pytest.mark.parametrize("layout", ["rows", "offset", "transposed"])
def test_results_larger_than_a_cache(layout: str) -> None:
    x = np.random.default_rng(0).standard_normal(HUGE, dtype=np.float32)
    scale = np.float32([[2], [3], [0.5]])
    if layout == "offset":
        x = x[:, 1:]
    elif layout == "transposed":
        x, scale = x.T, scale.T
    t = lepton.asarray(x)
    np.testing.assert_array_equal((t * lepton.asarray(scale)).numpy(), x * scale)
    np.testing.assert_array_equal((t + t).numpy(), x + x)


@pytest.mark.parametrize("name", ["exp", "tanh", "relu", "gelu", "silu"])
def test_large_results_have_the_bits_of_their_parts(name: str) -> None:
    """They are stored past the caches, their parts are not."""
    x = np.random.default_rng(3).standard_normal((2, 1 << 22), dtype=np.float32)
    function = getattr(lepton, name, None) or getattr(lepton.nn.functional, name)

    def results(array: Array) -> tuple[Array, Array]:
        t = lepton.tensor(array).requires_grad_()
        y = function(t)
        y.backward(lepton.asarray(array))
        assert t.grad is not None
        return y.detach().numpy(), t.grad.numpy()

    parts = [results(row) for row in x.reshape(8, -1)]
    for whole, some in zip(results(x), zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(whole, np.stack(some).reshape(whole.shape))


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("shape", [(3, 1_000_003), (100_003, 17), (700, 5, 301), (4097,), (1, 5)])
def test_variance_of_many(shape: tuple[int, ...], axis: int | None) -> None:
    """Far from zero, so that a difference of sums of squares would keep no digit."""
    if axis is not None and axis >= len(shape):
        return
    x = 1000 + np.random.default_rng(4).standard_normal(shape, dtype=np.float32)
    for layout in (x, np.asfortranarray(x), x[..., ::-1]):
        result = lepton.var(lepton.asarray(layout), axis=axis, correction=0.5).numpy()
        expected = np.var(layout.astype("f8"), axis=axis, ddof=0.5)
        # Sums of up to 4096 squares, of distances from a mean that is rounded and summed, too.
        off = 8 * 1000 * 2**-24
        bound = 4096 * 2**-24 * expected + 2 * off * np.sqrt(expected) + off**2
        assert (np.abs(result - expected) <= bound).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8"])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("shape", [(200_003,), (3, 70_000), (5000, 300), (300, 257, 2)])
def test_first_extremum_of_long_rows_and_columns(
    shape: tuple[int, ...], name: str, dtype: str
) -> None:
    """Few different values: ties everywhere, of which the first counts."""
    x = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    for layout in (x, np.asfortranarray(x), x[..., ::-1]):
        for axis in (None, *range(x.ndim)):
            result = getattr(lepton, name)(lepton.asarray(layout), axis=axis)
            np.testing.assert_array_equal(result.numpy(), getattr(np, name)(layout, axis=axis))


@pytest.mark.parametrize("place", [0, 1023, 1024, 5000, 65_535, 65_536, 199_999])
def test_first_nan_is_the_extremum(place: int) -> None:
    x = np.random.default_rng(2).standard_normal(200_000).astype("f4")
    x[[place, 199_999]] = np.nan
    for name in ("argmax", "argmin"):
        assert getattr(lepton, name)(lepton.asarray(x)).item() == place
        two = lepton.asarray(np.stack([x, x], axis=1))
        assert getattr(lepton, name)(two, axis=0).tolist() == [place, place]


def test_infinite_rows() -> None:
    for value in (np.inf, -np.inf):
        x = lepton.asarray(np.full((2, 3000), value, "f4"))
        for axis in (None, 0, 1):
            assert not lepton.argmax(x, axis=axis).numpy().any()
            assert not lepton.argmin(x, axis=axis).numpy().any()


@pytest.mark.parametrize("shape", [(4096, 300), (1100, 1025), (513, 3000)])
def test_sums_of_large_matrices(shape: tuple[int, int]) -> None:
    """Pairs of partial sums: the error grows with the 512 rows or 4096 elements of a part."""
    x = np.random.default_rng(3).standard_normal(shape).astype("f4")
    for axis, length in ((0, 512), (1, 4096), (None, 4096)):
        bound = length * 2.0**-24 * np.abs(x).astype("f8").sum(axis=axis)
        error = np.abs(lepton.sum(lepton.asarray(x), axis=axis).numpy() - x.sum(axis, "f8"))
        assert (error <= bound).all()
