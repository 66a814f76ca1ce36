# SPDX-License-Identifier: Apache-2.0
"""How Module behaves: attributes, walking, state, errors, summary, containers."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lepton
from lepton import nn


class Block(nn.Module):
    def __init__(self, size: int = 4) -> None:
        super().__init__()
        self.linear = nn.Linear(size, size)
        self.norm = nn.BatchNorm1d(size)

    def forward(self, x: lepton.Tensor) -> lepton.Tensor:
        return self.norm(self.linear(x))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), Block())
        self.heads = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 1)})
        self.register_buffer("seen", lepton.zeros((1,)), persistent=False)

    def forward(self, x: lepton.Tensor) -> lepton.Tensor:
        return self.heads["a"](self.features(x))


@pytest.fixture
def net() -> Net:
    lepton.manual_seed(0)
    return Net()


def values(module: nn.Module) -> dict[str, Any]:
    return {name: np.array(tensor) for name, tensor in module.state_dict().items()}


def assert_same(before: dict[str, Any], module: nn.Module) -> None:
    after = values(module)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name])


# ------------------------------------------------------------------------------ attributes


def test_forgetting_super_init_is_named_when_a_layer_is_set() -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(2, 2)

    with pytest.raises(AttributeError, match=r"Forgetful: super\(\).__init__\(\) must be called"):
        Forgetful()


def test_forgetting_super_init_is_named_when_the_mode_is_asked() -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            self.rate = 1

    with pytest.raises(AttributeError, match=r"Forgetful: super\(\).__init__\(\) was not called"):
        _ = Forgetful().training


def test_an_unknown_attribute_names_the_class(net: Net) -> None:
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'featuers'"):
        _ = net.featuers  # type: ignore[attr-defined]


def test_a_property_that_fails_shows_its_own_error() -> None:
    class Failing(nn.Module):
        @property
        def size(self) -> int:
            raise AttributeError("inner cause")

    with pytest.raises(AttributeError, match="inner cause"):
        _ = Failing().size


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("linear", 3, "Block: linear expects a Module or None, got int"),
        ("linear", nn.Parameter(lepton.ones((2,))), "Block: linear expects a Module or None"),
        ("scale", lepton.ones((1,)), "Block: scale expects a Parameter or None, got Tensor"),
        ("offset", 2.0, "Block: offset expects a Tensor or None, got float"),
    ],
)
def test_a_wrong_type_for_a_registered_name_is_refused(name: str, value: Any, message: str) -> None:
    block = Block()
    block.scale = nn.Parameter(lepton.ones((1,)))  # type: ignore[attr-defined]
    block.register_buffer("offset", lepton.zeros((1,)))
    with pytest.raises(TypeError, match=message):
        setattr(block, name, value)
    setattr(block, name, None)
    assert getattr(block, name) is None


def test_a_parameter_set_anew_is_the_one_found() -> None:
    layer = nn.Linear(2, 2)
    layer.weight = nn.Parameter(lepton.zeros((2, 2)))
    assert next(layer.parameters()) is layer.weight
    del layer.weight
    assert [name for name, _ in layer.named_parameters()] == ["bias"]


def test_a_deleted_buffer_leaves_the_state() -> None:
    norm = nn.BatchNorm1d(2)
    del norm.running_mean
    assert "running_mean" not in norm.state_dict()


@pytest.mark.parametrize("name", ["", "a.b", "forward"])
def test_a_name_that_cannot_be_a_path_is_refused(name: str) -> None:
    module = nn.Module()
    for register in (module.add_module, module.register_parameter, module.register_buffer):
        with pytest.raises(ValueError, match=r"^Module: "):
            register(name, None)  # type: ignore[operator]


def test_a_parameter_shares_memory_with_its_tensor() -> None:
    data = lepton.zeros((2,))
    parameter = nn.Parameter(data)
    data.fill_(1)
    assert parameter.tolist() == [1.0, 1.0]
    assert isinstance(parameter * 2, lepton.Tensor)
    assert not isinstance(parameter * 2, nn.Parameter)
    assert nn.Parameter(data, requires_grad=False).requires_grad is False
    assert not data.requires_grad


# --------------------------------------------------------------------------------- walking


def test_names_are_paths_parents_first(net: Net) -> None:
    assert [name for name, _ in net.named_modules()] == [
        "",
        "features",
        "features.0",
        "features.1",
        "features.2",
        "features.2.linear",
        "features.2.norm",
        "heads",
        "heads.a",
        "heads.b",
    ]
    assert [name for name, _ in net.named_children()] == ["features", "heads"]
    assert [name for name, _ in net.named_parameters()][:3] == [
        "features.0.weight",
        "features.0.bias",
        "features.2.linear.weight",
    ]
    assert "seen" in dict(net.named_buffers())
    assert "seen" not in net.state_dict()
    assert net.get_submodule("features.2.norm") is net.features[2].norm  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"there is no layer 'features\.7'"):
        net.get_submodule("features.7")


def test_what_is_shared_is_found_once_but_saved_under_both_names() -> None:
    layer = nn.Linear(2, 2)
    twins = nn.Sequential(layer, nn.ReLU(), layer)
    tied = nn.Linear(2, 2)
    tied.weight = layer.weight
    both = nn.ModuleList([twins, tied])
    assert len(list(both.modules())) == 5
    assert [name for name, _ in both.named_parameters()] == ["0.0.weight", "0.0.bias", "1.bias"]
    assert len(list(both.named_parameters(remove_duplicate=False))) == 6
    assert set(both.state_dict()) >= {"0.0.weight", "0.2.weight", "1.weight"}
    clone = copy.deepcopy(both)
    assert clone[0][0] is clone[0][2]  # type: ignore[index]
    assert clone[1].weight is clone[0][0].weight  # type: ignore[index, attr-defined]
    clone.load_state_dict(both.state_dict())


def test_apply_visits_children_before_parents(net: Net) -> None:
    order: list[str] = []
    assert net.apply(lambda module: order.append(type(module).__name__)) is net
    assert order[:3] == ["Linear", "ReLU", "Linear"]
    assert order[-1] == "Net"


def test_freezing_and_zeroing_reach_all_parameters(net: Net) -> None:
    net(lepton.ones((2, 3))).sum().backward()
    used = [parameter for parameter in net.parameters() if parameter.grad is not None]
    assert len(used) == 8
    net.zero_grad(set_to_none=False)
    assert all(not np.asarray(parameter.grad).any() for parameter in used)
    net.zero_grad()
    assert all(parameter.grad is None for parameter in used)
    net.requires_grad_(False)
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_hundreds_of_levels_deep() -> None:
    model: nn.Module = nn.Linear(2, 2)
    for _ in range(150):
        model = nn.Sequential(model)
    name = next(name for name, _ in model.named_parameters())
    assert name == "0." * 150 + "weight"
    assert model(lepton.ones((1, 2))).shape == (1, 2)
    assert copy.deepcopy(model).load_state_dict(model.state_dict()) == ([], [])


# ----------------------------------------------------------------------------------- state


def test_the_state_shares_the_memory_of_the_module() -> None:
    layer = nn.Linear(2, 2)
    state = layer.state_dict()
    assert not state["weight"].requires_grad
    state["weight"].fill_(2)
    assert layer.weight.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert list(layer.state_dict(prefix="a.b.")) == ["a.b.weight", "a.b.bias"]


def test_loading_reports_all_names_that_do_not_fit_and_changes_nothing(net: Net) -> None:
    state: dict[str, Any] = {name: value + 1 for name, value in net.state_dict().items()}
    del state["features.0.bias"], state["heads.b.weight"]
    state["extra"] = lepton.zeros((1,))
    state["features.0.weight"] = lepton.zeros((5, 3))
    state["heads.a.bias"] = lepton.zeros(())
    before = values(net)
    with pytest.raises(ValueError, match="state dict") as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Net: the state dict does not fit: missing 'features.0.bias', 'heads.b.weight'; "
        "unexpected 'extra'; misshapen 'features.0.weight' (expects [4, 3], got [5, 3]), "
        "'heads.a.bias' (expects [2], got [])"
    )
    assert_same(before, net)
    with pytest.raises(ValueError, match="misshapen") as caught:
        net.load_state_dict(state, strict=False)
    assert "missing" not in str(caught.value)
    assert_same(before, net)


def test_loading_loosely_skips_and_returns_names(net: Net) -> None:
    result = net.load_state_dict(
        {"features.0.bias": np.full(4, 7.0), "extra": lepton.zeros((1,))}, strict=False
    )
    assert result.unexpected_keys == ["extra"]
    assert "heads.a.bias" in result.missing_keys
    assert net.state_dict()["features.0.bias"].tolist() == [7.0] * 4


@pytest.mark.parametrize("state", [None, [1, 2], {"weight": "text", "bias": 0}])
def test_loading_what_is_no_state_is_refused(state: Any) -> None:
    layer = nn.Linear(2, 2)
    before = values(layer)
    with pytest.raises(TypeError, match="Linear: load_state_dict expects a"):
        layer.load_state_dict(state)
    assert_same(before, layer)


def test_loading_keeps_the_parameters_and_their_dtype(net: Net) -> None:
    weight = net.features[0].weight  # type: ignore[attr-defined]
    state = {name: value.astype(lepton.float64) for name, value in net.state_dict().items()}
    net.load_state_dict(state)
    assert net.features[0].weight is weight  # type: ignore[attr-defined]
    assert weight.dtype == lepton.float32
    assert weight.requires_grad


# ---------------------------------------------------------------------------------- errors


def test_an_error_inside_names_the_path_of_the_layer_once(net: Net) -> None:
    model = nn.ModuleDict({"net": nn.Sequential(net)})["net"]
    net.features[2].linear = nn.Linear(5, 4)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="linear") as caught:
        model(lepton.ones((2, 3)))
    message = str(caught.value)
    assert message.startswith("0.features.2.linear: Linear: linear: ")
    assert message.count("features") == 1
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames.count("forward") >= 4
    assert type(caught.value) is ValueError


def test_a_layers_own_message_is_not_said_twice() -> None:
    with pytest.raises(ValueError, match=r"^1: BatchNorm2d: expects 4-D input, got \[2, 3\]$"):
        nn.Sequential(nn.Identity(), nn.BatchNorm2d(3))(lepton.ones((2, 3)))


def test_an_error_of_the_module_called_is_left_alone() -> None:
    with pytest.raises(ValueError, match=r"^BatchNorm2d: expects 4-D input"):
        nn.BatchNorm2d(3)(lepton.ones((2, 3)))


class Raising(nn.Module):
    def __init__(self, make: Callable[[], BaseException]) -> None:
        super().__init__()
        self.make = make

    def forward(self, x: Any) -> Any:
        raise self.make()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: TypeError("wrong"), "0: Raising: wrong"),
        (lambda: IndexError("index 7"), "0: Raising: index 7"),
        (lambda: KeyError("name"), "'name'"),
        (lambda: OSError(2, "no file"), "[Errno 2] no file"),
        (lambda: ValueError(), ""),
        (lambda: KeyboardInterrupt(), ""),
    ],
)
def test_only_plain_messages_get_a_path_and_types_stay(
    make: Callable[[], BaseException], text: str
) -> None:
    with pytest.raises(type(make())) as caught:
        nn.Sequential(Raising(make))(None)
    assert str(caught.value) == text


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="ModuleList: forward is not defined"):
        nn.ModuleList()(1)


# --------------------------------------------------------------------------------- summary


def test_summary_lists_layers_and_restores_everything(net: Net) -> None:
    net.features[2].norm.eval()  # type: ignore[attr-defined]
    modes = [module.training for module in net.modules()]
    attributes = [list(vars(module)) for module in net.modules()]
    before = values(net)
    state = lepton.get_rng_state()
    table = str(net.summary((3,)))
    assert table == repr(net.summary([3]))
    rows = [line.split() for line in table.splitlines()]
    assert ["features.2.norm", "BatchNorm1d", "[1,", "4]", "8"] in rows
    assert ["heads.b", "Linear", "-", "5"] in rows  # not run by forward
    assert rows[-1] == ["total", "[1,", "2]", "59"]
    assert [module.training for module in net.modules()] == modes
    assert [list(vars(module)) for module in net.modules()] == attributes
    assert lepton.get_rng_state() == state
    assert_same(before, net)


def test_summary_of_a_wrong_shape_restores_everything_too(net: Net) -> None:
    attributes = [list(vars(module)) for module in net.modules()]
    with pytest.raises(ValueError, match=r"features\.0: Linear: linear"):
        net.summary((5,))
    assert [list(vars(module)) for module in net.modules()] == attributes
    assert all(module.training for module in net.modules())
    with pytest.raises(TypeError, match="summary: input_shape expects"):
        net.summary(3)  # type: ignore[arg-type]


def test_summary_takes_indices_and_counts_frozen_parameters() -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2))
    model[0].requires_grad_(False)
    assert "of which frozen: 40" in model.summary((3,), dtype=lepton.int64)


# ------------------------------------------------------------------------------ containers


def test_sequential_is_indexed_and_sliced_like_a_list() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert model[-1] is model[2]
    tail = model[1:]
    assert isinstance(tail, nn.Sequential)
    assert list(tail) == [model[1], model[2]]
    assert list(tail.state_dict()) == ["2.weight", "2.bias"]
    model.append(nn.Tanh()).insert(0, nn.Identity())
    assert [type(layer).__name__ for layer in model] == [
        "Identity",
        "Linear",
        "ReLU",
        "Linear",
        "Tanh",
    ]
    del model[0], model[-1:]
    model[1] = nn.GELU()
    assert [type(layer).__name__ for layer in model] == ["Linear", "GELU", "Linear"]
    assert [name for name, _ in model.named_children()] == ["0", "1", "2"]
    for wrong in (3, -4):
        with pytest.raises(IndexError, match=f"index {wrong} is out of range for 3 layers"):
            model[wrong]
    with pytest.raises(TypeError, match="an index expects an integer or a slice, got str"):
        model["0"]  # type: ignore[call-overload]


def test_sequential_runs_what_it_holds_now() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU()).eval()
    x = lepton.tensor(np.random.default_rng(0).standard_normal((4, 3), dtype=np.float32))

    def check(held: nn.Sequential) -> None:
        wanted = x
        for layer in held:
            wanted = layer(wanted)
        np.testing.assert_allclose(
            held(x).detach().numpy(), wanted.detach().numpy(), rtol=1e-6, atol=1e-6
        )

    check(model)
    kept = copy.copy(model)
    model[2] = nn.Tanh()
    check(model)
    del model[0]
    check(model)
    model.append(nn.Linear(3, 2)).insert(0, nn.Sigmoid())
    check(model)
    model.add_module("extra", nn.ReLU())
    check(model)
    del model.extra
    setattr(model, "0", nn.Identity())
    check(model)
    check(model[1:])
    check(copy.deepcopy(model))
    model[0] = nn.ReLU()
    check(kept)
    assert len(kept) == 3


def test_sequential_takes_names() -> None:
    model = nn.Sequential({"body": nn.Linear(2, 2), "head": nn.Linear(2, 1)})
    assert next(iter(model.state_dict())) == "body.weight"
    assert model(lepton.ones((1, 2))).shape == (1, 1)


def test_module_dict_keeps_order_and_refuses_clashes() -> None:
    heads = nn.ModuleDict({"a": nn.ReLU()})
    heads.update({"b": nn.Tanh()})
    heads["a"] = nn.GELU()
    assert list(heads.keys()) == ["a", "b"]
    assert [type(layer).__name__ for layer in heads.values()] == ["GELU", "Tanh"]
    assert dict(heads.items())["b"] is heads["b"]
    del heads["b"]
    assert len(heads) == 1
    assert "b" not in heads
    for clash in ("keys", "training", "a.b", ""):
        with pytest.raises(ValueError, match="ModuleDict: "):
            heads[clash] = nn.ReLU()
    with pytest.raises(KeyError, match="there is no layer 'c'"):
        heads["c"]


def test_to_changes_floating_point_tensors_and_keeps_what_is_shared() -> None:
    model = nn.Sequential(Block(), nn.Linear(4, 4))
    model[1].weight = model[0].linear.weight
    model[1].weight.requires_grad_(False)
    before = {name: np.array(value) for name, value in model.state_dict().items()}
    assert model.to(lepton.float64) is model
    assert model[1].weight is model[0].linear.weight
    assert isinstance(model[1].weight, nn.Parameter)
    assert not model[1].weight.requires_grad
    for name, value in model.state_dict().items():
        kind = lepton.int64 if name.endswith("num_batches_tracked") else lepton.float64
        assert value.dtype == kind
        np.testing.assert_array_equal(value.numpy(), before[name])
    assert model(lepton.ones((3, 4), dtype=lepton.float64)).dtype == lepton.float64
    bias = model[1].bias
    assert model.to(lepton.float64)[1].bias is bias
