# SPDX-License-Identifier: Apache-2.0
"""Any network of Lepton as an estimator."""

from __future__ import annotations

import copy
import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from lepton import nn
from lepton._check import check_bool, check_choice, check_int, check_number
from lepton.tabular.layers import perceptron
from lepton.tabular.network import Inputs, NetworkEstimator
from lepton.tabular.recipe import (
    Recipe,
    check_options,
    fresh_callbacks,
    make_optimizer,
    naming,
)
from lepton.tabular.supervised import CategoricalLoss, NetworkClassifier, NetworkRegressor
from lepton.training import Callback, EarlyStopping

__all__ = ["NeuralClassifier", "NeuralRegressor"]

Self = TypeVar("Self", bound="Neural")
_Kind = TypeVar("_Kind", "NeuralClassifier", "NeuralRegressor")

_PREFIXES = ("module__", "optimizer__")
_LOSS = "'auto', a loss of lepton.nn or a function of output and target"
_DTYPES = ["auto", "float32", "float64", "int64"]


class Neural(NetworkEstimator):
    """An estimator around a module; see `NeuralClassifier` for the parameters."""

    def __init__(
        self,
        module: Any,
        loss: Any,
        optimizer: Any,
        lr: Any,
        batch_size: Any,
        max_epochs: Any,
        scheduler: Any,
        shuffle: Any,
        validation_fraction: Any,
        patience: Any,
        callbacks: Any,
        dtype: Any,
        random_state: Any,
        warm_start: Any,
        verbose: Any,
        others: dict[str, Any],
    ) -> None:
        self.module = module
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.scheduler = scheduler
        self.shuffle = shuffle
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.callbacks = callbacks
        self.dtype = dtype
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self._others = others

    # ------------------------------------------------------------------- parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, also those of the module and the optimiser that were given."""
        return {**super().get_params(deep), **self._others}

    def set_params(self: Self, **params: Any) -> Self:
        """Set parameters, also ``module__name`` and ``optimizer__name``."""
        others = {k: v for k, v in params.items() if k.startswith(_PREFIXES) or k in self._others}
        super().set_params(**{k: v for k, v in params.items() if k not in others})
        self._others.update(others)
        return self

    def _options_of(self, part: str) -> dict[str, Any]:
        unknown = [name for name in self._others if not name.startswith(_PREFIXES)]
        if unknown:
            raise TypeError(f"{self._name}: there is no parameter {unknown[0]!r}")
        start = f"{part}__"
        return {k[len(start) :]: v for k, v in self._others.items() if k.startswith(start)}

    # ---------------------------------------------------------------------- network

    def _describe(self, inputs: Inputs, columns: int) -> dict[str, Any]:
        return {"in_features": inputs[0].shape[1], "out_features": columns}

    def _make_module(self, **arguments: Any) -> nn.Module:
        """A copy of the module, or what makes one is called: with those `arguments` it names."""
        options = self._options_of("module")
        if isinstance(self.module, nn.Module):
            if options:
                raise ValueError(
                    f"{self._name}: module__{next(iter(options))} expects module to be a class or "
                    f"function, got a {type(self.module).__name__}"
                )
            return copy.deepcopy(self.module)
        if not callable(self.module):
            raise TypeError(
                f"{self._name}: module expects a Module, or a class or function that makes one, "
                f"got {type(self.module).__name__}"
            )
        names = inspect.signature(self.module).parameters
        check_options(self._name, "module", self.module, options)
        with naming(f"{self._name}: module"):
            module = self.module(
                **{**{k: v for k, v in arguments.items() if k in names}, **options}
            )
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"{self._name}: module expects a function that returns a Module, "
                f"got {type(module).__name__}"
            )
        return module

    @abstractmethod
    def _auto_loss(self) -> nn.Module:
        """The loss where none is given."""

    def _make_loss(self) -> Callable[[Any, Any], Any]:
        loss = self.loss
        if isinstance(loss, str):
            if loss != "auto":
                raise ValueError(f"{self._name}: loss expects {_LOSS}, got {loss!r}")
            return self._auto_loss()
        made: Any = loss() if isinstance(loss, type) else loss
        if not callable(made):
            raise TypeError(f"{self._name}: loss expects {_LOSS}, got {type(loss).__name__}")
        return made  # type: ignore[no-any-return]

    def _recipe(self, samples: int, one_pass: bool) -> Recipe:
        owner = self._name
        rate = check_number(owner, "lr", self.lr, 0, open_minimum=True)
        fraction = check_number(
            owner, "validation_fraction", self.validation_fraction, 0, 1, open_maximum=True
        )
        callbacks = fresh_callbacks(owner, self.callbacks)
        if self.patience is not None:
            patience = check_int(owner, "patience", self.patience, 1)
            if not one_pass:
                callbacks.append(EarlyStopping(patience=patience))
        epochs = check_int(owner, "max_epochs", self.max_epochs, 1)
        return Recipe(
            loss=self._make_loss(),
            optimizer=make_optimizer(
                owner, "optimizer", self.optimizer, {"lr": rate, **self._options_of("optimizer")}
            ),
            schedule=self.scheduler,
            epochs=1 if one_pass else epochs,
            batch_size=check_int(owner, "batch_size", self.batch_size, 1),
            shuffle=check_bool(owner, "shuffle", self.shuffle),
            validation_fraction=0.0 if one_pass else fraction,
            callbacks=callbacks,
            progress=bool(self.verbose),
        )

    # ------------------------------------------------------------------------- data

    def _input_checks(self) -> dict[str, Any]:
        name = check_choice(self._name, "dtype", self.dtype, _DTYPES)
        dtype = [np.float64, np.float32] if name == "auto" else np.dtype(name)
        return {"dtype": dtype, "allow_nd": True, "order": "C"}


