# SPDX-License-Identifier: Apache-2.0
"""Trainer: what it computes, how it stops, and that bad input changes nothing."""

import signal

import numpy as np
import pytest

import lepton
from lepton import Trainer, nn, optim
from lepton.data import ArrayDataset, DataLoader
from lepton.metrics import Accuracy, ConfusionMatrix
from lepton.training import (
    Callback,
    Checkpoint,
    EarlyStopping,
    History,
    NonFiniteError,
    ProgressBar,
    TrainingInterrupted,
    read_checkpoint,
)


def toy(samples=200, seed=0):
    """Two classes that a small network can learn."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, 4)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int64)


def network(dropout=0.0):
    lepton.manual_seed(1)
    return nn.Sequential(
        nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2)
    )


def make(model=None, lr=0.02, **options):
    model = network() if model is None else model
    options.setdefault("progress", False)
    optimizer = options.pop("optimizer", None) or optim.Adam(model.parameters(), lr=lr)
    loss = options.pop("loss", None) or nn.CrossEntropyLoss()
    return Trainer(model, loss, optimizer, **options)


def weights(trainer):
    return {k: np.array(v.numpy()) for k, v in trainer.model.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


class CtrlC(Callback):
    """Presses Ctrl-C so many times after each step."""

    def __init__(self, times):
        self.times = times

    def on_step_end(self, trainer):
        for _ in range(self.times):
            signal.raise_signal(signal.SIGINT)


class Recorder(Callback):
    """Writes down which hooks ran."""

    def __init__(self):
        self.calls = []

    def __getattribute__(self, name):
        if name.startswith("on_"):
            self.calls.append(name)
        return super().__getattribute__(name)


# ------------------------------------------------------------------------------------- training


def test_fit_learns_and_keeps_a_row_per_epoch():
    x, y = toy()
    trainer = make(metrics=[Accuracy()], seed=3)
    history = trainer.fit((x[:150], y[:150]), epochs=6, validation=(x[150:], y[150:]))
    assert history.names == [
        "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds",
    ]  # fmt: skip
    assert history["epoch"] == [1, 2, 3, 4, 5, 6]
    assert history.last["loss"] < 0.5 * history["loss"][0]
    assert history.last["val_accuracy"] > 0.9
    assert all(seconds > 0 for seconds in history["seconds"])
    assert trainer.history is history


def test_a_second_fit_goes_on():
    trainer = make(seed=0)
    trainer.fit(toy(), epochs=2)
    assert trainer.fit(toy(), epochs=3)["epoch"] == [1, 2, 3, 4, 5]


def test_one_seed_gives_the_same_bits():
    def run():
        trainer = make(network(dropout=0.5), seed=5)
        history = trainer.fit(toy(), epochs=3)
        return weights(trainer), history["loss"]

    (first, losses), (second, again) = run(), run()
    assert losses == again
    assert same(first, second)


def test_evaluate_is_the_mean_over_samples_in_evaluation_mode():
    x, y = toy(70)
    trainer = make(network(dropout=0.5), metrics=[Accuracy(), ConfusionMatrix(2)])
    trainer.fit((x, y), epochs=1)
    trainer.model.train()
    scores = trainer.evaluate((x, y), batch_size=32)
    assert all(module.training for module in trainer.model.modules())
    trainer.model.eval()
    with lepton.no_grad():
        output = trainer.model(lepton.tensor(x))
        loss = trainer.loss(output, lepton.tensor(y)).item()
    assert scores["loss"] == pytest.approx(loss, rel=1e-5)
    assert scores["accuracy"] == np.mean(np.argmax(output.numpy(), axis=1) == y)
    assert set(scores) == {"loss", "accuracy"}  # a matrix is no single number


def test_predict_gives_the_outputs_of_all_samples_in_order():
    x, y = toy(70)
    trainer = make(network(dropout=0.5))
    trainer.model.eval()
    with lepton.no_grad():
        expected = trainer.model(lepton.tensor(x)).numpy()
    trainer.model.train()
    loader = DataLoader(ArrayDataset(x, y), batch_size=16)
    for data in (x, lepton.tensor(x), ArrayDataset(x), loader, [x[:30], x[30:]]):
        got = trainer.predict(data)
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5, atol=1e-6)
        assert not got.requires_grad


def test_accumulated_batches_give_the_step_of_one_large_batch():
    x, y = toy(50)
    results = []
    for size, accumulate in ((50, 1), (16, 4)):  # 16 + 16 + 16 + 2
        lepton.manual_seed(0)
        model = nn.Linear(4, 2)
        trainer = make(
            model, optimizer=optim.SGD(model.parameters(), lr=0.5), accumulate=accumulate
        )
        trainer.fit(DataLoader(ArrayDataset(x, y), batch_size=size), epochs=1)
        assert trainer.step == 1
        results.append(weights(trainer))
    for name in results[0]:
        np.testing.assert_allclose(results[0][name], results[1][name], rtol=1e-5, atol=1e-6)


def test_gradients_are_clipped_to_the_norm():
    x, y = toy()
    model = nn.Linear(4, 2)
    before = weights(make(model))
    trainer = make(model, optimizer=optim.SGD(model.parameters(), lr=1.0), clip_grad_norm=1e-3)
    trainer.fit(DataLoader(ArrayDataset(x, y), batch_size=200), epochs=1)
    after = weights(trainer)
    moved = np.sqrt(sum(np.sum((after[k] - before[k]) ** 2.0) for k in after))
    assert moved == pytest.approx(1e-3, rel=1e-3)


def test_schedules_step_after_epochs_or_steps():
    for schedule, per_step in ((optim.lr_scheduler.StepLR, False), (None, True)):
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        if schedule is None:
            scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=8)
        else:
            scheduler = schedule(optimizer, step_size=1, gamma=0.5)
        trainer = make(model, optimizer=optimizer, scheduler=scheduler)
        history = trainer.fit(DataLoader(ArrayDataset(*toy()), batch_size=100), epochs=4)
        assert trainer.scheduler_per_step == per_step
        assert scheduler.last_epoch == (8 if per_step else 4)
        if not per_step:
            assert history["lr"] == [0.1, 0.05, 0.025, 0.0125]


def test_hooks_run_in_order():
    recorder = Recorder()
    make(callbacks=[recorder]).fit(DataLoader(ArrayDataset(*toy()), batch_size=100), epochs=2)
    epoch = ["on_epoch_start", "on_step_end", "on_step_end", "on_epoch_end"]
    assert recorder.calls == ["on_fit_start", *epoch, *epoch, "on_fit_end", "on_fit_exit"]


def test_early_stopping_restores_the_best_weights():
    class Keep(Callback):
        def __init__(self):
            self.weights = []

        def on_epoch_end(self, trainer):
            self.weights.append(weights(trainer))

    keep = Keep()
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=3.0)  # too fast: the loss goes up and down
    trainer = make(
        model, optimizer=optimizer, callbacks=[keep, EarlyStopping("val_loss", patience=2)]
    )
    x, y = toy()
    history = trainer.fit((x[:150], y[:150]), epochs=200, validation=(x[150:], y[150:]))
    best = int(history.best("val_loss")["epoch"])
    assert len(history) == best + 2 < 200
    assert "val_loss has not improved" in trainer.stopped
    assert same(weights(trainer), keep.weights[best - 1])


def test_a_monitor_that_is_not_measured_is_named_before_training():
    trainer = make(callbacks=[EarlyStopping("val_accuracy")])
    before = weights(trainer)
    with pytest.raises(ValueError, match="expects one of loss, got 'val_accuracy'"):
        trainer.fit(toy(), epochs=1)
    assert same(weights(trainer), before)


def test_batches_may_come_from_any_iterable_that_can_be_repeated():
    x, y = toy()
    batches = [(x[:100], y[:100]), (x[100:], y[100:])]
    batches = [(lepton.tensor(a), lepton.tensor(b)) for a, b in batches]
    trainer = make()
    trainer.fit(batches, epochs=2, validation=batches)
    assert trainer.step == 4
    with pytest.raises(TypeError, match="can be read only once"):
        trainer.fit(iter(batches), epochs=1)


def test_a_model_may_have_several_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, first, second):
            return self.layer(first + second)

    x, y = toy()
    trainer = make(Two())
    trainer.fit((x, x, y), epochs=1)
    assert trainer.predict(ArrayDataset(x, x, y)).shape == (200, 2)


def test_the_first_ctrl_c_finishes_the_step_the_second_aborts(capfd):
    before = signal.getsignal(signal.SIGINT)
    trainer = make(callbacks=[CtrlC(1)])
    with pytest.raises(TrainingInterrupted, match=r"after step 1 .* no run_dir, so nothing is"):
        trainer.fit(toy(), epochs=2)
    assert trainer.step == 1
    assert "Ctrl-C again aborts at once" in capfd.readouterr().err
    with pytest.raises(KeyboardInterrupt) as caught:
        make(callbacks=[CtrlC(2)]).fit(toy(), epochs=2)
    assert not isinstance(caught.value, TrainingInterrupted)
    assert signal.getsignal(signal.SIGINT) is before


# ------------------------------------------------------------------------------------- bad input


class Poison(nn.Module):
    """Gives NaN from its n-th training batch on."""

    def __init__(self, after):
        super().__init__()
        self.after, self.seen = after, 0

    def forward(self, x):
        if self.training:
            self.seen += 1
            if self.seen > self.after:
                return x * float("nan")
        return x


def test_a_nan_loss_names_step_and_layer_and_changes_nothing():
    model = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Sequential(nn.ReLU(), Poison(3)), nn.Linear(8, 2)
    )
    kept = {}

    class Keep(Callback):
        def on_step_end(self, trainer):
            kept.update(weights(trainer))

    trainer = make(model, callbacks=[Keep()])
    loader = DataLoader(ArrayDataset(*toy()), batch_size=100)
    message = (
        "the loss is nan: the first layer whose output is not finite is 2.1: Poison, "
        r"in step 4 \(epoch 2, batch 2\)"
    )
    with pytest.raises(NonFiniteError, match=message) as caught:
        trainer.fit(loader, epochs=5)
    assert isinstance(caught.value, ValueError)
    assert same(weights(trainer), kept)
    assert "forward" not in vars(model[0])


def test_a_gradient_that_is_not_finite_names_the_layer_and_changes_nothing():
    class Root(nn.Module):
        def forward(self, x):
            return lepton.sqrt(x * 0.0)  # 0, with an infinite gradient

    model = nn.Sequential(nn.Linear(4, 8), Root(), nn.Linear(8, 2))
    trainer = make(model)
    before = weights(trainer)
    message = r"first layer whose gradient is not finite is 0: Linear \((weight|bias)\), in step 1 "
    with pytest.raises(NonFiniteError, match=message):
        trainer.fit(toy(), epochs=1)
    assert same(weights(trainer), before)


def test_nan_in_the_data_is_found():
    x, y = toy()
    x[150:] = np.nan
    with pytest.raises(NonFiniteError, match="the input already holds values that are not finite"):
        make().fit(DataLoader(ArrayDataset(x, y), batch_size=50), epochs=1)


BAD = {
    "class out of range": (lambda x, y: (x, np.where(np.arange(len(y)) == 170, 2, y)), IndexError),
    "negative class": (lambda x, y: (x, np.where(np.arange(len(y)) == 9, -1, y)), IndexError),
    "too few labels": (lambda x, y: (x, y[:-1]), ValueError),
    "wrong features": (lambda x, y: (x[:, :3], y), ValueError),
    "wrong target shape": (lambda x, y: (x, np.stack([y, y], axis=1)), ValueError),
    "float labels": (lambda x, y: (x, y.astype(np.float32)), (TypeError, ValueError)),
    "no samples": (lambda x, y: (x[:0], y[:0]), ValueError),
    "no target": (lambda x, y: (x,), ValueError),
    "a string": (lambda x, y: "digits", TypeError),
    "a number": (lambda x, y: 3, TypeError),
    "an empty list": (lambda x, y: [], ValueError),
    "a list of numbers": (lambda x, y: [1, 2], TypeError),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("part", ["train", "validation"])
def test_bad_data_is_refused_before_a_weight_changes(case, part):
    spoil, error = BAD[case]
    data = {"train": toy(), "validation": toy(), part: spoil(*toy())}
    trainer = make(seed=0)
    before = weights(trainer)
    with pytest.raises(error) as caught:
        trainer.fit(data["train"], epochs=1, validation=data["validation"])
    assert "\n" not in str(caught.value)
    assert same(weights(trainer), before)
    assert trainer.step == 0


def test_a_label_out_of_range_is_named_by_sample():
    x, y = toy()
    y[170] = 7
    with pytest.raises(IndexError, match="class 7 of sample 170 is out of range for 2 classes"):
        make().fit((x, y), epochs=1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"accumulate": 0}, ValueError, "accumulate expects an integer >= 1"),
        ({"clip_grad_norm": -1.0}, ValueError, "clip_grad_norm"),
        ({"callbacks": [print]}, TypeError, r"callbacks\[0\] expects a Callback"),
        ({"seed": -1}, ValueError, "seed"),
        ({"step_scheduler": "day"}, ValueError, "step_scheduler"),
        ({"checkpoint_every": 5}, ValueError, "checkpoint_every expects a run_dir"),
    ],
)
def test_wrong_settings_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        make(**options)


def test_wrong_epochs_are_refused():
    for epochs in (0, -1, 2.5, None, True):
        with pytest.raises((ValueError, TypeError), match="epochs expects"):
            make().fit(toy(), epochs=epochs)


# ---------------------------------------------------------------------------- run and checkpoints


def test_a_run_directory_holds_everything(tmp_path):
    run = tmp_path / "runs" / "toy"
    x, y = toy()
    trainer = make(metrics=[Accuracy()], run_dir=run, seed=0, config={"note": "mine"})
    history = trainer.fit((x, y), epochs=3, validation=(x, y))
    assert (run / "history.csv").read_text() == history.csv()
    assert trainer.run.config["note"] == "mine"
    assert trainer.run.config["optimizer"]["groups"][0]["lr"] == 0.02
    assert trainer.run.metrics["last"] == history.last
    assert trainer.run.metrics["best"] == history.best("val_loss")
    assert (run / "history.png").exists()
    best = int(history.best("val_loss")["epoch"])
    assert len(read_checkpoint(run / "checkpoints" / "best").state["history"]) == best
    assert same(read_checkpoint(run).weights, weights(trainer))
    assert not list(run.rglob(".*"))


def test_history_reads_back_exactly(tmp_path):
    history = make().fit(toy(), epochs=3)
    lines = history.csv(tmp_path / "history.csv").splitlines()
    columns = zip(*(line.split(",") for line in lines[1:]), strict=True)
    for name, values in zip(lines[0].split(","), columns, strict=True):
        assert [float(value) for value in values] == history[name]


def test_history_finds_rows_and_columns():
    history = History([{"epoch": 1, "f1": 0.2}, {"epoch": 2, "f1": float("nan"), "loss": 1.0}])
    assert history.best("f1")["epoch"] == 1
    assert history["loss"][1] == 1.0
    assert "epoch" in repr(history)
    with pytest.raises(KeyError, match="no column 'x'"):
        history["x"]
    with pytest.raises(IndexError, match="no epoch is finished"):
        _ = History().last
    with pytest.raises(ValueError, match="mode expects"):
        history.best("f1", "most")


def test_a_run_is_not_overwritten_by_another(tmp_path):
    make(run_dir=tmp_path / "run").fit(toy(), epochs=1)
    with pytest.raises(ValueError, match="already holds a run: resume=True continues it"):
        make(run_dir=tmp_path / "run").fit(toy(), epochs=1)


def test_checkpoints_go_where_the_user_says(tmp_path):
    x, y = toy()
    checkpoint = Checkpoint(tmp_path / "states", monitor="accuracy", every_steps=1)
    make(metrics=[Accuracy()], callbacks=[checkpoint]).fit((x, y), epochs=2)
    assert {path.name for path in (tmp_path / "states").iterdir()} >= {"best", "last"}


def test_plain_progress_is_one_line_per_epoch(capfd):
    make(callbacks=[ProgressBar(bar=False)], metrics=[Accuracy()]).fit(toy(), epochs=2)
    lines = capfd.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all("samples/s" in line and "accuracy" in line for line in lines)


def test_a_bar_shows_progress(capfd):
    make(callbacks=[ProgressBar(bar=True)], metrics=[Accuracy()]).fit(toy(), epochs=2)
    text = capfd.readouterr().err
    assert "epoch 1/2   0%|" in text
    assert text.splitlines()[-1].split("\r")[-1].startswith("epoch 2/2  loss 0.")
