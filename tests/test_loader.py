# SPDX-License-Identifier: Apache-2.0
"""The loader: batches, order, prefetching, resuming, and refusals."""

import gc
import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress

import numpy as np
import pytest
from support.datasets import Squares, memory, numbers, order, prefetch_threads

import lepton
from lepton.data import (
    ArrayDataset,
    DataLoader,
    Subset,
)
from lepton.data.prefetch import Prefetcher

# ------------------------------------------------------------------ batches


@pytest.mark.parametrize("data", [numbers(), Squares(), [(float(i), i) for i in range(10)]])
@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_batches_of_any_dataset(data, prefetch):
    loader = DataLoader(data, batch_size=4, prefetch=prefetch)
    batches = list(loader)
    assert [y.tolist() for _, y in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert all(isinstance(part, lepton.Tensor) for batch in batches for part in batch)
    assert len(loader) == 3
    assert len(DataLoader(data, batch_size=4, drop_last=True)) == 2
    assert order(DataLoader(data, batch_size=4, drop_last=True))[-1] == [4, 5, 6, 7]


def test_unshuffled_batches_of_arrays_are_views():
    x = np.arange(20.0).reshape(10, 2)
    for data, start in (
        (ArrayDataset(x), 0),
        (Subset(ArrayDataset(x), range(2, 10)), 2),
    ):
        (batch,) = next(iter(DataLoader(data, batch_size=4)))
        assert np.shares_memory(memory(batch), x)
        assert memory(batch)[0, 0] == 2 * start


def test_collate_of_ones_own():
    loader = DataLoader(Squares(), batch_size=5, collate=lambda samples: np.array(samples))
    assert next(iter(loader)).shape == (5, 2)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_shuffled_epochs_differ_and_repeat(prefetch):
    first = DataLoader(numbers(50), 8, shuffle=True, seed=1, prefetch=prefetch)
    epochs = [order(first) for _ in range(3)]
    for epoch in epochs:
        assert sorted(i for batch in epoch for i in batch) == list(range(50))
    assert epochs[0] != epochs[1] != epochs[2]
    second = DataLoader(Squares(50), 8, shuffle=True, seed=1)
    assert [order(second) for _ in range(3)] == epochs
    second.set_epoch(1)
    assert order(second) == epochs[1]
    assert second.epoch == 2
    assert order(DataLoader(numbers(50), 8, shuffle=True, seed=2)) != epochs[0]


def test_order_is_the_same_for_ever():
    """Runs resumed with a later version or on another machine must see the same order."""
    assert order(DataLoader(numbers(8), 8, shuffle=True, seed=0)) == [[0, 2, 1, 5, 4, 3, 6, 7]]


def test_without_seed_the_random_state_decides():
    lepton.manual_seed(7)
    first = order(DataLoader(numbers(30), 30, shuffle=True))
    second = order(DataLoader(numbers(30), 30, shuffle=True))
    lepton.manual_seed(7)
    assert order(DataLoader(numbers(30), 30, shuffle=True)) == first != second


def test_a_loader_without_chance_leaves_the_random_state_alone():
    lepton.manual_seed(7)
    expected = lepton.rand(3).tolist()
    lepton.manual_seed(7)
    loader = DataLoader(numbers())
    list(loader)
    loader.state_dict()
    assert lepton.rand(3).tolist() == expected


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("data", [numbers(20), Squares(20)])
def test_transform_works_on_arrays_and_repeats(data, prefetch):
    seen = []

    def noise(x, y, generator):
        seen.append((type(x), type(y)))
        return x + generator.random(len(x), dtype=np.float32), y

    loader = DataLoader(data, 8, shuffle=True, seed=3, transform=noise, prefetch=prefetch)
    first, second = ([x.tolist() for x, _ in loader] for _ in range(2))
    assert set(seen) == {(np.ndarray, np.ndarray)}
    again = DataLoader(data, 8, shuffle=True, seed=3, transform=noise)
    assert [x.tolist() for x, _ in again] == first
    assert first != second


def test_a_tuple_of_one_stays_a_tuple_in_a_transform():
    data = ArrayDataset(np.arange(4.0))
    for transform in (None, lambda x, generator: x + 1):
        (batch,) = next(iter(DataLoader(data, 4, transform=transform)))
        assert batch.shape == (4,)


def test_refusals_of_the_loader():
    with pytest.raises(ValueError, match="DataLoader: the dataset is empty"):
        DataLoader(ArrayDataset(np.zeros((0, 3))))
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"DataLoader: batch_size .* got {size}"):
            DataLoader(numbers(), batch_size=size)
    with pytest.raises(TypeError, match="batch_size expects an integer"):
        DataLoader(numbers(), batch_size=1.5)
    with pytest.raises(ValueError, match="drop_last leaves no batch: 10 samples"):
        DataLoader(numbers(), batch_size=11, drop_last=True)
    with pytest.raises(ValueError, match="prefetch"):
        DataLoader(numbers(), prefetch=-1)
    with pytest.raises(ValueError, match="seed"):
        DataLoader(numbers(), seed=-1)
    with pytest.raises(ValueError, match="epoch"):
        DataLoader(numbers()).set_epoch(-1)


