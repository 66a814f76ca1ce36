# SPDX-License-Identifier: Apache-2.0
"""How a network is trained: loss, optimiser, learning rates, epochs, callbacks."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lepton import optim
from lepton._check import show
from lepton.array import Tensor
from lepton.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR
from lepton.tabular.full_batch import FullBatch
from lepton.training import Callback

__all__: list[str] = []

OptimizerFactory = Callable[[Iterable[Any]], optim.Optimizer]


@dataclass
class Recipe:
    """All that `NetworkEstimator` needs to know to train.

    Attributes
    ----------
    loss : callable
        A loss of `lepton.nn`, or a function of output and target.
    optimizer : callable or FullBatch
        Makes an optimiser of groups of parameters; or takes the place of all steps.
    schedule : str or callable, optional
        See `make_schedule`.
    epochs, batch_size : int
        Passes over the samples, and samples in each step.
    shuffle : bool
        Take the samples in another order in each epoch.
    alpha : float
        Strength of the L2 penalty on weights; see `Objective`.
    validation_fraction : float
        Part of the samples that is held out and measured after each epoch; 0 holds out none.
    callbacks : list of Callback
        Of this training alone.
    progress : bool
        Show progress on standard error.
    """

    loss: Callable[[Any, Any], Tensor]
    optimizer: OptimizerFactory | FullBatch
    epochs: int
    batch_size: int
    schedule: Any = None
    shuffle: bool = True
    alpha: float = 0.0
    validation_fraction: float = 0.0
    callbacks: list[Callback] = field(default_factory=list)
    progress: bool = False


def make_optimizer(
    owner: str, name: str, given: Any, options: Mapping[str, Any], others: Sequence[str] = ()
) -> OptimizerFactory:
    """Return what makes the optimiser that `given` asks for.

    Parameters
    ----------
    owner, name : str
        What errors call the estimator and its parameter.
    given : str or callable
        The name of an optimiser of `lepton.optim` in any case, a class, or a function of the
        parameters and `options`.
    options : mapping
        Keyword arguments of the optimiser.
    others : sequence of str
        What else the parameter may be, for the error.

    Raises
    ------
    ValueError, TypeError
        If there is no such optimiser, or `given` is something else.
    """
    kind = _optimizers().get(given.lower()) if isinstance(given, str) else given
    if not callable(kind):
        words = ", ".join(map(repr, [*_optimizers(), *others]))
        raise ValueError(
            f"{owner}: {name} expects {words}, a class or a function that makes an optimiser, "
            f"got {show(given) if isinstance(given, str) else type(given).__name__}"
        )

    check_options(owner, name, kind, [option for option in options if option != "lr"])

    def make(params: Iterable[Any]) -> optim.Optimizer:
        with naming(f"{owner}: {name}"):
            optimizer = kind(list(params), **options)
        if not isinstance(optimizer, optim.Optimizer):
            raise TypeError(
                f"{owner}: {name} expects a function that returns an Optimizer, "
                f"got {type(optimizer).__name__}"
            )
        return optimizer

    return make


def _optimizers() -> dict[str, type[optim.Optimizer]]:
    """The optimisers of `lepton.optim` by their names in lower case."""
    kinds = [k for k in vars(optim).values() if isinstance(k, type)]
    return {
        kind.__name__.lower(): kind
        for kind in kinds
        if issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer
    }


@dataclass
class InverseScaling:
    """scikit-learn's 'invscaling': ``1 / (samples seen + 1) ** power`` after the first epoch."""

    samples: int  # in an epoch
    power: float
    before: int = 0  # seen in earlier fits

    def __call__(self, epoch: int) -> float:
        seen = self.before + epoch * self.samples
        return float((seen + 1) ** -self.power) if epoch else 1.0


def make_schedule(
    owner: str, given: Any, optimizer: optim.Optimizer, epochs: int, steps: int
) -> LRScheduler | None:
    """Return the schedule that `given` asks for.

    Parameters
    ----------
    owner : str
        What errors call the estimator.
    given : None, 'constant', 'cosine', 'one_cycle', or callable
        Nothing changes the rate; it falls along half a cosine to 0; it rises to the optimiser's
        rate and falls to almost 0 (`OneCycleLR`); or what the function makes of the optimiser.
    optimizer : Optimizer
        Whose rate is set.
    epochs, steps : int
        Epochs of the training, and steps in each.
    """
    if given is None or given == "constant":
        return None
    if given == "cosine":
        return CosineAnnealingLR(optimizer, epochs)
    if given == "one_cycle":
        rates = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, rates, total_steps=max(epochs * steps, 2))
    if isinstance(given, InverseScaling):
        return LambdaLR(optimizer, given)
    if not callable(given):
        raise ValueError(
            f"{owner}: a schedule expects 'constant', 'cosine', 'one_cycle' or a function of the "
            f"optimiser, got {show(given)}"
        )
    with naming(f"{owner}: a schedule"):
        schedule = given(optimizer)
    if not isinstance(schedule, LRScheduler):
        raise TypeError(
            f"{owner}: a schedule expects a function that returns an LRScheduler, "
            f"got {type(schedule).__name__}"
        )
    return schedule


def fresh_callbacks(owner: str, given: Any) -> list[Callback]:
    """Return copies of the callbacks, so that a second fit starts as the first did."""
    if given is not None and not isinstance(given, Iterable):
        raise TypeError(
            f"{owner}: callbacks expects some Callbacks in a list, got {type(given).__name__}"
        )
    callbacks = [] if given is None else list(given)
    for position, callback in enumerate(callbacks):
        if not isinstance(callback, Callback):
            raise TypeError(
                f"{owner}: callbacks[{position}] expects a Callback, got {type(callback).__name__}"
            )
    return copy.deepcopy(callbacks)


@contextmanager
def naming(part: str) -> Iterator[None]:
    """Let errors about the arguments of what a user gave begin with whose part it is."""
    try:
        yield
    except TypeError as error:
        raise TypeError(f"{part}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{part}: {error}") from error


def check_options(owner: str, part: str, make: Callable[..., Any], options: Iterable[str]) -> None:
    """Refuse parameters ``part__name`` of an estimator that `make` does not take.

    Parameters
    ----------
    owner, part : str
        What errors call the estimator and its parameter.
    make : callable
        What is going to be called with the options.
    options : iterable of str
        Their names without the prefix.
    """
    try:
        known = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):  # written in C
        return
    if any(p.kind is p.VAR_KEYWORD for p in known):
        return
    names = [p.name for p in known if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    strange = [name for name in options if name not in names]
    if strange:
        called = getattr(make, "__name__", type(make).__name__)
        raise TypeError(
            f"{owner}: {part}__{strange[0]} expects a parameter of {called}, "
            f"which has {', '.join(names) or 'none'}"
        )
