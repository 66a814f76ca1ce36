# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: the same bits after any kill, damage refused, a full disk that harms none."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from support.disk import full_disk

import lepton
from lepton import Trainer, nn, optim
from lepton.data import ArrayDataset, DataLoader
from lepton.metrics import Accuracy
from lepton.training import (
    Callback,
    Checkpoint,
    EarlyStopping,
    TrainingInterrupted,
    read_checkpoint,
)

# A small CNN with dropout, batch norm, augmentation, momentum and a schedule per step: everything
# that has a state. It prints a line per step and, at the end, a digest of all that it has learned.
JOB = """
import hashlib, sys
import numpy as np
import lepton
from lepton import Trainer, nn, optim
from lepton.data import ArrayDataset, DataLoader
from lepton.metrics import Accuracy
from lepton.training import Callback, EarlyStopping

run = sys.argv[1]
rng = np.random.default_rng(0)
x = rng.standard_normal((120, 1, 8, 8)).astype(np.float32)
y = (x[:, 0, :4].sum((1, 2)) > 0).astype(np.int64)


class Shift:
    def __call__(self, x, y, *, generator):
        return np.roll(x, generator.integers(-1, 2), axis=3), y


class Report(Callback):
    def on_step_end(self, trainer):
        print("step", trainer.step, flush=True)


lepton.manual_seed(7)
model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Dropout(0.4), nn.Linear(128, 2),
)
optimizer = optim.AdamW(model.parameters(), lr=0.01)
schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=8 * 6)
trainer = Trainer(
    model, nn.CrossEntropyLoss(), optimizer, metrics=[Accuracy()], scheduler=schedule,
    callbacks=[Report(), EarlyStopping("val_accuracy", patience=4)], run_dir=run, seed=11,
    clip_grad_norm=1.0, checkpoint_every=2, progress=False,
)
train = DataLoader(
    ArrayDataset(x[:96], y[:96]), batch_size=16, shuffle=True, seed=5, transform=Shift()
)
history = trainer.fit(train, epochs=8, validation=(x[96:], y[96:]), resume=True)

digest = hashlib.sha256()
for part in (model.state_dict(), *trainer.optimizer.state_dict()["state"].values()):
    for name, value in sorted(part.items()):
        digest.update(name.encode())
        digest.update(np.asarray(value.detach() if hasattr(value, "detach") else value).tobytes())
for row in history.rows:
    digest.update(repr([v for k, v in row.items() if k != "seconds"]).encode())
digest.update(repr(lepton.get_rng_state()).encode())
print("digest", digest.hexdigest(), flush=True)
"""