# ------------------------------------------------------------------ resuming


def noisy(x, y, generator):
    return x + generator.random(len(x), dtype=np.float32), y


def loader_50(prefetch: int = 2) -> DataLoader:
    return DataLoader(numbers(50), 8, shuffle=True, seed=11, prefetch=prefetch, transform=noisy)


@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize("stop", range(8))
def test_resuming_goes_on_with_exactly_the_next_batch(prefetch, stop):
    whole = [[x.tolist() for x, _ in loader] for loader in [loader_50()] * 3]
    loader = loader_50(prefetch)
    list(loader)
    batches = iter(loader)
    for _ in range(stop):
        next(batches)
    state = loader.state_dict()
    del batches
    assert (state["epoch"], state["position"]) == (1, stop)
    resumed = DataLoader(numbers(50), 8, shuffle=True, prefetch=prefetch, transform=noisy)
    resumed.load_state_dict(state)
    assert [x.tolist() for x, _ in resumed] == whole[1][stop:]
    assert [x.tolist() for x, _ in resumed] == whole[2]


def test_an_epoch_left_early_is_not_continued():
    loader = loader_50()
    for _ in loader:
        break
    assert (loader.epoch, loader.position) == (0, 1)
    assert len(list(loader)) == 7
    assert (loader.epoch, loader.position) == (2, 0)


def test_a_drawn_seed_is_part_of_the_state():
    loader = DataLoader(numbers(30), 5, shuffle=True)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    rest = [y.tolist() for _, y in batches]
    lepton.manual_seed(99)
    resumed = DataLoader(numbers(30), 5, shuffle=True)
    resumed.load_state_dict(state)
    assert order(resumed) == rest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 4}, "saved with batch_size=4, this loader has batch_size=8"),
        ({"samples": 49}, "saved with samples=49"),
        ({"position": 8}, "position 8 lies behind the 7 batches"),
        ({"position": -1}, "position must be a non-negative integer, got -1"),
        ({"epoch": 1.5}, "epoch must be a non-negative integer"),
        ({"epoch": True}, "epoch must be a non-negative integer"),
        ({"seed": "x"}, "seed must be a non-negative integer"),
        ({"more": 1}, "expects the keys"),
    ],
)
def test_states_that_do_not_fit_are_refused_and_change_nothing(change, message):
    loader = loader_50()
    before = loader.state_dict()
    with pytest.raises(ValueError, match=message):
        loader.load_state_dict({**before, **change})
    with pytest.raises(ValueError, match="expects the keys"):
        loader.load_state_dict([])
    assert loader.state_dict() == before


# ------------------------------------------------------------------ the background thread


