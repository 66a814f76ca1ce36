# SPDX-License-Identifier: Apache-2.0
"""Every public module of lepton.nn, found by inspection and built by its docstring's example."""

from __future__ import annotations

import copy
import doctest
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest

import lepton
from lepton import nn, optim

MODULES = [
    value for value in vars(nn).values() if inspect.isclass(value) and issubclass(value, nn.Module)
]
FILES = [
    importlib.import_module(info.name)
    for package in (nn, optim)
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@dataclass
class Subject:
    """A module that an example builds, how it was built, and what it was called with."""

    module: nn.Module
    inputs: tuple[Any, ...] | None = None
    built: dict[int, tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=dict)


def subject_of(cls: type[nn.Module]) -> Subject:
    """Run the example in the docstring of `cls` and watch it."""
    built: dict[int, Any] = {}
    kept: list[nn.Module] = []
    calls: list[tuple[nn.Module, tuple[Any, ...]]] = []

    def watched(init: Callable[..., None]) -> Callable[..., None]:
        def __init__(self: nn.Module, *args: Any, **kwargs: Any) -> None:
            args = tuple(list(arg) if isinstance(arg, Iterator) else arg for arg in args)
            built.setdefault(id(self), (args, kwargs))
            kept.append(self)
            init(self, *args, **kwargs)

        return __init__

    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        calls.append((self, args))
        return original_call(self, *args, **kwargs)

    original_call = nn.Module.__call__
    names: dict[str, Any] = {}
    with mock.patch.object(nn.Module, "__call__", call):
        patches = [mock.patch.object(each, "__init__", watched(each.__init__)) for each in MODULES]
        for patch in patches:
            patch.start()
        try:
            for example in doctest.DocTestParser().get_examples(inspect.getdoc(cls) or ""):
                exec(example.source, names)
        finally:
            for patch in patches:
                patch.stop()
    ours = [(module, args) for module, args in calls if isinstance(module, cls)]
    if ours:
        return Subject(*ours[0], built)
    module = next(each for each in kept if isinstance(each, cls))
    return Subject(module, None, built)


def is_float(value: Any) -> bool:
    return isinstance(value, lepton.Tensor) and value.dtype in (lepton.float32, lepton.float64)


def tensors(result: Any) -> list[Any]:
    """The tensors of a result that may be a tuple of results."""
    if isinstance(result, (tuple, list)):
        return [tensor for each in result for tensor in tensors(each)]
    return [result]


def values(result: Any) -> list[Any]:
    """The arrays of a result."""
    return [np.asarray(tensor.detach()) for tensor in tensors(result)]


def squares(result: Any) -> Any:
    """The sum of all squares in a result: a loss that reaches every part of it."""
    total = 0.0
    for tensor in tensors(result):
        total = total + (tensor * tensor).sum()
    return total


@pytest.fixture(params=MODULES, ids=lambda cls: cls.__name__)
def cls(request: pytest.FixtureRequest) -> Any:
    lepton.manual_seed(0)
    return request.param


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.__name__)
def test_what_a_file_declares_is_public_and_documented(file: ModuleType) -> None:
    package = importlib.import_module(file.__name__.rpartition(".")[0])
    for name in getattr(file, "__all__", []):
        value = getattr(file, name)
        if file.__name__ not in ("lepton.nn.init", "lepton.nn.utils"):
            assert getattr(package, name) is value
        assert inspect.getdoc(value)
        if not (inspect.isclass(value) and issubclass(value, tuple)):
            assert ">>>" in inspect.getdoc(value), f"{name} has no example"


def test_functional_has_all_functions_of_the_core() -> None:
    core = importlib.import_module("lepton._core").functional
    names = [name for name in vars(core) if not name.startswith("_")]
    assert "conv2d" in names
    assert [name for name in names if getattr(nn.functional, name) is not getattr(core, name)] == []


def test_forward_and_backward_reach_every_parameter(cls: Any) -> None:
    subject = subject_of(cls)
    if subject.inputs is None:
        assert cls.forward is nn.Module.forward, "the example must call the module"
        return
    inputs = [
        value.detach().requires_grad_(True) if is_float(value) else value
        for value in subject.inputs
    ]
    squares(subject.module(*inputs)).backward()
    for tensor in [*filter(is_float, inputs[:1]), *subject.module.parameters()]:
        assert tensor.grad is not None
        assert tensor.grad.shape == tensor.shape
        assert np.isfinite(np.asarray(tensor.grad)).all()


