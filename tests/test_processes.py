"""Lepton beside other processes and libraries: forks, process pools, imports, denormals."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import subprocess
import sys
from importlib.util import find_spec

import pytest

SECONDS = 120  # a lock that nobody opens shows as a timeout, not as a hang of the suite


def run_python(code: str) -> str:
    """What a new interpreter prints; its failure is the test's."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.strip()


WORK = """
import os
import numpy as np
import lepton

lepton.set_num_threads(2)

def product(seed):
    x = np.random.default_rng(seed).standard_normal((300, 300), dtype=np.float32)
    a = lepton.tensor(x, requires_grad=True)
    lepton.sum(a @ a).backward()
    return a.grad.numpy().tobytes()
"""


def test_a_forked_child_computes_the_same() -> None:
    code = (
        WORK
        + """
expected = product(0)
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if product(0) == expected else 1)
    assert product(0) == expected  # the parent's threads still work
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("same")
"""
    )
    assert run_python(code) == "same"


def test_a_fork_beside_a_working_thread_computes_the_same() -> None:
    code = (
        WORK
        + """
import threading
expected = product(0)
stop = threading.Event()

def work():
    while not stop.is_set():
        product(1)

thread = threading.Thread(target=work)
thread.start()
codes = set()
for _ in range(100):
    child = os.fork()
    if child == 0:
        os._exit(0 if product(0) == expected else 1)
    codes.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
thread.join()
print(codes)
"""
    )
    assert run_python(code) == "{0}"


def test_a_grandchild_computes_too() -> None:
    code = (
        WORK
        + """
expected = product(0)
child = os.fork()
if child == 0:
    product(1)
    grandchild = os.fork()
    if grandchild == 0:
        os._exit(0 if product(0) == expected else 1)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    assert run_python(code) == "0"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_pool_computes_the_same(method: str, tmp_path) -> None:
    # spawn imports the main module by path, so it needs a file
    script = tmp_path / "work.py"
    script.write_text(
        WORK
        + f"""
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

if __name__ == "__main__":
    expected = [product(i) for i in range(6)]
    with ProcessPoolExecutor(2, mp_context=get_context({method!r})) as pool:
        print(list(pool.map(product, range(6))) == expected)
"""
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.stdout.strip() == "True", done.stderr[-4000:]


@pytest.mark.skipif(not find_spec("joblib"), reason="needs joblib")
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib_computes_the_same(backend: str) -> None:
    code = (
        WORK
        + f"""
from joblib import Parallel, delayed
expected = [product(i) for i in range(6)]
print(Parallel(2, backend={backend!r})(delayed(product)(i) for i in range(6)) == expected)
"""
    )
    assert run_python(code) == "True"


USES = {
    "lepton": "lepton.sum(lepton.ones((300, 300)) @ lepton.ones((300, 300)))",
    "sklearn": "from sklearn.linear_model import Ridge; Ridge().fit([[0.0], [1.0]], [0, 1])",
    "torch": "(torch.ones(300, 300) @ torch.ones(300, 300)).sum()",
}
PRESENT = [name for name in USES if find_spec(name)]


@pytest.mark.parametrize("order", list(itertools.permutations(PRESENT)), ids=",".join)
def test_every_order_of_import_works(order: tuple[str, ...]) -> None:
    imports = "\n".join(f"import {name}" for name in order)
    uses = "\n".join(USES[name] for name in [*order, *reversed(order)])
    assert run_python(f"{imports}\n{uses}\nprint('done')") == "done"


def test_denormals_of_numpy_stand_after_a_call() -> None:
    code = """
import numpy as np
import lepton
tiny = np.float32(1e-40)
x = lepton.full((256, 256), 1e-30)
x.requires_grad = True
lepton.sum(x @ x).backward()
lepton.nn.functional.conv2d(lepton.ones((2, 4, 9, 9)), lepton.ones((4, 4, 3, 3)))
print(np.float32(1e-40) * np.float32(0.5) > 0, tiny + tiny > tiny)
"""
    assert run_python(code) == "True True"