class Failing(Squares):
    """Raises at one sample."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(20)
        self.error = error

    def __getitem__(self, index: int) -> tuple[float, int]:
        if index == 9:
            self.fail_deep_inside()
        return super().__getitem__(index)

    def fail_deep_inside(self) -> None:
        raise self.error


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_errors_come_after_the_batches_before_them_with_their_traceback(prefetch):
    seen = []
    batches = iter(DataLoader(Failing(KeyError("sample nine")), 4, prefetch=prefetch))
    with pytest.raises(KeyError, match="sample nine") as caught:
        seen.extend(y.tolist() for _, y in batches)
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert "fail_deep_inside" in "".join(traceback.format_tb(caught.value.__traceback__))
    assert not prefetch_threads()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_stop_iteration_in_a_dataset_does_not_end_the_epoch_silently(prefetch):
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Failing(StopIteration()), 4, prefetch=prefetch))


def test_no_thread_is_left_behind():
    loader = DataLoader(Squares(1000), 2, shuffle=True)
    for _ in loader:
        break
    assert not prefetch_threads()
    list(loader)
    assert not prefetch_threads()
    batches = iter(loader)
    next(batches)
    assert len(prefetch_threads()) == 1
    del batches
    gc.collect()
    assert not prefetch_threads()
    with suppress(KeyboardInterrupt):
        for _ in loader:
            raise KeyboardInterrupt
    gc.collect()
    assert not prefetch_threads()


def test_a_thread_works_only_where_there_is_work(tmp_path):
    mapped = np.memmap(tmp_path / "x", dtype=np.float32, mode="w+", shape=(100, 4))
    double = {"transform": lambda x, generator: 2 * x}
    for data, options, threads in (
        (ArrayDataset(np.zeros((100, 4))), {}, 0),
        (Subset(ArrayDataset(np.zeros((100, 4))), range(50)), {}, 0),
        (ArrayDataset(np.zeros((100, 4))), double, 1),
        (ArrayDataset(mapped[10:]), {}, 1),
    ):
        batches = iter(DataLoader(data, 8, shuffle=True, **options))
        next(batches)
        assert len(prefetch_threads()) == threads
        del batches


def test_prefetching_works_ahead_but_not_further_than_told():
    made = []

    def source():
        for i in range(10):
            made.append(i)
            yield i

    items = Prefetcher(source(), depth=3)
    assert next(items) == 0
    deadline = time.monotonic() + 10
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)  # time enough to go too far
    assert made == [0, 1, 2, 3]
    assert list(items) == list(range(1, 10))
    assert list(items) == []
    items.close()


def test_closing_does_not_wait_for_the_consumer():
    items = Prefetcher(iter(range(10)), depth=1)
    items.close()
    assert list(items) == []
    assert not prefetch_threads()


def run_python(code: str, interrupt: bool = False) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process of its own; with `interrupt`, press Ctrl-C when it says ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = process.stdout.readline() if interrupt else ""
    if interrupt:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, first + out, err)


SLOW = """
import threading
import time
import numpy as np
from lepton.data import ArrayDataset, DataLoader

class Slow:
    def __len__(self):
        return 1000
    def __getitem__(self, index):
        time.sleep(0.001 if index == 0 else 0.2)
        return float(index)
"""


def test_ctrl_c_while_waiting_for_a_batch_ends_the_loop():
    code = (
        SLOW
        + """
try:
    for number, x in enumerate(DataLoader(Slow(), batch_size=1)):
        if number == 0:
            print("ready", flush=True)
except KeyboardInterrupt:
    print("interrupted,", threading.active_count(), "thread")
"""
    )
    done = run_python(code, interrupt=True)
    assert done.stdout == "ready\ninterrupted, 1 thread\n"
    assert done.returncode == 0


def test_a_program_may_end_while_an_iteration_is_open():
    code = (
        SLOW
        + """
kept = iter(DataLoader(Slow(), batch_size=1))
next(kept)
"""
    )
    done = run_python(code)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_told_and_can_iterate_anew():
    code = (
        SLOW
        + """
import os, sys
double = {"transform": lambda x, generator: 2 * x}
loader = DataLoader(ArrayDataset(np.arange(1000)), 10, shuffle=True, seed=0, **double)
batches = iter(loader)
next(batches)
child = os.fork()
if child == 0:
    try:
        next(batches)
    except RuntimeError as error:
        assert "fork" in str(error)
        sys.exit(len(list(loader)))
    sys.exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(list(batches)))
"""
    )
    done = run_python(code)
    assert done.stdout == "100 99\n", done.stderr


def test_nested_iterations_do_not_disturb_each_other():
    loader = DataLoader(numbers(9), 3, shuffle=True, seed=0)
    outer = [y.tolist() for _, y in loader for _ in [list(loader)]]
    assert sorted(i for batch in outer for i in batch) == list(range(9))