def test_state_dict_goes_into_a_module_with_other_values(cls: Any) -> None:
    module = subject_of(cls).module
    other = subject_of(cls).module
    for tensor in other.state_dict().values():
        tensor.fill_(3)
    assert other.load_state_dict(module.state_dict()) == ([], [])
    for (name, tensor), (other_name, value) in zip(
        module.state_dict().items(), other.state_dict().items(), strict=True
    ):
        assert name == other_name
        np.testing.assert_array_equal(np.asarray(tensor), np.asarray(value))


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))],
    ids=["deepcopy", "pickle"],
)
def test_a_copy_computes_the_same_and_shares_nothing(cls: Any, duplicate: Any) -> None:
    subject = subject_of(cls)
    if cls is nn.Module and duplicate is not copy.deepcopy:
        pytest.skip("the example's class has no importable name")
    module = subject.module.eval()
    twin = duplicate(module)
    assert repr(twin) == repr(module)
    if subject.inputs is not None:
        before = values(module(*subject.inputs))
        np.testing.assert_equal(values(twin(*subject.inputs)), before)
    for parameter in twin.parameters():
        assert parameter.requires_grad
        parameter.detach().fill_(5)
    if subject.inputs is not None:
        np.testing.assert_equal(values(module(*subject.inputs)), before)


def test_train_and_eval_are_set_everywhere(cls: Any) -> None:
    module = subject_of(cls).module
    assert module.train() is module
    assert all(each.training for each in module.modules())
    assert module.eval() is module
    assert not any(each.training for each in module.modules())
    module.train()
    assert all(each.training for each in module.modules())


def test_repr_names_the_class_and_counts_parameters(cls: Any) -> None:
    module = subject_of(cls).module
    count = sum(parameter.size for parameter in module.parameters())
    assert repr(module).startswith(f"{type(module).__name__}(")
    assert repr(module).endswith(f"  # {count:,} parameters" if count else ")")


def test_evaluation_is_deterministic(cls: Any) -> None:
    subject = subject_of(cls)
    if subject.inputs is None:
        return
    module = subject.module.eval()
    first, second = (values(module(*subject.inputs)) for _ in range(2))
    np.testing.assert_equal(first, second)


# ------------------------------------------------------------------------ against PyTorch


def to_torch(value: Any, built: dict[int, Any]) -> Any:
    """Turn tensors into PyTorch's, and modules into PyTorch's built by the same arguments."""
    torch = pytest.importorskip("torch")
    if isinstance(value, nn.Module):
        args, kwargs = built[id(value)]
        twin = getattr(torch.nn, type(value).__name__)(
            *to_torch(args, built), **to_torch(kwargs, built)
        )
        twin.load_state_dict(
            {name: to_torch(tensor, built) for name, tensor in value.state_dict().items()}
        )
        return twin
    if isinstance(value, lepton.Tensor):
        return torch.tensor(np.asarray(value.detach()))
    if isinstance(value, Mapping):
        return {name: to_torch(entry, built) for name, entry in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(to_torch(entry, built) for entry in value)
    return value


def assert_equal_training(module: nn.Module, twin: Any, inputs: Any, mode: bool) -> None:
    """Compare results, gradients and buffers after one call and one backward."""
    module.train(mode)
    twin.train(mode)
    ours = [value.detach().requires_grad_(True) if is_float(value) else value for value in inputs]
    theirs = [to_torch(value, {}) for value in ours]
    if is_float(ours[0]):
        theirs[0].requires_grad_(True)
    result, expected = module(*ours), twin(*theirs)
    # float32 sums of some tens of terms of size 1
    close = {"rtol": 1e-4, "atol": 1e-5}
    for value, expected_value in zip(values(result), tensors(expected), strict=True):
        np.testing.assert_allclose(value, expected_value.detach().numpy(), **close)
    squares(result).backward()
    squares(expected).backward()
    pairs = [*zip(module.parameters(), twin.parameters(), strict=True)]
    pairs += [(ours[0], theirs[0])] * is_float(ours[0])
    for ours_leaf, theirs_leaf in pairs:
        np.testing.assert_allclose(np.asarray(ours_leaf.grad), theirs_leaf.grad.numpy(), **close)
    for buffer, expected_buffer in zip(module.buffers(), twin.buffers(), strict=True):
        np.testing.assert_allclose(np.asarray(buffer), expected_buffer.numpy(), **close)


def is_random(module: nn.Module, inputs: Any) -> bool:
    """Whether two calls in training mode differ."""
    module = copy.deepcopy(module).train()
    first, second = (values(module(*inputs)) for _ in range(2))
    return not all(map(np.array_equal, first, second))


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_results_and_gradients_equal_torch(cls: Any, mode: bool) -> None:
    subject = subject_of(cls)
    if cls is nn.Module:
        pytest.skip("PyTorch has no class of this name")
    twin = to_torch(subject.module, subject.built)
    assert list(subject.module.state_dict()) == list(twin.state_dict())
    assert subject.module.extra_repr() == twin.extra_repr()
    if subject.inputs is None or (mode and is_random(subject.module, subject.inputs)):
        return
    assert_equal_training(copy.deepcopy(subject.module), copy.deepcopy(twin), subject.inputs, mode)


def test_constructor_takes_the_arguments_of_torch(cls: Any) -> None:
    torch = pytest.importorskip("torch")
    theirs = dict(inspect.signature(getattr(torch.nn, cls.__name__).__init__).parameters)
    ours = dict(inspect.signature(cls.__init__).parameters)
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in theirs.values()):
        return
    extra = {"axis", "dtype"}
    for name in ours.keys() - extra:
        default, expected = ours[name].default, theirs[name].default
        if callable(expected) and not inspect.isclass(expected):
            default, expected = default.__name__, expected.__name__
        assert default == expected, name
    positional = [
        name for name, parameter in ours.items() if parameter.kind is not parameter.KEYWORD_ONLY
    ]
    assert positional == list(theirs)[: len(positional)]


