# SPDX-License-Identifier: Apache-2.0
"""Multi-layer perceptrons under scikit-learn's contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.metaestimators import available_if

from lepton import nn
from lepton._check import check_bool, check_choice
from lepton.tabular.layers import LOSSES
from lepton.tabular.network import Array, Inputs
from lepton.tabular.perceptron import Perceptron
from lepton.tabular.supervised import (
    CategoricalLoss,
    NetworkClassifier,
    NetworkRegressor,
    Samples,
)
from lepton.training import Callback

__all__ = ["MLPClassifier", "MLPRegressor"]


class MLPClassifier(NetworkClassifier, Perceptron):
    r"""Multi-layer perceptron for classes, trained by `lepton.Trainer`.

    The network minimises the mean log loss with an L2 penalty on its weights W (not on biases),
    ``sum_i w_i -log p_i(y_i) / sum_i w_i + alpha / (2 sum_i w_i) sum(W**2)``, with w the weights of
    the samples times those of their classes; in a batch the sums run over its samples, and w is
    divided by its mean over all. Parameters, defaults, first weights and attributes are those of
    scikit-learn's estimator of the same name; what that does not have is marked (+).

    X of float32 is trained on and predicted in float32, which is twice as fast; everything else in
    float64, with results that agree with scikit-learn's. Predictions have the dtype of their X.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Widths of the hidden layers.
    activation : {"relu", "identity", "logistic", "tanh", "leaky_relu", "elu", "gelu", "silu"}
        Of the hidden layers; the last four are (+).
    solver : {"adam", "adamw", "sgd", "lbfgs"}, class or callable
        An optimiser of `lepton.optim` by its name in any case; or, (+), a class or function that
        is called with the parameters and ``lr=learning_rate_init``. "lbfgs" is SciPy's L-BFGS-B on
        all samples at once, good for some thousands of them: it goes by `alpha`, `max_iter`,
        `max_fun` and `tol` alone, has no `partial_fit`, and takes no dropout, batch norm or
        callbacks.
    alpha : float
        Strength of the L2 penalty.
    batch_size : int or "auto"
        Samples in each step; "auto" is ``min(200, samples)``.
    learning_rate : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"} or callable
        How the rate changes, with any solver: never; divided by the number of samples seen to the
        power `power_t`; by 5 whenever training would stop for lack of progress; (+) along half a
        cosine to 0 within `max_iter` epochs; (+) up to `learning_rate_init` and down again, see
        `lepton.optim.lr_scheduler.OneCycleLR`; (+) by the schedule that a function makes of the
        optimiser.
    learning_rate_init : float
        The learning rate, the first or the highest.
    power_t : float
        See `learning_rate`.
    max_iter : int
        Most epochs; with "lbfgs" most iterations.
    shuffle : bool
        Take the samples in another order in each epoch.
    random_state : int, RandomState or None
        Of first weights, orders, dropout and the samples held out. An integer gives the same bits
        each time, with any number of threads; Lepton's own random state is left as it was.
    tol, n_iter_no_change : float, int
        Training stops when the loss (with `early_stopping` the validation score) has gained less
        than `tol` on its best for more than so many epochs in a row; ``inf`` epochs: never. With
        "lbfgs" when no derivative is larger than `tol`.
    verbose : bool
        Show progress on standard error.
    warm_start : bool
        Let `fit` begin with the weights of the fit before.
    momentum, nesterovs_momentum : float, bool
        Of the solver "sgd".
    early_stopping : bool
        Hold out samples, judge by the score on them, and keep the weights of the best epoch.
    validation_fraction : float
        Share of the samples that `early_stopping` holds out, of each class alike.
    beta_1, beta_2, epsilon : float
        Of the solvers "adam" and "adamw".
    max_fun : int
        Most evaluations of the objective with the solver "lbfgs".
    dropout : float
        (+) Share of hidden values that are zeroed in training.
    batch_norm : bool
        (+) Normalise over the batch before each activation.
    class_weight : dict, "balanced" or None
        (+) Factor of each class; "balanced" gives all classes the same total weight.
    callbacks : iterable of lepton.training.Callback
        (+) Called around steps and epochs; each fit uses copies, which are then in `callbacks_`.

    Attributes
    ----------
    classes_ : ndarray
        The classes.
    module_ : lepton.nn.Module
        The network; ``coefs_`` and ``intercepts_`` are views of its weights.
    history_ : lepton.training.History
        Loss, learning rate and seconds of each epoch, with `early_stopping` the accuracy and
        validation, too; ``history_.plot()`` draws it.
    loss_, loss_curve_, best_loss_, validation_scores_, best_validation_score_, n_iter_, t_
        As in scikit-learn; the scores are accuracies. (+) With "lbfgs" the curve has a loss for
        each iteration.
    n_layers_, n_outputs_, out_activation_
        As in scikit-learn.

    Raises
    ------
    ValueError, TypeError
        If a parameter or the data are not as described.
    lepton.training.NonFiniteError
        If the loss becomes NaN or infinite, as with too high a learning rate; a `ValueError`.
    lepton.training.TrainingInterrupted
        After Ctrl-C, when the step is finished; a `KeyboardInterrupt`.

    Notes
    -----
    First weights: Glorot and Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", 2010. Two classes share one output, the log odds of the second.

    Other than in scikit-learn: sparse X and several labels for each sample are refused; a rate of
    any `learning_rate` goes with any solver but "lbfgs"; the log loss and the squared error of
    several outputs are summed, not averaged, over them; Ctrl-C raises; `verbose` writes to standard
    error; `t_` counts with "lbfgs", too.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from lepton.tabular import MLPClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> network = MLPClassifier((32,), learning_rate_init=0.01, early_stopping=True, random_state=0)
    >>> model = make_pipeline(StandardScaler(), network).fit(X[:400], y[:400])
    >>> model.score(X[400:], y[400:]) > 0.95
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        solver: str | Callable[..., Any] = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Callable[..., Any] = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        batch_norm: bool = False,
        class_weight: Any = None,
        callbacks: Iterable[Callback] | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            dropout=dropout,
            batch_norm=batch_norm,
            callbacks=callbacks,
        )
        self.class_weight = class_weight

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> MLPClassifier:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (samples, features)
            Numbers; scale them to like sizes first.
        y : array-like of shape (samples,)
            At least two classes.
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Returns
        -------
        MLPClassifier
            This estimator.
        """
        keep = check_bool(self._name, "warm_start", self.warm_start)
        self._learn(X, y, sample_weight, keep=keep)
        return self

    @available_if(Perceptron._has_steps)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> MLPClassifier:
        """Go through the samples once, with the optimiser as the call before left it.

        A file does not hold the optimiser: the first call after `load` makes a new one.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array-like, optional
            All classes; needed in the first call.

        Returns
        -------
        MLPClassifier
            This estimator.
        """
        self._learn_part(X, y, sample_weight, classes)
        return self

    @property
    def out_activation_(self) -> str:
        """What makes probabilities of the outputs: "logistic" of one for two classes, "softmax"."""
        return "logistic" if self.n_outputs_ == 1 else "softmax"

    def _loss(self) -> nn.Module:
        return CategoricalLoss()

    def _describe(self, inputs: Inputs, columns: int) -> dict[str, Any]:
        return super()._describe(inputs, 1 if columns == 2 else columns)


class MLPRegressor(NetworkRegressor, Perceptron):
    """Multi-layer perceptron for numbers, one or several for each sample.

    It minimises ``1/(2n) sum_i w_i sum_k (z_ik - y_ik)**2`` (or Poisson's deviance) with an L2
    penalty ``alpha / (2n) sum(W**2)``, n being the sum of the weights w. Parameters, defaults,
    first weights and attributes are those of scikit-learn's estimator of the same name.

    X of float32 is trained on and predicted in float32, which is twice as fast; everything else in
    float64. Predictions have the dtype of their X.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
        The squared error; or half of Poisson's deviance for y >= 0, where the network gives the
        logarithm of the mean.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, \
power_t, max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, \
nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun, dropout, batch_norm, callbacks
        As in `MLPClassifier`; the score of validation is R2.

    Attributes
    ----------
    module_, history_, loss_, loss_curve_, best_loss_, validation_scores_, \
best_validation_score_, n_iter_, t_, n_layers_, n_outputs_, out_activation_
        As in `MLPClassifier`; the scores are R2.

    Raises
    ------
    ValueError, TypeError, lepton.training.NonFiniteError, lepton.training.TrainingInterrupted
        As in `MLPClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.tabular import MLPRegressor
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> model = MLPRegressor(learning_rate_init=0.02, n_iter_no_change=50, random_state=0)
    >>> model.fit(X, X[:, 0] ** 2).score(X, X[:, 0] ** 2) > 0.95
    True
    """

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        solver: str | Callable[..., Any] = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Callable[..., Any] = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        batch_norm: bool = False,
        callbacks: Iterable[Callback] | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            dropout=dropout,
            batch_norm=batch_norm,
            callbacks=callbacks,
        )
        self.loss = loss

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> MLPRegressor:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (samples, features)
            Numbers; scale them to like sizes first.
        y : array-like of shape (samples,) or (samples, targets)
            Numbers, best of a size near 1.
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Returns
        -------
        MLPRegressor
            This estimator.
        """
        keep = check_bool(self._name, "warm_start", self.warm_start)
        self._learn(X, y, sample_weight, keep=keep)
        return self

    @available_if(Perceptron._has_steps)
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> MLPRegressor:
        """Go through the samples once, with the optimiser as the call before left it.

        A file does not hold the optimiser: the first call after `load` makes a new one.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        MLPRegressor
            This estimator.
        """
        self._learn(X, y, sample_weight, keep=True, resume=True)
        return self

    @property
    def out_activation_(self) -> str:
        """What makes predictions of the outputs: "identity", or "exp" with the loss "poisson"."""
        return "exp" if self.loss == "poisson" else "identity"

    def _loss(self) -> nn.Module:
        return LOSSES[check_choice(self._name, "loss", self.loss, list(LOSSES))]()

    def _fit_inputs(self, X: Any, y: Any, sample_weight: Any, keep: bool) -> Samples:
        inputs, y, weight = super()._fit_inputs(X, y, sample_weight, keep)
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError(f"{self._name}: with loss='poisson' y expects numbers >= 0")
        return inputs, y, weight

    def _mean(self, outputs: Array) -> Array:
        return np.exp(outputs) if self.loss == "poisson" else outputs