@pytest.fixture
def job(tmp_path):
    (tmp_path / "job.py").write_text(JOB)

    def start(run):
        command = [sys.executable, str(tmp_path / "job.py"), str(tmp_path / run)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return re.search(r"digest (\w+)", out)[1]


def test_kill_9_at_any_moment_and_resume_gives_the_same_bits(job, tmp_path):
    expected = finish(job("whole"))
    rng = random.Random(0)
    kills = 0
    for at in (1, 5, 8, 11, 20, 33):
        process = job("killed")
        for line in process.stdout:
            if line.startswith("digest") or int(line.split()[1]) >= at:
                break
        time.sleep(rng.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills == 6
    assert finish(job("killed")) == expected
    assert finish(job("killed")) == expected  # a finished run, resumed, is still the same
    whole, killed = ((tmp_path / run / "history.csv").read_text() for run in ("whole", "killed"))
    without_seconds = [
        [line.rpartition(",")[0] for line in text.splitlines()] for text in (whole, killed)
    ]
    assert without_seconds[0] == without_seconds[1]
    assert not list((tmp_path / "killed").rglob("*.tmp-*"))


def test_ctrl_c_finishes_the_step_saves_and_resumes_to_the_same_bits(job, tmp_path):
    process = job("stopped")
    for line in process.stdout:
        if line == "step 9\n":
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode not in (0, -signal.SIGKILL)
    assert "TrainingInterrupted: Trainer.fit: stopped after step" in err
    assert "resume=True" in err
    saved = read_checkpoint(tmp_path / "stopped").state["trainer"]["step"]
    assert f"stopped after step {saved} " in err
    assert finish(job("stopped")) == finish(job("whole"))


# ----------------------------------------------------------------------------------- in process


def toy():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 4)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


def make(run_dir=None, hidden=8, **options):
    lepton.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, hidden), nn.Dropout(0.3), nn.ReLU(), nn.Linear(hidden, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    options.setdefault("metrics", [Accuracy()])
    return Trainer(
        model, nn.CrossEntropyLoss(), optimizer, run_dir=run_dir, progress=False, **options
    )


def loader():
    return DataLoader(ArrayDataset(*toy()), batch_size=16, shuffle=True, seed=2)


def noisy():
    """Validation whose noise depends on a seed that nobody gave."""

    def noise(x, y, *, generator):
        return x + generator.standard_normal(x.shape, np.float32), y

    return DataLoader(ArrayDataset(*toy()), batch_size=32, transform=noise)


def fingerprint(trainer):
    parts = [trainer.model.state_dict(), *trainer.optimizer.state_dict()["state"].values()]
    values = [np.asarray(v).tobytes() for part in parts for v in part.values()]
    return values, trainer.epoch, trainer.step, trainer.history.rows, lepton.get_rng_state()


class StopAt(Callback):
    """Presses Ctrl-C after a step."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            signal.raise_signal(signal.SIGINT)


def without_seconds(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]


@pytest.mark.parametrize("step", [1, 3, 4, 7])
def test_resume_in_mid_epoch_by_path_or_run_dir(tmp_path, step):
    whole = make(tmp_path / "whole")
    whole.fit(loader(), epochs=3, validation=noisy())
    expected = fingerprint(whole)
    trainer = make(tmp_path / "run", callbacks=[StopAt(step)])
    with pytest.raises(TrainingInterrupted, match=f"after step {step} ") as caught:
        trainer.fit(loader(), epochs=3, validation=noisy())
    assert caught.value.checkpoint == tmp_path / "run" / "checkpoints" / "last"
    for resume in (tmp_path / "run", caught.value.checkpoint, True):
        folder = tmp_path / f"copy{resume}".replace("/", "_")
        shutil.copytree(tmp_path / "run", folder, symlinks=True)
        trainer = make(folder)
        lepton.manual_seed(99)  # what comes before must not matter
        resume = folder if resume is True else resume
        trainer.fit(loader(), epochs=3, validation=noisy(), resume=resume)
        got = fingerprint(trainer)
        assert got[:3] == expected[:3]
        assert got[4] == expected[4]
        assert without_seconds(trainer.history) == without_seconds(whole.history)


class StopInValidation(nn.Module):
    """Presses Ctrl-C when it sees so many batches outside of training."""

    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, x):
        self.count -= not self.training
        if self.count == 0 and not self.training:
            signal.raise_signal(signal.SIGINT)
        return x


@pytest.mark.parametrize("count", [3, 4, 5])
def test_resume_after_ctrl_c_in_validation(tmp_path, count):
    """Checks before training see two batches, then each of the three validations has two."""

    def start(run, count):
        trainer = make(tmp_path / run)
        trainer.model = nn.Sequential(trainer.model, StopInValidation(count))
        return trainer, DataLoader(ArrayDataset(*toy()), batch_size=32)

    whole, validation = start("whole", -1)
    whole.fit(loader(), epochs=3, validation=validation)
    trainer, validation = start("run", count)
    with pytest.raises(TrainingInterrupted, match=r"after step (4|8) "):
        trainer.fit(loader(), epochs=3, validation=validation)
    trainer, validation = start("run", -1)
    trainer.fit(loader(), epochs=3, validation=validation, resume=True)
    assert without_seconds(trainer.history) == without_seconds(whole.history)
    assert fingerprint(trainer)[0] == fingerprint(whole)[0]


def test_save_and_load_take_everything_along(tmp_path):
    first, second = make(), make()
    first.fit(loader(), epochs=2)
    first.save(tmp_path / "state")
    state = fingerprint(first)
    second.load(tmp_path / "state")
    assert fingerprint(second) == state
    assert second.evaluate(toy()) == first.evaluate(toy())
    first.fit(loader(), epochs=1)
    lepton.set_rng_state(state[4])
    second.fit(loader(), epochs=1)
    assert fingerprint(second)[0] == fingerprint(first)[0]
    first.save(tmp_path / "state")  # replaces the older one
    assert read_checkpoint(tmp_path / "state").state["trainer"]["epoch"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_callbacks_keep_their_state(tmp_path):
    stopping = EarlyStopping("accuracy", patience=50)
    with pytest.raises(TrainingInterrupted):
        make(tmp_path / "run", callbacks=[stopping, StopAt(11)]).fit(loader(), epochs=9)
    again = EarlyStopping("accuracy", patience=50)
    trainer = make(callbacks=[again])
    trainer.load(tmp_path / "run")
    assert (again.best, again.best_epoch, again.waited) == (
        stopping.best,
        stopping.best_epoch,
        stopping.waited,
    )
    assert again.weights.keys() == stopping.weights.keys()


def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path):
    make(tmp_path / "run").fit(loader(), epochs=1)
    other_data = DataLoader(ArrayDataset(*toy()), batch_size=8, shuffle=True, seed=2)
    sgd = make()
    sgd.optimizer = optim.SGD(sgd.model.parameters(), lr=0.1)
    for trainer, data, cause in [
        (make(hidden=9), loader(), "misshapen"),
        (sgd, loader(), "SGD"),
        (make(), other_data, "batch_size"),
    ]:
        before = fingerprint(trainer)
        with pytest.raises(ValueError, match=f"does not fit this trainer: .*{cause}"):
            trainer.fit(data, epochs=2, resume=tmp_path / "run")
        assert fingerprint(trainer) == before


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no/where does not exist"):
        make().fit(loader(), epochs=1, resume=tmp_path / "no" / "where")
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        make().load(tmp_path)
    with pytest.raises(ValueError, match="resume=True expects a run_dir"):
        make().fit(loader(), epochs=1, resume=True)


# --------------------------------------------------------------------------------------- damage


def damage(data, rng):
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 3])):
        at = rng.randrange(len(damaged) or 1)
        kind = rng.randrange(5)
        if kind == 0 and damaged:
            damaged[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            damaged = damaged[:at]
        elif kind == 2:
            damaged[at:at] = rng.choice([b"0", b"}", b'"', b"-", bytes(8)])
        elif kind == 3:
            del damaged[at : at + rng.randrange(1, 30)]
        else:
            damaged[at:at] = damaged[at : at + 20]
    return bytes(damaged)


def test_a_thousand_damaged_checkpoints_are_refused_and_change_nothing(tmp_path):
    trainer = make()
    trainer.fit(loader(), epochs=1)
    trainer.save(tmp_path / "state")
    before = fingerprint(trainer)
    rng = random.Random(0)
    files = {path: path.read_bytes() for path in (tmp_path / "state").iterdir()}
    assert {path.name for path in files} == {"model.safetensors", "state.safetensors", "state.json"}
    for number in range(1200):
        path, good = list(files.items())[number % 3]
        bad = damage(good, rng)
        if bad == good:
            continue
        path.write_bytes(bad)
        if path.suffix != ".json" or meaning(bad) != meaning(good):
            with pytest.raises(ValueError, match=str(tmp_path)) as caught:
                read_checkpoint(tmp_path / "state")
            assert "\n" not in str(caught.value)
        path.write_bytes(good)
    assert fingerprint(trainer) == before
    trainer.load(tmp_path / "state")


def meaning(text):
    """Return what a JSON text says, apart from the version that wrote it."""
    try:
        value = json.loads(text)
        return {**value, "lepton": str(value["lepton"])[:0]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return text


def test_files_of_two_saves_do_not_mix(tmp_path):
    trainer = make()
    for name in "ab":
        trainer.fit(loader(), epochs=1)
        trainer.save(tmp_path / name)
    shutil.copy(tmp_path / "a" / "model.safetensors", tmp_path / "b" / "model.safetensors")
    with pytest.raises(ValueError, match="damaged, or not from the same save"):
        trainer.load(tmp_path / "b")


def test_a_folder_that_is_no_checkpoint_is_not_replaced(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "love.txt").write_text("x")
    with pytest.raises(ValueError, match="exists and is no checkpoint"):
        make().save(tmp_path / "letters")
    assert (tmp_path / "letters" / "love.txt").exists()


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path):
    trainer = make(tmp_path / "run", hidden=8)
    trainer.fit(loader(), epochs=1)
    trainer.save(tmp_path / "state")
    kept = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    big = make(hidden=2000)
    folder = Checkpoint(tmp_path / "run" / "checkpoints")
    message = f"^cannot write {tmp_path}/.* is unchanged$"
    for save in (lambda: folder.save(big, ["last"]), lambda: big.save(tmp_path / "state")):
        with pytest.raises(OSError, match=message), full_disk(20_000):
            save()
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == kept
    for path in (tmp_path / "run", tmp_path / "state"):
        assert read_checkpoint(path).state["trainer"]["epoch"] == 1
