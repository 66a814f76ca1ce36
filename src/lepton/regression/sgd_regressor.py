# SPDX-License-Identifier: Apache-2.0
"""Linear regression by stochastic gradient descent over mini-batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.metrics import r2_score

from lepton.regression.linear_model import LinearRegressor
from lepton.regression.stochastic import Samples, StochasticGradient

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["SGDRegressor"]


class SGDRegressor(LinearRegressor, StochasticGradient):
    """Linear regression by stochastic gradient descent over mini-batches.

    Minimises ``sum_i w_i loss(y_i, x_i b + b0) / sum_i w_i + alpha R(b)`` with
    ``R = l1_ratio |b|_1 + (1 - l1_ratio) / 2 |b|_2^2``. A mini-batch of n samples makes the steps
    of its samples at once: the mean gradient times n times the learning rate of one sample, and
    then the proximal step of the penalty, which makes small coefficients exactly 0 under an L1
    penalty. Parameters, defaults and the objective are those of scikit-learn's estimator of the
    same name, whose steps are of one sample each: results agree where both have converged.
    `batch_size` is Lepton's own.

    Descent is slow where columns differ in size, so scale them first, as with StandardScaler. Steps
    never diverge: with a smooth loss they are no longer than the reciprocal of the largest
    curvature seen of late [1]_, else than Polyak's step [2]_. Data that do not fit into memory go
    through `partial_fit`, for example from `lepton.data.TableBatches`.

    Parameters
    ----------
    loss : {"squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"}
        Of a residual r: ``r^2 / 2``; the same up to epsilon and ``epsilon |r| - epsilon^2 / 2``
        above; ``max(0, |r| - epsilon)``; the square of that.
    penalty : {"l2", "l1", "elasticnet"} or None, default="l2"
        Sets l1_ratio to 0 or 1, or leaves it as it is.
    alpha : float, default=0.0001
        Strength of the penalty, >= 0.
    l1_ratio : float, default=0.15
        Part of the L1 penalty, for "elasticnet".
    fit_intercept : bool, default=True
        Whether b0, which is not penalised, is fitted.
    max_iter : int, default=1000
        Most epochs of `fit`; a warning tells when they were not enough.
    tol : float or None, default=1e-3
        Training ends when the objective has gained less than this on its best for
        `n_iter_no_change` epochs in a row; None makes all `max_iter` epochs.
    shuffle : bool, default=True
        Take the samples in another order in each epoch.
    verbose : int, default=0
        Accepted for scikit-learn's sake; without effect.
    epsilon : float, default=0.1
        See `loss`.
    random_state : int, RandomState or None, default=None
        Of the orders and of the samples held out.
    learning_rate : {"constant", "optimal", "invscaling", "adaptive"}, default="invscaling"
        The rate at sample t: eta0; ``1 / (alpha (t0 + t - 1))`` with ``t0 = alpha^-3/4``;
        ``eta0 / t^power_t``; eta0, divided by 5 whenever training would end, until it is below
        1e-6.
    eta0, power_t : float, default=0.01 and 0.25
        See `learning_rate`.
    early_stopping : bool, default=False
        Hold out samples and judge progress by the score on them.
    validation_fraction : float, default=0.1
        Share of the samples that `early_stopping` holds out.
    n_iter_no_change : int, default=5
        See `tol`.
    warm_start : bool, default=False
        Let `fit` begin at the solution of the last call.
    average : bool or int, default=False
        Give the mean of all parameters after the first so many samples, True being 1, in place of
        the last ones; of a `fit` that ended by `tol` the last ones are the mean of the epochs
        without progress, in which steps only circle around the solution [3]_.
    batch_size : int or "auto", default="auto"
        Samples in a step; "auto" makes about 32 steps of the samples, of 64 to 512 each.

    Attributes
    ----------
    coef_ : ndarray of shape (features,)
    intercept_ : ndarray of shape (1,)
    n_iter_ : int
        Epochs of the last call.
    t_ : float
        Samples seen, and one.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had names

    Notes
    -----
    A sample of weight w counts as w samples, in the objective and in the schedule of rates.
    scikit-learn's passive-aggressive learning rates have no counterpart.

    References
    ----------
    .. [1] L. Bottou, F. Curtis and J. Nocedal, "Optimization methods for large-scale machine
       learning", SIAM Review 60, 2018.
    .. [2] N. Loizou, S. Vaswani, I. Laradji and S. Lacoste-Julien, "Stochastic Polyak step-size for
       SGD", AISTATS 2021.
    .. [3] A. Rakhlin, O. Shamir and K. Sridharan, "Making gradient descent optimal for strongly
       convex stochastic optimization", ICML 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.regression import SGDRegressor
    >>> X = np.random.default_rng(0).standard_normal((1000, 2))
    >>> model = SGDRegressor(random_state=0).fit(X, 3 * X[:, 0] - X[:, 1] + 5)
    >>> model.coef_.round(1), model.intercept_.round(1)
    (array([ 3., -1.]), array([5.]))
    """

    _accepted = ("verbose",)
    _losses = ("squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive")

    def __init__(
        self,
        loss: str = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        l1_ratio: float | None = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        epsilon: float = 0.1,
        random_state: Any = None,
        learning_rate: str = "invscaling",
        eta0: float = 0.01,
        power_t: float = 0.25,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        average: bool | int = False,
        batch_size: int | str = "auto",
    ) -> None:
        super().__init__(
            loss=loss,
            penalty=penalty,
            alpha=alpha,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            max_iter=max_iter,
            tol=tol,
            shuffle=shuffle,
            verbose=verbose,
            epsilon=epsilon,
            random_state=random_state,
            learning_rate=learning_rate,
            eta0=eta0,
            power_t=power_t,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            average=average,
            batch_size=batch_size,
        )

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        coef_init: ArrayLike | None = None,
        intercept_init: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> SGDRegressor:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)
            Scaled to like sizes.
        y : array-like of shape (samples,)
        coef_init, intercept_init : array-like, optional
            Where to begin; in the shape of ``coef_`` and ``intercept_``.
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Raises
        ------
        ValueError
            If a parameter is out of its range, the shapes do not fit, a number is NaN or
            infinite, or parameters overflow.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If `max_iter` epochs were not enough, or columns differ in size by more than 1000.
        """
        descent = self._descent()
        samples = self._samples(X, y, sample_weight)
        state = self._start(1, samples.X.shape[1], coef_init, intercept_init)
        self._learn(descent, state, samples)
        return self

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> SGDRegressor:
        """Go through some samples once, from where the call before ended.

        Calls with many rows are fastest: each is cut into mini-batches.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)
            Scaled as in all other calls.
        y : array-like of shape (samples,)
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Raises
        ------
        ValueError
            As `fit` does; and if `early_stopping` is set.
        """
        descent = self._descent(part=True)
        first = not hasattr(self, "_state")
        samples = self._samples(X, y, sample_weight, reset=first)
        state = self._start(1, samples.X.shape[1], None, None) if first else self._state
        self._learn_part(descent, state, samples)
        return self

    def _samples(self, X: Any, y: Any, sample_weight: Any, reset: bool = True) -> Samples:
        X, y = self._check_fit(X, y, order="C", accept_sparse="csr", reset=reset)
        return Samples(X, y, self._check_weight(sample_weight, X))

    def _shape(self, coef: NDArray[Any]) -> NDArray[Any]:
        only: NDArray[Any] = coef[0]
        return only

    def _measure(self, samples: Samples) -> float:
        found = self._scores(samples.X)
        return float(r2_score(samples.y, found, sample_weight=samples.weight))

    @staticmethod
    def _examples() -> list[SGDRegressor]:
        return [
            SGDRegressor(),
            SGDRegressor("huber", penalty="elasticnet", learning_rate="adaptive", average=True),
            SGDRegressor("epsilon_insensitive", penalty="l1", learning_rate="constant"),
        ]