VARIANTS = [
    ("Linear(5, 3, bias=False)", (2, 4, 5)),
    ("Conv2d(4, 6, 3, padding='same', groups=2)", (2, 4, 6, 5)),
    ("Conv2d(2, 3, (2, 4), padding='same', bias=False)", (1, 2, 6, 7)),
    ("Conv2d(4, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=2, groups=4)", (2, 4, 9, 8)),
    ("Conv2d(3, 2, 2, padding='valid')", (1, 3, 5, 5)),
    ("MaxPool2d((3, 2), stride=(2, 1), padding=1, ceil_mode=True)", (2, 3, 8, 7)),
    ("MaxPool2d(2, dilation=2)", (1, 2, 7, 7)),
    ("AvgPool2d(3, 2, padding=1, ceil_mode=True, count_include_pad=False)", (2, 3, 8, 7)),
    ("AvgPool2d(2, divisor_override=3)", (1, 2, 6, 6)),
    ("AdaptiveAvgPool2d((3, None))", (2, 3, 7, 5)),
    ("AdaptiveAvgPool2d(1)", (2, 3, 7, 5)),
    ("AdaptiveMaxPool2d((None, 2))", (2, 3, 7, 5)),
    ("BatchNorm1d(3, momentum=None)", (4, 3, 5)),
    ("BatchNorm2d(3, affine=False)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, track_running_stats=False)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, bias=False, eps=0.1)", (4, 3, 5, 2)),
    ("LayerNorm((3, 5), elementwise_affine=False)", (2, 3, 5)),
    ("LayerNorm(5, bias=False)", (2, 3, 5)),
    ("GroupNorm(3, 6, affine=False)", (2, 6, 5, 3)),
    ("GroupNorm(1, 6, eps=0.1)", (2, 6)),
    ("Flatten(0, 1)", (2, 3, 5)),
    ("Unflatten(-1, (2, -1))", (2, 3, 6)),
    ("LeakyReLU(0.3)", (2, 7)),
    ("ELU(0.5)", (2, 7)),
    ("GELU('tanh')", (2, 7)),
    ("Softplus(2.0, 1.0)", (2, 7)),
    ("Softmax(1)", (2, 7, 3)),
    ("LSTM(5, 4, 2, bidirectional=True, batch_first=True)", (3, 6, 5)),
    ("LSTM(5, 4, bias=False)", (6, 3, 5)),
    ("LSTM(5, 4, 2)", (6, 5)),
    ("GRU(5, 4, 3, bidirectional=True)", (6, 3, 5)),
    ("GRU(5, 4, bias=False, batch_first=True)", (6, 3, 5)),
    ("GRU(5, 4, 2, bidirectional=True, batch_first=True)", (6, 5)),
    ("RNN(5, 4, 2, 'relu', False)", (6, 3, 5)),
    ("RNN(5, 4, 2, batch_first=True, bidirectional=True)", (6, 3, 5)),
    ("LSTMCell(5, 4, bias=False)", (3, 5)),
    ("GRUCell(5, 4)", (5,)),
    ("RNNCell(5, 4, nonlinearity='relu')", (3, 5)),
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("source", "shape"), VARIANTS, ids=[source for source, _ in VARIANTS])
def test_options_equal_torch(source: str, shape: tuple[int, ...], mode: bool) -> None:
    torch = pytest.importorskip("torch")
    lepton.manual_seed(1)
    module = eval(source, vars(nn))
    twin = eval(source, vars(torch.nn))
    twin.load_state_dict(
        {name: to_torch(tensor, {}) for name, tensor in module.state_dict().items()}
    )
    assert module.extra_repr() == twin.extra_repr()
    for _ in range(2):  # the second time with moved statistics
        module.zero_grad()
        twin.zero_grad()
        assert_equal_training(module, twin, [lepton.randn(*shape)], mode)


