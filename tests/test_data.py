# SPDX-License-Identifier: Apache-2.0
"""Datasets: samples, splits, named data sets, and refusals."""

import numpy as np
import pytest
from support.datasets import Squares, memory, numbers

import lepton
from lepton.data import (
    ArrayDataset,
    ConcatDataset,
    DataLoader,
    Subset,
    datasets,
    default_collate,
    random_split,
    stratified_split,
)

# ------------------------------------------------------------------ datasets


def test_array_dataset_shares_the_memory_of_its_arrays():
    x = np.arange(12.0).reshape(4, 3)
    data = ArrayDataset(x, lepton.tensor(np.arange(4)))
    assert np.shares_memory(memory(data.tensors[0]), x)
    assert memory(data[-1][0]).tolist() == [9.0, 10.0, 11.0]
    assert int(data[2][1]) == 2


def test_array_dataset_transforms_each_sample():
    data = ArrayDataset(np.arange(3.0), np.arange(3), transform=lambda x, y: (x * 2, y))
    x, y = next(iter(DataLoader(data, batch_size=3)))
    assert memory(x).tolist() == [0.0, 2.0, 4.0]
    assert memory(y).tolist() == [0, 1, 2]


def test_arrays_must_fit_together():
    with pytest.raises(ValueError, match=r"ArrayDataset: .* equal lengths, got \[3, 4\]"):
        ArrayDataset(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="at least one array"):
        ArrayDataset()
    with pytest.raises(ValueError, match="array 1 must have at least one axis"):
        ArrayDataset(np.zeros(3), np.float32(3))
    with pytest.raises(TypeError, match="ArrayDataset: array 0: "):
        ArrayDataset(np.array(["a", "b"]))


@pytest.mark.parametrize("index", [10, -11])
def test_index_out_of_range(index):
    message = f"index {index} is out of range for 10 samples"
    for data in (numbers(), Subset(numbers(20), range(10)), ConcatDataset(numbers(4), numbers(6))):
        with pytest.raises(IndexError, match=message):
            data[index]


def test_subset_names_the_first_wrong_index():
    with pytest.raises(IndexError, match="index 12 at position 1 is out of range for 10"):
        Subset(numbers(), [3, 12, -1])
    with pytest.raises(TypeError, match="indices must be a list of integers"):
        Subset(numbers(), [0.5])


def test_subsets_of_subsets_take_from_the_arrays():
    inner = Subset(numbers(100), range(50, 90))
    outer = Subset(inner, [3, 1, 2])
    assert memory(outer.batch(np.array([0, 2]))[1]).tolist() == [53, 52]
    assert outer[0][1].item() == 53


def test_concat_dataset_counts_through_its_parts():
    both = ConcatDataset(numbers(3), Squares(4))
    assert len(both) == 7
    assert [int(both[i][1]) for i in range(7)] == [0, 1, 2, 0, 1, 2, 3]
    assert int(both[-1][1]) == 3


def test_random_split_loses_nothing_and_repeats():
    data = numbers(103)
    first = random_split(data, [0.7, 0.2, 0.1], seed=3)
    assert [len(part) for part in first] == [73, 20, 10]
    assert sorted(np.concatenate([part.indices for part in first]).tolist()) == list(range(103))
    again = random_split(data, [73, 20, 10], seed=3)
    assert all((a.indices == b.indices).all() for a, b in zip(first, again, strict=True))
    assert (random_split(data, [103], seed=4)[0].indices != first[0].indices[0]).any()


def test_random_split_without_seed_follows_the_random_state():
    lepton.manual_seed(5)
    first = random_split(numbers(50), [0.5, 0.5])[0].indices
    other = random_split(numbers(50), [0.5, 0.5])[0].indices
    lepton.manual_seed(5)
    assert (random_split(numbers(50), [0.5, 0.5])[0].indices == first).all()
    assert (first != other).any()


@pytest.mark.parametrize("lengths", [[5, 4], [0.5, 0.4], [-1, 11], [], [float("nan"), 1.0]])
def test_random_split_refuses_lengths_that_do_not_add_up(lengths):
    with pytest.raises(ValueError, match="random_split: "):
        random_split(numbers(), lengths, seed=0)


def test_stratified_split_gives_each_class_its_share():
    labels = np.repeat([0, 1, 2, 3], [100, 50, 2, 1])
    train, test = stratified_split(labels, 0.2)
    assert np.bincount(labels[test], minlength=4).tolist() == [20, 10, 1, 0]
    assert sorted([*train, *test]) == list(range(153))
    assert (stratified_split(labels, 0.2)[1] == test).all()
    assert (stratified_split(labels, 0.2, seed=1)[1] != test).any()


def test_collate_stacks_what_fits_and_says_what_does_not():
    x, flags, names = default_collate([(np.ones(2), True, "a"), (np.zeros(2), False, "b")])
    assert x.shape == (2, 2)
    assert memory(flags).dtype == np.bool_
    assert names == ["a", "b"]
    assert memory(default_collate([1.5, 2])).dtype == np.float32
    assert memory(default_collate([np.float64(1.5)])).dtype == np.float64
    assert default_collate([{"a": 1}, {"a": 2}])["a"].tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"sample 0 has shape \[2\], sample 1 is shape \[3\]"):
        default_collate([np.zeros(2), np.zeros(3)])
    with pytest.raises(ValueError, match="a tuple of 2"):
        default_collate([(1, 2), (1, 2, 3)])
    with pytest.raises(ValueError, match="at least one sample"):
        default_collate([])


# ------------------------------------------------------------------ named data sets


def test_digits_are_split_by_class_and_always_the_same():
    data = datasets.load("digits")
    assert data.train_images.shape == (1438, 8, 8)
    assert data.test_images.dtype == np.uint8
    assert data.train_images.max() == 255
    assert set(np.bincount(data.test_labels).tolist()) <= {35, 36, 37}
    again = datasets.load_digits()
    assert (again.test_images == data.test_images).all()
    images = {image.tobytes() for image in data.train_images}
    assert not images & {image.tobytes() for image in data.test_images}


def test_every_named_data_set_is_found_and_documented():
    assert {"digits", "fashion-mnist", "image-folder", "mnist"} <= set(datasets.names())
    for name in datasets.names():
        function = getattr(datasets, "load_" + name.replace("-", "_"))
        assert function.__doc__


def test_load_says_what_there_is():
    with pytest.raises(ValueError, match=r"no folder is called 'nonsense' .*digits"):
        datasets.load("nonsense")
    with pytest.raises(ValueError, match="'digits' has no option 'path'"):
        datasets.load("digits", path="x")
    with pytest.raises(ValueError, match="'mnist' needs the option 'path'"):
        datasets.load("mnist")


def test_mean_and_std_are_those_of_the_pixels():
    data = datasets.load("digits")
    (mean,), (std,) = data.mean_std()
    pixels = data.train_images / 255
    assert mean == pytest.approx(pixels.mean(), rel=1e-12)
    assert std == pytest.approx(pixels.std(), rel=1e-12)
