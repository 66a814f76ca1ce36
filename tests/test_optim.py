# SPDX-License-Identifier: Apache-2.0
"""Every optimiser of lepton.optim, found by inspection: descent, PyTorch's steps, state, errors."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import lepton
from lepton import nn, optim

OPTIMIZERS = [
    value
    for value in vars(optim).values()
    if inspect.isclass(value)
    and issubclass(value, optim.Optimizer)
    and not inspect.isabstract(value)
]
# One table for all: an option is tried with every optimiser that takes it.
OPTIONS: list[dict[str, Any]] = [
    {},
    {"weight_decay": 0.1},
    {"maximize": True},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    {"betas": (0.5, 0.8), "eps": 1e-3},
    {"betas": (0.0, 0.99), "maximize": True, "weight_decay": 0.2},
]
CASES = [
    pytest.param(cls, options, id=f"{cls.__name__}-{options}")
    for cls in OPTIMIZERS
    for options in OPTIONS
    if options.keys() <= inspect.signature(cls.__init__).parameters.keys()
]


@pytest.fixture(params=OPTIMIZERS, ids=lambda cls: cls.__name__)
def cls(request: pytest.FixtureRequest) -> Any:
    return request.param


def parameters(dtype: Any = None) -> list[nn.Parameter]:
    lepton.manual_seed(0)
    shapes = [(3, 4), (5,), (), (2, 3, 2, 2), (0, 2)]
    return [nn.Parameter(lepton.randn(*shape).astype(dtype or lepton.float32)) for shape in shapes]


def loss_of(params: Iterable[Any], step: int = 0) -> Any:
    """A convex quadratic whose bottom moves with the step."""
    total: Any = 0.0
    for position, param in enumerate(params):
        error = param - (position + 0.1 * step)
        total = total + (error * error).sum()
    return total


def numpy_of(params: Iterable[Any]) -> list[Any]:
    return [np.asarray(param.detach()).copy() for param in params]


# --------------------------------------------------------------------------------- descent


def test_a_convex_quadratic_is_lowered(cls: Any) -> None:
    params = parameters()
    optimizer = cls(params, lr=0.05)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = loss_of(params)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(later < earlier for earlier, later in pairwise(losses[:20]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cls", "options"), CASES)
def test_steps_equal_torch(cls: Any, options: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    ours = parameters(getattr(lepton, dtype))
    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in numpy_of(ours)]

    def groups(params: list[Any]) -> list[dict[str, Any]]:
        return [
            {"params": params[:2], **options},
            {"params": params[2:], "lr": 0.01, "weight_decay": 0.05},
        ]

    optimizer = cls(groups(ours), lr=0.1)
    expected = getattr(torch.optim, cls.__name__)(groups(theirs), lr=0.1)
    # each step adds a few roundings to values of size 1, divided by sqrt(v) in Adam
    bound = 20 * 100 * np.finfo(dtype).eps
    for step in range(20):
        optimizer.zero_grad()
        expected.zero_grad()
        loss_of(ours, step).backward()
        loss_of(theirs, step).backward()
        if step % 3 == 1:  # some parameters sit out
            ours[0].grad = ours[3].grad = None
            theirs[0].grad = theirs[3].grad = None
        optimizer.step()
        expected.step()
        for value, wanted in zip(numpy_of(ours), theirs, strict=True):
            np.testing.assert_allclose(value, wanted.detach().numpy(), rtol=bound, atol=bound)


def test_arguments_and_defaults_are_those_of_torch(cls: Any) -> None:
    torch = pytest.importorskip("torch")
    theirs = inspect.signature(getattr(torch.optim, cls.__name__).__init__).parameters
    ours = inspect.signature(cls.__init__).parameters
    for name, parameter in ours.items():
        if name not in theirs:  # an option of our own is in nobody's way
            assert parameter.kind is parameter.KEYWORD_ONLY, name
            assert parameter.default is None, name
            continue
        assert parameter.default == theirs[name].default, name
        assert parameter.kind == theirs[name].kind, name


def test_gradients_are_not_changed(cls: Any) -> None:
    params = parameters()
    optimizer = cls(params, lr=0.1, weight_decay=0.1, maximize=True)
    loss_of(params).backward()
    before = numpy_of([param.grad for param in params])
    optimizer.step()
    for value, grad in zip(before, params, strict=True):
        np.testing.assert_array_equal(value, np.asarray(grad.grad))


def test_parameters_without_gradient_stay_and_get_no_state(cls: Any) -> None:
    params = parameters()
    before = numpy_of(params)
    optimizer = cls(params, lr=0.1)
    optimizer.step()
    assert optimizer.state == {}
    (params[1] * 2).sum().backward()
    optimizer.step()
    assert set(optimizer.state) <= {1}
    after = numpy_of(params)
    assert not np.array_equal(before[1], after[1])
    for position in (0, 2, 3):
        np.testing.assert_array_equal(before[position], after[position])


def test_a_closure_runs_with_gradients_and_its_loss_comes_back(cls: Any) -> None:
    params = parameters()
    optimizer = cls(params, lr=0.1)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = loss_of(params)
        loss.backward()
        return loss

    with lepton.no_grad():
        first = optimizer.step(closure)
    assert first is not None
    assert loss_of(params).item() < first.item()
    assert optimizer.step() is None


def test_zero_grad_drops_or_fills(cls: Any) -> None:
    params = parameters()
    optimizer = cls(params, lr=0.1)
    loss_of(params).backward()
    optimizer.zero_grad(set_to_none=False)
    assert all(not np.asarray(param.grad).any() for param in params)
    optimizer.zero_grad()
    assert all(param.grad is None for param in params)


# ----------------------------------------------------------------------------------- state


def train(optimizer: Any, params: list[Any], steps: Iterable[int]) -> None:
    for step in steps:
        optimizer.zero_grad()
        loss_of(params, step).backward()
        if step == 1:
            params[0].grad = None
        optimizer.step()


def through_json(state: dict[str, Any]) -> dict[str, Any]:
    """Write all but the tensors as JSON, as a checkpoint does."""
    tensors = {
        f"{index}.{name}": np.array(value)
        for index, entry in state["state"].items()
        for name, value in entry.items()
        if isinstance(value, lepton.Tensor)
    }
    loaded = json.loads(
        json.dumps(state, default=lambda value: None if isinstance(value, lepton.Tensor) else 1 / 0)
    )
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        loaded["state"][index][key] = value
    return loaded


@pytest.mark.parametrize(("cls", "options"), CASES)
def test_resuming_gives_the_same_bits(cls: Any, options: dict[str, Any]) -> None:
    params = parameters()
    optimizer = cls([{"params": params[:2]}, {"params": params[2:], "lr": 0.02}], lr=0.1, **options)
    train(optimizer, params, range(4))
    resumed_params = [nn.Parameter(value) for value in numpy_of(params)]
    resumed = cls([{"params": resumed_params[:2]}, {"params": resumed_params[2:]}], lr=7.0)
    resumed.load_state_dict(through_json(optimizer.state_dict()))
    assert resumed.param_groups[1]["lr"] == 0.02
    train(optimizer, params, range(4, 8))
    train(resumed, resumed_params, range(4, 8))
    for value, wanted in zip(numpy_of(resumed_params), numpy_of(params), strict=True):
        np.testing.assert_array_equal(value, wanted)


def test_loading_copies_the_state(cls: Any) -> None:
    params = parameters()
    optimizer = cls(params, lr=0.1)
    train(optimizer, params, range(2))
    state = optimizer.state_dict()
    optimizer.load_state_dict(copy.deepcopy(state))
    train(optimizer, params, range(2, 4))
    twin = cls(parameters(), lr=0.1)
    twin.load_state_dict(optimizer.state_dict())
    before = through_json(optimizer.state_dict())
    train(twin, twin.param_groups[0]["params"], range(2))
    after = through_json(optimizer.state_dict())
    assert repr(before) == repr(after)


def spoil(state: dict[str, Any], where: str) -> Any:
    entry = next(iter(state["state"].values()), {})
    name = next((key for key, value in entry.items() if isinstance(value, lepton.Tensor)), None)
    if where == "not a dict":
        return [1]
    if where == "no groups":
        del state["param_groups"]
    elif where == "more groups":
        state["param_groups"].append(state["param_groups"][0])
    elif where == "fewer parameters":
        state["param_groups"][0]["params"].pop()
    elif where == "no lr":
        del state["param_groups"][1]["lr"]
    elif where == "wrong lr":
        state["param_groups"][1]["lr"] = -1.0
    elif where == "text lr":
        state["param_groups"][1]["lr"] = "0.1"
    elif where == "group is a list":
        state["param_groups"][1] = [1]
    elif where == "unknown index":
        state["state"][99] = {}
    elif where == "text index":
        state["state"]["first"] = {}
    elif where == "unknown name":
        state["state"][0] = {"speed": lepton.zeros((3, 4))}
    elif name is None:
        return None
    elif where == "wrong shape":
        entry[name] = lepton.zeros((7,))
    elif where == "no tensor":
        entry[name] = "text"
    elif where == "missing name":
        del entry[name]
        entry["other"] = 1
    return state


@pytest.mark.parametrize(
    "where",
    [
        "not a dict",
        "no groups",
        "more groups",
        "fewer parameters",
        "no lr",
        "wrong lr",
        "text lr",
        "group is a list",
        "unknown index",
        "text index",
        "unknown name",
        "wrong shape",
        "no tensor",
        "missing name",
    ],
)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_loading_what_does_not_fit_changes_nothing(cls: Any, momentum: float, where: str) -> None:
    params = parameters()
    options = {"momentum": momentum} if momentum else {}
    if not options.keys() <= inspect.signature(cls.__init__).parameters.keys():
        return
    optimizer = cls([{"params": params[:2]}, {"params": params[2:]}], lr=0.1, **options)
    train(optimizer, params, range(2))
    wrong = spoil(copy.deepcopy(optimizer.state_dict()), where)
    if wrong is None:
        return  # keeps no tensors
    if isinstance(wrong, dict) and "param_groups" in wrong:
        wrong["param_groups"][0]["lr"] = wrong["param_groups"][0].get("lr", 1) * 2
    before = repr(through_json(optimizer.state_dict()))
    with pytest.raises((ValueError, TypeError), match=f"^{cls.__name__}: "):
        optimizer.load_state_dict(wrong)
    assert repr(through_json(optimizer.state_dict())) == before


def test_a_copy_of_model_and_optimizer_trains_apart(cls: Any) -> None:
    model = nn.Linear(2, 1)
    optimizer = cls(model.parameters(), lr=0.1)
    model(lepton.ones((1, 2))).sum().backward()
    optimizer.step()
    twin_model, twin = copy.deepcopy((model, optimizer))
    before = np.array(model.weight.detach())
    twin.zero_grad()
    twin_model(lepton.ones((1, 2))).sum().backward()
    twin.step()
    np.testing.assert_array_equal(np.array(model.weight.detach()), before)
    assert not np.array_equal(np.array(twin_model.weight.detach()), before)


def test_repr_shows_the_options(cls: Any) -> None:
    text = repr(cls(parameters(), lr=0.125))
    assert text.startswith(f"{cls.__name__} (\nParameter Group 0\n")
    assert "    lr: 0.125\n" in text


# ---------------------------------------------------------------------------------- errors

SCALAR = nn.Parameter(lepton.ones((1,)))


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "params expects at least 1 parameter, got 0"),
        (SCALAR, TypeError, "params expects an iterable of Tensors or of dicts, got Parameter"),
        (3, TypeError, "params expects an iterable of Tensors or of dicts, got int"),
        ({"params": [SCALAR]}, TypeError, "got dict"),
        ([SCALAR, "w"], TypeError, r"params\[1\] expects a Tensor, got str"),
        ([("w", SCALAR)], TypeError, r"params\[0\] expects a Tensor, got tuple"),
        ([SCALAR, SCALAR], ValueError, r"params\[1\] is given twice"),
        ([{"params": [SCALAR]}, {"params": SCALAR}], ValueError, r"params\[0\] is given twice"),
        ([SCALAR * 2], ValueError, r"params\[0\] is a result, not a parameter"),
        ([{"lr": 1.0}], TypeError, "a parameter group expects a dict with 'params'"),
        ([{"params": [SCALAR], "rate": 1.0}], ValueError, "there is no option 'rate'"),
        ([{"params": [SCALAR], "lr": -1.0}], ValueError, "lr expects a finite number >= 0"),
    ],
)
def test_wrong_parameters_are_refused(
    cls: Any, params: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{cls.__name__}: .*{message}"):
        cls(params, lr=0.1)


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("lr", -0.1, ValueError),
        ("lr", float("nan"), ValueError),
        ("lr", float("inf"), ValueError),
        ("lr", "fast", TypeError),
        ("lr", True, TypeError),
        ("momentum", -1, ValueError),
        ("weight_decay", -1, ValueError),
        ("dampening", "no", TypeError),
        ("nesterov", True, ValueError),
        ("betas", (0.9, 1.0), ValueError),
        ("betas", (-0.1, 0.9), ValueError),
        ("betas", 0.9, ValueError),
        ("betas", (0.9,), ValueError),
        ("eps", -1e-8, ValueError),
        ("amsgrad", True, ValueError),
        ("maximize", "yes", TypeError),
    ],
)
def test_a_wrong_option_is_refused(
    cls: Any, option: str, value: Any, error: type[Exception]
) -> None:
    if option not in inspect.signature(cls.__init__).parameters:
        return
    with pytest.raises(error, match=f"^{cls.__name__}: {option} expects "):
        cls([SCALAR], **{option: value})


def test_a_refused_group_is_not_added(cls: Any) -> None:
    params = parameters()
    optimizer = cls(params[:1], lr=0.1)
    with pytest.raises(ValueError, match="lr expects"):
        optimizer.add_param_group({"params": params[1:], "lr": -1})
    assert len(optimizer.param_groups) == 1
    optimizer.add_param_group({"params": params[1], "lr": 1})
    assert optimizer.param_groups[1]["lr"] == 1.0


# -------------------------------------------------------------------------------- clipping


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_clipping_the_norm_equals_torch(order: float, limit: float) -> None:
    torch = pytest.importorskip("torch")
    ours = parameters()
    loss_of(ours).backward()
    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in numpy_of(ours)]
    for ours_leaf, theirs_leaf in zip(ours, theirs, strict=True):
        theirs_leaf.grad = torch.tensor(np.array(ours_leaf.grad))
    ours[1].grad = theirs[1].grad = None
    filled = theirs[:4]  # PyTorch has no infinite norm of an empty tensor
    norm = nn.utils.clip_grad_norm_(ours, limit, order)
    expected = torch.nn.utils.clip_grad_norm_(filled, limit, order)
    assert norm.item() == pytest.approx(expected.item(), rel=1e-5)
    for ours_leaf, theirs_leaf in zip(ours, filled, strict=False):
        if theirs_leaf.grad is not None:
            np.testing.assert_allclose(
                np.array(ours_leaf.grad), theirs_leaf.grad.numpy(), rtol=1e-5
            )


@pytest.mark.parametrize("order", [2.0, 1.0, float("inf")])
def test_a_norm_that_is_not_finite_can_raise_and_leaves_gradients(order: float) -> None:
    param = nn.Parameter(lepton.ones((3,)))
    param.grad = lepton.tensor([1.0, float("nan"), 2.0])
    with pytest.raises(ValueError, match="clip_grad_norm_: the norm of the gradients is nan"):
        nn.utils.clip_grad_norm_(param, 1.0, order, error_if_nonfinite=True)
    assert param.grad[0].item() == 1.0
    assert np.isnan(nn.utils.clip_grad_norm_(param, 1.0, order).item())


def test_clipping_refuses_what_it_cannot_use() -> None:
    param = nn.Parameter(lepton.ones((1,)))
    with pytest.raises(ValueError, match="max_norm expects"):
        nn.utils.clip_grad_norm_(param, -1.0)
    with pytest.raises(TypeError, match=r"parameters\[0\] expects a Tensor, got int"):
        nn.utils.clip_grad_norm_([1], 1.0)  # type: ignore[list-item]
    assert nn.utils.clip_grad_norm_([param], 1.0).item() == 0.0


def test_parameters_go_into_a_vector_and_back() -> None:
    layer = nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    other = nn.Linear(3, 2)
    nn.utils.vector_to_parameters(vector, other.parameters())
    np.testing.assert_array_equal(np.array(other.weight.detach()), np.array(layer.weight.detach()))
    with pytest.raises(ValueError, match=r"vec expects shape \[8\], got \[7\]"):
        nn.utils.vector_to_parameters(vector[:7], other.parameters())