class NeuralClassifier(NetworkClassifier, Neural):
    """Any module of Lepton as a classifier of scikit-learn.

    The module is called with a batch of X and gives a score (logit) for each class, ``[n,
    classes]``; for two classes one score, ``[n]`` or ``[n, 1]``, is enough. It is trained by
    `lepton.Trainer`.

    Parameters
    ----------
    module : class, callable or Module
        What makes the network, called with the parameters ``module__name`` as ``name``, and, where
        it has parameters of these names that are not given, with ``in_features`` (the second axis
        of X) and ``out_features`` (the number of classes); or a network, which each fit copies with
        its weights.
    loss : "auto", loss of lepton.nn (class or instance), or callable
        Called as ``loss(output, target)``; by default the cross-entropy. A function that is not of
        `lepton.nn` takes weights of samples only if it gives one value for each sample.
    optimizer : str, class or callable
        An optimiser of `lepton.optim` by its name in any case, or what makes one; it is called with
        the parameters, ``lr``, and the parameters ``optimizer__name`` as ``name``.
    lr : float
        Learning rate.
    batch_size : int
        Samples in each step.
    max_epochs : int
        Epochs of a fit.
    scheduler : None, "cosine", "one_cycle" or callable
        How the learning rate changes, as `learning_rate` of `MLPClassifier`.
    shuffle : bool
        Take the samples in another order in each epoch.
    validation_fraction : float
        Share of the samples, of each class alike, that is held out and measured after each epoch.
    patience : int, optional
        Stop when the validation loss (or, without, the training loss) has not improved for so many
        epochs, and keep the weights of the best one.
    class_weight : dict, "balanced" or None
        Factor of each class in the loss.
    callbacks : iterable of lepton.training.Callback
        Called around steps and epochs; each fit uses copies, which are then in `callbacks_`.
    dtype : {"auto", "float32", "float64", "int64"}
        In which X reaches the module. By default float32 stays and everything else becomes
        float64; the parameters of the module follow, so pass float32 for speed. "int64" is for
        modules of token indices.
    random_state : int, RandomState or None
        Of first weights, orders, dropout and the samples held out; Lepton's own random state is
        left as it was.
    warm_start : bool
        Let `fit` begin with the weights of the fit before.
    verbose : bool
        Show progress on standard error.
    **others
        ``module__name`` and ``optimizer__name``, which a search can vary.

    Attributes
    ----------
    module_ : lepton.nn.Module
        The trained network, in evaluation mode.
    history_ : lepton.training.History
        A row for each epoch; it plots itself.
    classes_ : ndarray
        The classes.
    loss_curve_, loss_, best_loss_, validation_scores_, best_validation_score_, n_iter_
        As of `MLPClassifier`.

    Raises
    ------
    ValueError, TypeError
        If a parameter, the module's output or the data are not as described.
    lepton.training.NonFiniteError, lepton.training.TrainingInterrupted
        As of `MLPClassifier`.

    Notes
    -----
    X may have any number of axes from two that the module takes, such as images ``[n, channels,
    height, width]``; `n_features_in_` counts the second. A class or function cannot be written to a
    file, so `load` asks for it: ``NeuralClassifier.load(path, module=Net)``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GridSearchCV
    >>> from lepton import nn
    >>> from lepton.tabular import NeuralClassifier
    >>> def network(in_features, out_features, hidden=32):
    ...     return nn.Sequential(
    ...         nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, out_features)
    ...     )
    >>> X, y = load_digits(return_X_y=True)
    >>> model = NeuralClassifier(network, lr=0.01, max_epochs=5, random_state=0)
    >>> search = GridSearchCV(model, {"module__hidden": [4, 64]}, cv=3).fit(X / 16, y)
    >>> search.best_params_, bool(search.best_score_ > 0.9)
    ({'module__hidden': 64}, True)
    """

    def __init__(
        self,
        module: Callable[..., nn.Module] | nn.Module,
        *,
        loss: Any = "auto",
        optimizer: str | Callable[..., Any] = "adam",
        lr: float = 0.001,
        batch_size: int = 128,
        max_epochs: int = 20,
        scheduler: str | Callable[..., Any] | None = None,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        class_weight: Any = None,
        callbacks: Iterable[Callback] | None = None,
        dtype: str = "auto",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(
            module=module,
            loss=loss,
            optimizer=optimizer,
            lr=lr,
            batch_size=batch_size,
            max_epochs=max_epochs,
            scheduler=scheduler,
            shuffle=shuffle,
            validation_fraction=validation_fraction,
            patience=patience,
            callbacks=callbacks,
            dtype=dtype,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
            others=others,
        )
        self.class_weight = class_weight

    @classmethod
    def _examples(cls) -> list[NeuralClassifier]:
        """Instances whose tests are quick."""
        return _quick(cls)

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> NeuralClassifier:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (samples, ...)
            What the module takes.
        y : array-like of shape (samples,)
            At least two classes.
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Returns
        -------
        NeuralClassifier
            This estimator.
        """
        keep = check_bool(self._name, "warm_start", self.warm_start)
        self._learn(X, y, sample_weight, keep=keep)
        return self

    def _auto_loss(self) -> nn.Module:
        return CategoricalLoss()


class NeuralRegressor(NetworkRegressor, Neural):
    """Any module of Lepton as a regressor of scikit-learn.

    The module is called with a batch of X and gives a number for each target, ``[n, targets]``; for
    one target also ``[n]``. It is trained by `lepton.Trainer`.

    Parameters
    ----------
    module : class, callable or Module
        As of `NeuralClassifier`; ``out_features`` is the number of targets.
    loss : "auto", loss of lepton.nn (class or instance), or callable
        Called as ``loss(output, target)``, both ``[n, targets]``; by default `lepton.nn.MSELoss`.
    optimizer, lr, batch_size, max_epochs, scheduler, shuffle, validation_fraction, patience, \
callbacks, dtype, random_state, warm_start, verbose, **others
        As of `NeuralClassifier`.

    Attributes
    ----------
    module_, history_, loss_curve_, loss_, best_loss_, validation_scores_, \
best_validation_score_, n_iter_
        As of `NeuralClassifier`; the scores are R2.

    Raises
    ------
    ValueError, TypeError, lepton.training.NonFiniteError, lepton.training.TrainingInterrupted
        As of `NeuralClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton import nn
    >>> from lepton.tabular import NeuralRegressor
    >>> X = np.array([[1, 2], [2, 3], [3, 4], [4, 5], [5, 6]], np.float32)
    >>> model = NeuralRegressor(nn.Linear, lr=0.1, max_epochs=1000, random_state=0)
    >>> round(float(model.fit(X, X @ [1, 2]).predict([[6, 7]])[0]), 1)
    20.0
    """

    def __init__(
        self,
        module: Callable[..., nn.Module] | nn.Module,
        *,
        loss: Any = "auto",
        optimizer: str | Callable[..., Any] = "adam",
        lr: float = 0.001,
        batch_size: int = 128,
        max_epochs: int = 20,
        scheduler: str | Callable[..., Any] | None = None,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        callbacks: Iterable[Callback] | None = None,
        dtype: str = "auto",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(
            module=module,
            loss=loss,
            optimizer=optimizer,
            lr=lr,
            batch_size=batch_size,
            max_epochs=max_epochs,
            scheduler=scheduler,
            shuffle=shuffle,
            validation_fraction=validation_fraction,
            patience=patience,
            callbacks=callbacks,
            dtype=dtype,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
            others=others,
        )

    @classmethod
    def _examples(cls) -> list[NeuralRegressor]:
        """Instances whose tests are quick."""
        return _quick(cls)

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> NeuralRegressor:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (samples, ...)
            What the module takes.
        y : array-like of shape (samples,) or (samples, targets)
            Numbers, best of a size near 1.
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Returns
        -------
        NeuralRegressor
            This estimator.
        """
        keep = check_bool(self._name, "warm_start", self.warm_start)
        self._learn(X, y, sample_weight, keep=keep)
        return self

    def _auto_loss(self) -> nn.Module:
        return nn.MSELoss()


class _Network(nn.Sequential):
    """The network of the examples that are tested."""

    def __init__(self, in_features: int, out_features: int, hidden: int = 8) -> None:
        super().__init__(*perceptron([in_features, hidden, out_features], "relu"))


def _quick(kind: type[_Kind]) -> list[_Kind]:
    return [kind(_Network, lr=0.05, max_epochs=100, module__hidden=16, random_state=0)]
