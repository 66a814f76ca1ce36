# SPDX-License-Identifier: Apache-2.0
"""Learning rate schedules: PyTorch's values, resuming, errors."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

import lepton
from lepton import nn, optim
from lepton.optim import lr_scheduler

SCHEDULES = {
    name: value
    for name, value in vars(lr_scheduler).items()
    if inspect.isclass(value)
    and issubclass(value, lr_scheduler.LRScheduler)
    and not inspect.isabstract(value)
}
# Written once, read with Lepton's schedules and with PyTorch's.
SOURCES = [
    "StepLR(optimizer, 3)",
    "StepLR(optimizer, 2, gamma=0.5)",
    "MultiStepLR(optimizer, [2, 5, 5, 9], gamma=0.3)",
    "CosineAnnealingLR(optimizer, 7)",
    "CosineAnnealingLR(optimizer, 6, eta_min=0.01)",
    "LinearLR(optimizer)",
    "LinearLR(optimizer, start_factor=0.1, end_factor=0.0, total_iters=8)",
    "LambdaLR(optimizer, lambda epoch: 0.9**epoch)",
    "LambdaLR(optimizer, [lambda epoch: 1 / (1 + epoch), lambda epoch: epoch])",
    "OneCycleLR(optimizer, 0.5, total_steps=20)",
    "OneCycleLR(optimizer, [0.5, 0.1], epochs=5, steps_per_epoch=4, anneal_strategy='linear')",
    "OneCycleLR(optimizer, 0.5, total_steps=20, three_phase=True, pct_start=0.4, div_factor=5)",
    "OneCycleLR(optimizer, 0.5, 20, cycle_momentum=False, final_div_factor=10)",
    "SequentialLR(optimizer, [LinearLR(optimizer, 0.1, total_iters=4),"
    " CosineAnnealingLR(optimizer, 10)], [4])",
    "SequentialLR(optimizer, [StepLR(optimizer, 1, 0.9), LambdaLR(optimizer, lambda e: 0.5**e),"
    " MultiStepLR(optimizer, [2])], [3, 7])",
]
FAMILIES = {"SGD": {"momentum": 0.9}, "Adam": {}}


def optimizer_of(package: Any, parameters: list[Any], family: str = "SGD") -> Any:
    groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.4}]
    return getattr(package, family)(groups, lr=1.0, **FAMILIES[family])


def ours(family: str = "SGD") -> Any:
    return optimizer_of(optim, [nn.Parameter(lepton.zeros((1,))) for _ in range(2)], family)


def built(source: str, optimizer: Any) -> Any:
    return eval(source, {"optimizer": optimizer, **vars(lr_scheduler)})


def setting(optimizer: Any) -> list[Any]:
    names = ("lr", "momentum", "betas")
    return [
        value
        for group in optimizer.param_groups
        for name in names
        if name in group
        for value in (group[name] if isinstance(group[name], (tuple, list)) else [group[name]])
    ]


def test_every_schedule_has_a_source() -> None:
    assert {name for name in SCHEDULES if not any(name in source for source in SOURCES)} == set()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("source", SOURCES)
def test_values_equal_torch(source: str, family: str) -> None:
    torch = pytest.importorskip("torch")
    optimizer = ours(family)
    expected = optimizer_of(
        torch.optim, [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)], family
    )
    schedule = built(source, optimizer)
    wanted = eval(source, {"optimizer": expected, **vars(torch.optim.lr_scheduler)})
    for _ in range(20):
        # both multiply rates step by step: some roundings of size 1e-16, larger near a zero
        assert setting(optimizer) == pytest.approx(setting(expected), rel=1e-9, abs=1e-15)
        assert schedule.get_last_lr() == pytest.approx(wanted.get_last_lr(), rel=1e-9, abs=1e-15)
        optimizer.step()
        expected.step()
        if schedule.last_epoch < 19:
            schedule.step()
            wanted.step()


def test_schedules_stepped_together_multiply_as_in_torch() -> None:
    torch = pytest.importorskip("torch")
    optimizer = ours()
    expected = optimizer_of(torch.optim, [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)])
    pairs = []
    for source in ("LinearLR(optimizer, 0.1, total_iters=4)", "StepLR(optimizer, 3, 0.5)"):
        theirs = eval(source, {"optimizer": expected, **vars(torch.optim.lr_scheduler)})
        pairs += [built(source, optimizer), theirs]
    for _ in range(10):
        optimizer.step()
        expected.step()
        for schedule in pairs:
            schedule.step()
        assert setting(optimizer) == pytest.approx(setting(expected), rel=1e-12)


@pytest.mark.parametrize("source", SOURCES)
def test_resuming_through_json_gives_the_same_bits(source: str) -> None:
    optimizer = ours()
    schedule = built(source, optimizer)
    for _ in range(6):
        schedule.step()
    saved = json.dumps([optimizer.state_dict(), schedule.state_dict()])
    resumed = ours()
    resumed_schedule = built(source, resumed)
    for target, state in zip((resumed, resumed_schedule), json.loads(saved), strict=True):
        target.load_state_dict(state)
    for _ in range(10):
        assert setting(resumed) == setting(optimizer)
        assert resumed_schedule.get_last_lr() == schedule.get_last_lr()
        schedule.step()
        resumed_schedule.step()


@pytest.mark.parametrize("source", SOURCES)
def test_a_state_that_does_not_fit_changes_nothing(source: str) -> None:
    schedule = built(source, ours())
    schedule.step()
    good = schedule.state_dict()
    wrong: list[Any] = [None, {}, {**good, "more": 1}, {**good, "last_epoch": "1"}]
    wrong += [{**good, "base_lrs": [1.0]}, {**good, "_last_lr": [1.0, float("nan")]}]
    wrong += [{**good, "last_epoch": 1.5}, {**good, "base_lrs": ["a", "b"]}]
    for state in wrong:
        with pytest.raises((ValueError, TypeError), match=f"^{type(schedule).__name__}: "):
            schedule.load_state_dict(state)
        assert schedule.state_dict() == good
    if "schedulers" in good:
        broken = [*good["schedulers"][:-1], {}]
        other = [{**good["schedulers"][0], "last_epoch": 17}, *broken[1:]]
        with pytest.raises(ValueError, match="a state dict expects"):
            schedule.load_state_dict({**good, "schedulers": other})
        assert schedule.state_dict() == good


def test_starting_later_needs_the_first_rates() -> None:
    optimizer = ours()
    with pytest.raises(ValueError, match=r"StepLR: last_epoch=3 expects 'initial_lr' in param_gr"):
        lr_scheduler.StepLR(optimizer, 2, last_epoch=3)
    whole = lr_scheduler.CosineAnnealingLR(optimizer, 9)
    for _ in range(4):
        whole.step()
    later = ours()
    for group, other in zip(later.param_groups, optimizer.param_groups, strict=True):
        group.update(initial_lr=other["initial_lr"], lr=other["lr"])
    whole.step()
    resumed = lr_scheduler.CosineAnnealingLR(later, 9, last_epoch=4)
    assert resumed.get_last_lr() == pytest.approx(whole.get_last_lr(), rel=1e-12)


def test_one_cycle_ends_with_one_spare_step() -> None:
    schedule = built("OneCycleLR(optimizer, 0.5, total_steps=4)", ours())
    for _ in range(4):
        schedule.step()
    last = schedule.get_last_lr()
    assert last == pytest.approx([0.5 / 25 / 1e4] * 2)
    with pytest.raises(ValueError, match="OneCycleLR: step 5 lies beyond total_steps=4"):
        schedule.step()
    assert schedule.get_last_lr() == last
    assert schedule.last_epoch == 4


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("StepLR(3, 2)", TypeError, "StepLR: optimizer expects an Optimizer, got int"),
        ("StepLR(optimizer, 0)", ValueError, "StepLR: step_size expects an integer >= 1, got 0"),
        ("StepLR(optimizer, 2, gamma=-1)", ValueError, "StepLR: gamma expects a finite number"),
        ("StepLR(optimizer, 2, last_epoch=-2)", ValueError, "StepLR: last_epoch expects"),
        ("MultiStepLR(optimizer, [1.5])", TypeError, "MultiStepLR: milestones expects an integer"),
        ("CosineAnnealingLR(optimizer, 0)", ValueError, "CosineAnnealingLR: T_max expects"),
        ("LinearLR(optimizer, 0)", ValueError, "LinearLR: start_factor expects a finite number >"),
        ("LambdaLR(optimizer, [abs])", ValueError, "LambdaLR: lr_lambda expects 2 functions"),
        ("LambdaLR(optimizer, 3)", TypeError, "LambdaLR: lr_lambda expects a function, got int"),
        ("LambdaLR(optimizer, lambda e: 'x')", TypeError, "lr_lambda's result expects a number"),
        ("LambdaLR(optimizer, lambda e: float('nan'))", ValueError, "result expects a finite"),
        ("OneCycleLR(optimizer, 0.5)", ValueError, "OneCycleLR: expects total_steps, or both"),
        ("OneCycleLR(optimizer, [0.5], 9)", ValueError, "OneCycleLR: max_lr expects 2 numbers"),
        ("OneCycleLR(optimizer, 0.5, 9, anneal_strategy='x')", ValueError, "'cos' or 'linear'"),
        ("SequentialLR(optimizer, [], [])", ValueError, "SequentialLR: milestones expects one"),
        ("SequentialLR(optimizer, [StepLR(optimizer, 1)], [2])", ValueError, "expects one less"),
        ("SequentialLR(optimizer, [3], [])", TypeError, r"schedulers\[0\] expects a plain sched"),
    ],
)
def test_a_wrong_argument_is_refused(source: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        built(source, ours())