# ------------------------------------------------------------------------- constructors

REFUSED = [
    ("Linear(0, 2)", ValueError, "Linear: in_features expects an integer >= 1, got 0"),
    ("Linear(2.5, 2)", TypeError, "Linear: in_features expects an integer, got float"),
    ("Linear(2, 2, bias='no')", TypeError, "Linear: bias expects True or False, got 'no'"),
    (
        "Conv2d(4, 6, 3, groups=3)",
        ValueError,
        "Conv2d: groups must divide in_channels and out_channels, "
        "got groups=3, in_channels=4, out_channels=6",
    ),
    ("Conv2d(4, 6, (3, 3, 3))", ValueError, "Conv2d: kernel_size expects 1 or 2 integers, got 3"),
    ("Conv2d(4, 6, 3, padding=-1)", ValueError, "padding expects an integer >= 0, got -1"),
    ("Conv2d(4, 6, 3, padding='full')", ValueError, "padding expects 'valid' or 'same'"),
    ("Conv2d(4, 6, 3, 2, padding='same')", ValueError, "padding='same' expects stride 1"),
    ("Conv2d(4, 6, 3, padding_mode='reflect')", ValueError, "padding_mode expects 'zeros'"),
    ("MaxPool2d(2, padding=2)", ValueError, "padding expects at most half of kernel_size"),
    ("MaxPool2d(2, return_indices=True)", ValueError, "return_indices expects False"),
    ("AvgPool2d(2, divisor_override=0)", ValueError, "divisor_override expects an integer >= 1"),
    ("AdaptiveAvgPool2d((1, 2, 3))", ValueError, "output_size expects 1 or 2 integers, got 3"),
    ("AdaptiveMaxPool2d(0)", ValueError, "output_size expects an integer >= 1, got 0"),
    ("BatchNorm2d(3, momentum=2)", ValueError, "BatchNorm2d: momentum expects a finite number"),
    ("BatchNorm1d(3, eps=float('nan'))", ValueError, "BatchNorm1d: eps expects a finite number"),
    ("LayerNorm(())", ValueError, "LayerNorm: normalized_shape expects at least 1 axis"),
    ("GroupNorm(4, 6)", ValueError, "num_groups expects a divisor of num_channels 6, got 4"),
    ("Dropout(1.5)", ValueError, "Dropout: p expects a finite number >= 0 and <= 1, got 1.5"),
    ("Dropout('half')", TypeError, "Dropout: p expects a number, got str"),
    ("Embedding(3, 2, padding_idx=3)", ValueError, "padding_idx expects an index into 3"),
    ("Unflatten(1, (-1, -1))", ValueError, "unflattened_size expects at most one -1"),
    ("GELU('fast')", ValueError, "GELU: approximate expects 'none' or 'tanh', got 'fast'"),
    ("Softplus(0)", ValueError, "Softplus: beta expects a finite number > 0, got 0.0"),
    ("Softmax()", TypeError, r"Softmax: expects dim \(or axis"),
    ("MSELoss(reduction='max')", ValueError, "reduction expects 'mean' or 'sum' or 'none'"),
    ("HuberLoss(delta=-1)", ValueError, "HuberLoss: delta expects a finite number > 0"),
    ("CrossEntropyLoss(label_smoothing=2)", ValueError, "label_smoothing expects a finite number"),
    ("CrossEntropyLoss([1.0, 2.0])", TypeError, "buffer weight expects a Tensor or None"),
    ("Sequential(3)", TypeError, "Sequential: layer 0 expects a Module, got int"),
    ("LSTM(0, 2)", ValueError, "LSTM: input_size expects an integer >= 1, got 0"),
    ("LSTM(3, 2, proj_size=1)", ValueError, r"LSTM: proj_size expects 0 \(no projections\), got 1"),
    ("GRU(3, 2, dropout=2)", ValueError, "GRU: dropout expects a finite number >= 0 and <= 1"),
    ("RNN(3, 2, nonlinearity='elu')", ValueError, "RNN: nonlinearity expects 'tanh' or 'relu'"),
    (
        "MultiheadAttention(8, 3)",
        ValueError,
        "MultiheadAttention: embed_dim expects a multiple of num_heads, got embed_dim=8",
    ),
    ("MultiheadAttention(8, 2, dropout=2)", ValueError, "dropout expects a finite number >= 0"),
    ("TransformerEncoderLayer(8, 2, activation='elu')", ValueError, "expects 'relu' or 'gelu'"),
    ("TransformerEncoder(3, 2)", TypeError, "encoder_layer expects a Module, got int"),
]


@pytest.mark.parametrize(("source", "error", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_wrong_argument_is_refused_in_one_sentence(
    source: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        eval(source, vars(nn))
