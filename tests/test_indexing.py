# SPDX-License-Identifier: Apache-2.0
"""Index expressions with NumPy as the oracle: reading, writing, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lepton

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@st.composite
def advanced_items(draw: Any, length: int, shape: tuple[int, ...]) -> Any:
    """An integer or boolean array for an axis of this length."""
    if draw(st.booleans()):
        return draw(hnp.arrays(bool, (length,)))
    low, high = (-length, length - 1) if length else (0, 0)
    size = shape if length else (0,)
    return draw(hnp.arrays(np.int64, size, elements=st.integers(low, high)))


@st.composite
def index_expressions(draw: Any, shape: tuple[int, ...]) -> Any:
    """Integers, slices, None, ... and arrays in any order, for an array of this shape."""
    items: list[Any] = []
    common = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    has_ellipsis = False
    for length in shape:
        kind = draw(st.sampled_from(["int", "slice", "array", "none", "ellipsis", "stop"]))
        if kind == "int" and length:
            items.append(draw(st.integers(-length, length - 1)))
        elif kind == "array":
            items.append(draw(advanced_items(length, common)))
        elif kind == "none":
            items += [None, draw(st.slices(length))]
        elif kind == "ellipsis" and not has_ellipsis:
            has_ellipsis = True
            items.append(...)
        elif kind == "stop":
            break
        else:
            items.append(draw(st.slices(length)))
    return tuple(items) if len(items) != 1 or draw(st.booleans()) else items[0]


@st.composite
def arrays_and_indices(draw: Any) -> tuple[np.ndarray[Any, Any], Any]:
    shape = draw(SHAPES)
    array = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)
    if draw(st.booleans()):
        array = array.T  # memory in another order
    return array, draw(index_expressions(array.shape))


def read(array: np.ndarray[Any, Any], index: Any) -> Any:
    """What NumPy gives, or None where it refuses."""
    try:
        return array[index]
    except IndexError:
        return None


@given(arrays_and_indices())
@settings(max_examples=400, deadline=None)
def test_reading_equals_numpy(case):
    array, index = case
    expected = read(array, index)
    x = lepton.asarray(array)
    if expected is None:
        with pytest.raises((IndexError, ValueError)):
            x[index]
        return
    result = x[index]
    assert result.shape == np.shape(expected)
    np.testing.assert_array_equal(result.numpy(), expected)


@given(arrays_and_indices())
@settings(max_examples=200, deadline=None)
def test_basic_indices_are_views(case):
    array, index = case
    expected = read(array, index)
    if not isinstance(expected, np.ndarray) or expected.size == 0:
        return
    result = lepton.asarray(array)[index]
    if np.shares_memory(expected, array):
        assert np.shares_memory(result.numpy(), array)


def test_index_arrays_give_copies():
    x = lepton.arange(4)
    for index in ([0, 1], x < 2, lepton.tensor([0, 1])):
        assert not np.shares_memory(x[index].numpy(), x.numpy())


@given(arrays_and_indices(), st.sampled_from(["number", "same", "row", "bad"]))
@settings(max_examples=300, deadline=None)
def test_writing_equals_numpy(case, kind):
    array, index = case
    target = array.copy()
    found = read(array, index)
    if found is None:
        return
    shape = np.shape(found)
    value: Any = -1.0
    if kind == "same":
        value = -1.0 - np.arange(np.size(found), dtype=np.float64).reshape(shape)
    elif kind == "row" and shape:
        value = -1.0 - np.arange(shape[-1], dtype=np.float64)
    elif kind == "bad":
        value = np.ones((*shape, 2, 7))
    x = lepton.tensor(array)
    try:
        target[index] = value
    except (ValueError, TypeError):
        with pytest.raises(ValueError, match="setitem"):
            x[index] = value
        np.testing.assert_array_equal(x.numpy(), array)
        return
    x[index] = value
    np.testing.assert_array_equal(x.numpy(), target)


@given(arrays_and_indices())
@settings(max_examples=200, deadline=None)
def test_gradient_of_reading_counts_how_often_an_element_is_read(case):
    array, index = case
    found = read(array, index)
    if found is None:
        return
    weight = np.arange(1.0, np.size(found) + 1).reshape(np.shape(found))
    x = lepton.tensor(array, requires_grad=True)
    (x[index] * lepton.asarray(weight)).sum().backward()
    expected = np.zeros(array.shape)
    np.add.at(expected, index, weight)
    np.testing.assert_array_equal(x.grad.numpy(), expected)


@given(arrays_and_indices())
@settings(max_examples=200, deadline=None)
def test_gradient_of_writing(case):
    array, index = case
    found = read(array, index)
    if found is None:
        return
    flat = np.arange(array.size).reshape(array.shape)[index]
    if np.unique(flat).size != np.size(flat):
        return  # which of two writes to one element wins is not defined
    x = lepton.tensor(array, requires_grad=True)
    value = lepton.tensor(np.ones(np.shape(found)), requires_grad=True)
    y = x * 2
    y[index] = value
    weight = np.arange(1.0, array.size + 1).reshape(array.shape)
    (y * lepton.asarray(weight)).sum().backward()
    expected = np.asarray(2 * weight)
    expected[index] = 0
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    np.testing.assert_array_equal(value.grad.numpy(), weight[index])


def test_integers_beside_arrays_place_axes_as_numpy_does():
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    x = lepton.asarray(array)
    for index in [
        (0, slice(None), [0, 1]),
        (slice(None), 0, slice(None), [0, 1]),
        (slice(None), 1, [0, 1]),
        ([0, 1], ..., 1),
        (0, None, [1, 2]),
    ]:
        np.testing.assert_array_equal(x[index].numpy(), array[index])


@pytest.mark.parametrize(
    ("index", "error", "words"),
    [
        (7, IndexError, "index 7 is out of bounds for axis 0 with length 3"),
        (([0, -9],), IndexError, "index -9 at position 1 is out of bounds for axis 0"),
        ((0, 0, 0), IndexError, "too many indices"),
        ("a", IndexError, "got str"),
        (1.5, IndexError, "got float"),
        (([0.5],), IndexError, "expect an integer or bool dtype"),
        ((..., ...), IndexError, "only one ellipsis"),
        (slice(None, None, 0), ValueError, "step cannot be zero"),
        (np.ones((2, 4), bool), IndexError, "boolean index of shape"),
        ([[0, 1], [0]], IndexError, "getitem"),
        (object(), IndexError, "got object"),
        (10**30, (IndexError, ValueError), "getitem"),
    ],
)
def test_bad_indices_say_what_is_wrong(index, error, words):
    x = lepton.zeros((3, 4))
    with pytest.raises(error, match=words):
        x[index]
    with pytest.raises(error):
        x[index] = 1.0
    assert not x.any()


def test_slices_reach_beyond_any_length():
    x = lepton.arange(4)
    assert x[-(10**30) : 10**30].tolist() == [0, 1, 2, 3]
    assert x[:: 10**30].tolist() == [0]
    assert x[:: -(10**30)].tolist() == [3]


def test_floats_are_not_cut_to_integers():
    x = lepton.arange(3)
    with pytest.raises(TypeError, match="float"):
        x[0] = 1.5
    with pytest.raises(TypeError, match="float32 values cannot be written into int64"):
        x[0] = lepton.ones(())
    assert x.tolist() == [0, 1, 2]


def test_writing_a_view_of_itself():
    x = lepton.arange(6)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3, 4]


def test_iteration_length_and_membership():
    x = lepton.arange(6).reshape(3, 2)
    assert len(x) == 3
    assert [row.tolist() for row in x] == [[0, 1], [2, 3], [4, 5]]
    assert 5 in x
    assert 6 not in x
    with pytest.raises(TypeError, match="len"):
        iter(lepton.ones(())).__next__()
