# SPDX-License-Identifier: Apache-2.0
"""What estimators by stochastic gradient descent share: parameters, epochs, when to stop."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ShuffleSplit
from sklearn.utils import check_random_state

from lepton._check import check_bool, check_choice, check_int, check_number
from lepton.estimator.weights import check_total
from lepton.regression.descent import Batch, Descent, Penalty, State, schedule
from lepton.regression.linear_model import LinearModel
from lepton.regression.loss import (
    BinomialLoss,
    BoundedLoss,
    EpsilonInsensitiveLoss,
    HingeLoss,
    HuberLoss,
    ModifiedHuberLoss,
    SquaredLoss,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Samples", "StochasticGradient"]

SCHEDULES = ("constant", "optimal", "invscaling", "adaptive")
LOSSES: dict[str, Callable[[float], BoundedLoss]] = {
    "squared_error": lambda epsilon: SquaredLoss(),
    "huber": lambda epsilon: HuberLoss(epsilon / 2, 2.0),
    "epsilon_insensitive": lambda epsilon: EpsilonInsensitiveLoss(epsilon),
    "squared_epsilon_insensitive": lambda epsilon: EpsilonInsensitiveLoss(epsilon, 2),
    "hinge": lambda epsilon: HingeLoss(),
    "perceptron": lambda epsilon: HingeLoss(margin=0.0),
    "squared_hinge": lambda epsilon: HingeLoss(2),
    "log_loss": lambda epsilon: BinomialLoss(),
    "modified_huber": lambda epsilon: ModifiedHuberLoss(),
}

_LEAST_RATE = 1e-6  # of the schedule "adaptive"
_FEWEST, _MOST, _STEPS = 64, 512, 32  # batch_size="auto": samples in a batch, batches in an epoch
_SCALES = 1e3  # columns whose sizes differ by more make descent slow
_LOOK = 4096  # rows that show sizes well enough


@dataclass
class Samples:
    """All samples of a fit or a part of one."""

    X: NDArray[Any]  # or a CSR matrix
    y: NDArray[Any]
    weight: NDArray[Any] | None

    def part(self, rows: NDArray[np.intp]) -> Samples:
        """Some of the samples."""
        weight = None if self.weight is None else self.weight[rows]
        return replace(self, X=self.X[rows], y=self.y[rows], weight=weight)

    def batch(self, rows: slice | NDArray[np.intp]) -> Batch:
        """The samples of a step."""
        if isinstance(rows, slice) or sparse.issparse(self.X):
            X = self.X[rows]
        else:
            X = self.X.take(rows, axis=0)
        weight = None if self.weight is None else self.weight[rows]
        return Batch(X, *self._targets(self.y[rows], weight), weight)

    def _targets(
        self, y: NDArray[Any], weight: NDArray[Any] | None
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Targets and factors of the losses, [outputs, samples]."""
        return y, weight


class StochasticGradient(LinearModel):
    """A linear model fitted by steps over mini-batches; subclasses name the parameters."""

    loss: str
    penalty: str | None
    alpha: float
    l1_ratio: float | None
    fit_intercept: bool
    max_iter: int
    tol: float | None
    shuffle: bool
    epsilon: float
    random_state: Any
    learning_rate: str
    eta0: float
    power_t: float
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    warm_start: bool
    average: bool | int
    batch_size: int | str
    n_iter_: int
    t_: float
    _state: State
    _losses: tuple[str, ...]
    _splitter: type[Any] = ShuffleSplit

    def __init__(self, **parameters: Any) -> None:
        for name, value in parameters.items():
            setattr(self, name, value)

    def _descent(self, part: bool = False) -> Descent:
        """How steps are made, from checked parameters; `part` of the samples has none to spare."""
        name = self._name
        check_bool(name, "shuffle", self.shuffle)
        check_bool(name, "warm_start", self.warm_start)
        check_int(name, "max_iter", self.max_iter, 1)
        check_int(name, "n_iter_no_change", self.n_iter_no_change, 1)
        if self.tol is not None:
            check_number(name, "tol", self.tol, 0)
        if check_bool(name, "early_stopping", self.early_stopping) and part:
            raise ValueError(f"{name}: partial_fit expects early_stopping to be False, got True")
        bounds: dict[str, Any] = {"open_minimum": True, "open_maximum": True}
        check_number(name, "validation_fraction", self.validation_fraction, 0, 1, **bounds)
        if self.batch_size != "auto":
            if isinstance(self.batch_size, str):
                raise ValueError(
                    f"{name}: batch_size expects an integer or 'auto', got {self.batch_size!r}"
                )
            check_int(name, "batch_size", self.batch_size, 1)
        average = self.average
        if not isinstance(average, (bool, np.bool_)):
            average = check_int(name, "average", average, 1)
        alpha = check_number(name, "alpha", self.alpha, 0)
        eta0 = check_number(name, "eta0", self.eta0, 0, open_minimum=True)
        power = check_number(name, "power_t", self.power_t, 0)
        epsilon = check_number(name, "epsilon", self.epsilon, 0)
        loss = LOSSES[check_choice(name, "loss", self.loss, self._losses)](epsilon)
        rule = check_choice(name, "learning_rate", self.learning_rate, SCHEDULES)
        if rule == "optimal" and alpha == 0:
            raise ValueError(f"{name}: alpha expects a number > 0 with the learning_rate 'optimal'")
        return Descent(
            loss,
            self._penalty(alpha),
            schedule(rule, eta0, power, alpha),
            check_bool(name, "fit_intercept", self.fit_intercept),
            float(average) if average else math.inf,
        )

    def _penalty(self, alpha: float) -> Penalty:
        if self.penalty is None:
            return Penalty(0.0, 0.0)
        kind = check_choice(self._name, "penalty", self.penalty, ("l2", "l1", "elasticnet"))
        if kind == "elasticnet" or self.l1_ratio is not None:
            own = check_number(self._name, "l1_ratio", self.l1_ratio, 0, 1)
        return Penalty(alpha, own if kind == "elasticnet" else float(kind == "l1"))

    def _start(self, outputs: int, features: int, coef: Any, intercept: Any) -> State:
        """Where `fit` begins: at what is given, at the last solution if warm, else at zero."""
        params = np.zeros((outputs, features + 1))
        warm = self.warm_start and hasattr(self, "coef_")
        for place, name, given, last in (
            (np.s_[:, :-1], "coef_init", coef, "coef_"),
            (np.s_[:, -1:], "intercept_init", intercept, "intercept_"),
        ):
            value = getattr(self, last) if given is None and warm else given
            if value is not None:
                value = np.asarray(value, np.float64)
                if value.size != params[place].size:
                    raise ValueError(
                        f"{self._name}: {name} expects {params[place].size} numbers, "
                        f"got {value.size}"
                    )
                params[place] = value.reshape(params[place].shape)
        return State(params, rate=float(self.eta0), curvature=np.zeros(outputs))

    def _learn(self, descent: Descent, state: State, samples: Samples) -> None:
        """Epochs until nothing improves: the objective, or the score of samples held out."""
        held = None
        if self.early_stopping:
            split = self._splitter(
                test_size=self.validation_fraction, random_state=self.random_state
            )
            samples, held = map(samples.part, next(split.split(samples.X, samples.y)))
            for part in (samples, held):
                check_total(self._name, part.weight)
        progress = _Progress(np.inf if self.tol is None else self.n_iter_no_change, self.tol or 0.0)
        random = self._orders()
        for n_iter in range(1, self.max_iter + 1):
            value = self._pass(descent, state, samples, random, n_iter)
            self._keep(state, n_iter, samples.X.dtype)
            stalls = progress.stalls(value if held is None else -self._measure(held))
            if not (self.average or progress.waited):
                descent.restart_average(state)
            if stalls:
                if not self.average:
                    descent.settle(state)
                    self._keep(state, n_iter, samples.X.dtype)
                if self.learning_rate != "adaptive" or state.rate <= _LEAST_RATE:
                    break
                state.rate = min(state.rate, state.taken()) / 5
                progress.waited = 0
        else:
            if not self.average:
                state.average = None
            if self.tol is not None:
                warnings.warn(
                    f"{self._name}: the objective was still improving after {n_iter} epochs; "
                    "max_iter expects more",
                    ConvergenceWarning,
                    stacklevel=3,
                )
        self._warn_of_scales(samples.X)

    def _orders(self) -> np.random.Generator:
        """What draws the orders of samples; many times as fast as a RandomState."""
        return np.random.default_rng(check_random_state(self.random_state).randint(2**31))

    def _learn_part(self, descent: Descent, state: State, samples: Samples) -> None:
        """One epoch."""
        self._pass(descent, state, samples, self._orders(), 1)
        self._keep(state, 1, samples.X.dtype)

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # is_finite tells
    def _pass(
        self,
        descent: Descent,
        state: State,
        samples: Samples,
        random: np.random.Generator,
        n_iter: int,
    ) -> float:
        """One epoch; return the objective, its losses as they were met."""
        count = samples.X.shape[0]
        size = self.batch_size
        if isinstance(size, str):
            size = min(_MOST, max(_FEWEST, count // _STEPS))
        order = random.permutation(count) if self.shuffle and count > size else None
        losses, before = np.zeros(len(state.params)), copy.deepcopy(state)
        for i in range(0, count, size):
            rows = slice(i, i + size) if order is None else order[i : i + size]
            losses += descent.step(state, samples.batch(rows))
        if not state.is_finite():
            vars(state).update(vars(before))
            raise ValueError(
                f"{self._name}: floating-point under-/overflow occurred in epoch {n_iter}: expects "
                "features of like sizes, as StandardScaler makes them, and targets that are not "
                "huge"
            )
        loss = float(losses.sum()) / (state.time - before.time)
        return loss + descent.penalty.value(state.params[:, :-1])

    def _keep(self, state: State, n_iter: int, dtype: Any) -> None:
        """Set the attributes to where the descent stands."""
        self._state, self.n_iter_, self.t_ = state, n_iter, state.time
        params = state.params
        if self.average and state.average is not None:
            params = state.average
        self.coef_ = self._shape(params[:, :-1].astype(dtype))
        self.intercept_ = params[:, -1].astype(dtype)

    def _shape(self, coef: NDArray[Any]) -> NDArray[Any]:
        """Coefficients [outputs, features] in the shape of `coef_`."""
        return coef

    def _measure(self, samples: Samples) -> float:
        """The score of samples held out."""
        raise NotImplementedError

    def _warn_of_scales(self, X: NDArray[Any]) -> None:
        sizes = _column_sizes(X[:: max(1, X.shape[0] // _LOOK)])
        used = np.flatnonzero(sizes)
        if not len(used):
            return
        low, high = used[sizes[used].argmin()], used[sizes[used].argmax()]
        # The intercept is the coefficient of a column of ones.
        ends = [sizes[low], sizes[high]] + [1.0] * self.fit_intercept
        if max(ends) > _SCALES * min(ends):
            names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])])
            warnings.warn(
                f"{self._name}: steps are slow where columns differ in size, from about "
                f"{sizes[low]:.1g} ({names[low]}) to {sizes[high]:.1g} ({names[high]}); scale "
                "them, for example with StandardScaler",
                ConvergenceWarning,
                stacklevel=4,
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _fitted_state(self) -> dict[str, Any]:
        return super()._fitted_state() | {"_state": vars(self._state)}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state | {"_state": State(**state["_state"])})


def _column_sizes(some: Any) -> NDArray[np.float64]:
    """Roots of the mean squares of columns; of a CSR matrix those of the numbers it holds."""
    if sparse.issparse(some):
        squares, counts = np.zeros(some.shape[1]), np.zeros(some.shape[1])
        np.add.at(squares, some.indices, some.data.astype(np.float64) ** 2)
        np.add.at(counts, some.indices, some.data != 0)
        return np.sqrt(squares / np.maximum(counts, 1))
    sizes: NDArray[np.float64] = np.abs(some).max(axis=0).astype(np.float64)
    used = np.flatnonzero(sizes)
    sizes[used] *= np.sqrt(np.mean((some[:, used] / sizes[used]) ** 2, axis=0))
    return sizes


@dataclass
class _Progress:
    """Epochs without progress, by scikit-learn's rule; lower values are better."""

    patience: float
    tol: float
    best: float = np.inf
    waited: int = 0

    def stalls(self, value: float) -> bool:
        """Whether so many epochs in a row gained less than tol on the best one."""
        self.waited = self.waited + 1 if value > self.best - self.tol else 0
        self.best = min(self.best, value)
        return self.waited >= self.patience
