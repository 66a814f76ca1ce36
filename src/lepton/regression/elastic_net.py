# SPDX-License-Identifier: Apache-2.0
"""The elastic net and the lasso: least squares with penalties that leave coefficients out."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.base import MultiOutputMixin

from lepton._check import check_bool, check_number
from lepton.regression.accepted import check_accepted
from lepton.regression.coordinate_descent import Path, Products, Rows, problem
from lepton.regression.elastic_net_path import enet_path, given_gram, rule
from lepton.regression.linear_model import LinearRegressor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ElasticNet", "Lasso"]


class SparseRegressor(LinearRegressor):
    """A linear model that coordinate descent fits, which leaves coefficients at 0."""

    dual_gap_: Any
    n_iter_: Any

    def _take(self, paths: list[Path], work: Products | Rows, y: NDArray[Any]) -> None:
        """Take over one solution for each target."""
        for path in paths:
            path.warn(self._name)
        coef = np.stack([path.coefs[0] for path in paths], axis=1)
        self._set_coefficients(coef, work.x_mean, work.y_mean, y)
        gaps = np.array([path.gaps[0] for path in paths]).astype(y.dtype)
        sweeps = [int(path.sweeps[0]) for path in paths]
        single = len(paths) == 1
        self.dual_gap_, self.n_iter_ = (gaps[0], sweeps[0]) if single else (gaps, sweeps)

    @property
    def sparse_coef_(self) -> sparse.csr_array:
        """The coefficients as a sparse array of shape (targets, features)."""
        return sparse.csr_array(np.atleast_2d(self.coef_))


class _Penalised(MultiOutputMixin, SparseRegressor):
    """What the lasso and the elastic net share: they differ in `l1_ratio` alone."""

    alpha: Any
    l1_ratio: Any
    fit_intercept: Any
    precompute: Any
    warm_start: Any
    path = staticmethod(enet_path)
    _accepted = ("copy_X",)

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        check_input: bool = True,
    ) -> Any:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (samples, features)
        y : array-like of shape (samples,) or (samples, targets)
            Targets are fitted one by one.
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0; only their ratios matter.
        check_input : bool, default=True
            Accepted for scikit-learn's sake; without effect: X and y are always checked.

        Raises
        ------
        ValueError
            If a parameter is out of its range, shapes do not fit, or a number is NaN or infinite.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If the duality gap is still too large after `max_iter` sweeps.
        """
        check_accepted(self._name, {"check_input": check_input})
        how = rule(self._name, self.get_params(deep=False))
        alpha = check_number(self._name, "alpha", self.alpha, 0)
        l1_ratio = check_number(self._name, "l1_ratio", self._l1_ratio(), 0, 1)
        centre = check_bool(self._name, "fit_intercept", self.fit_intercept)
        warm = check_bool(self._name, "warm_start", self.warm_start)
        X, y = self._check_fit(X, y, multi_output=True)
        weight = self._check_weight(sample_weight, X)
        if alpha == 0:
            warnings.warn(
                f"{self._name}: coordinate descent converges badly with alpha=0; use "
                "LinearRegression",
                stacklevel=2,
            )
        work = self._problem(X, y, weight, centre)
        starts = self._starts(work) if warm else [None] * len(work.yy)
        paths = [
            work.path([alpha], l1_ratio, how, target, start) for target, start in enumerate(starts)
        ]
        self._take(paths, work, y)
        return self

    def _l1_ratio(self) -> Any:
        return self.l1_ratio

    def _problem(
        self, X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None, centre: bool
    ) -> Products | Rows:
        """What is to be solved, on the matrix the user has already where it is of use."""
        given = given_gram(self._name, self.precompute, X.shape[1])
        work = problem(X, y, weight, centre, 1, self.precompute is True)
        if given is None:
            return work
        if weight is not None or (centre and not np.allclose(work.x_mean.astype(X.dtype), 0)):
            warnings.warn(
                f"{self._name}: precompute is X'X of data that are not those of the fit, which "
                "are centred and weighted; it is computed anew",
                stacklevel=3,
            )
            return work
        return Products(given, work.xy, work.yy, work.total, work.x_mean, work.y_mean)

    def _starts(self, work: Products | Rows) -> list[NDArray[Any] | None]:
        """Coefficients of the last fit, for each target, where they fit this one."""
        last = np.atleast_2d(getattr(self, "coef_", np.empty((0, 0))))
        if last.shape != work.xy.T.shape:
            return [None] * len(work.yy)
        return list(last)


class ElasticNet(_Penalised):
    """Least squares with L1 and L2 penalties.

    Minimises ``|y - X b - b0|^2 / (2 samples) + alpha l1_ratio |b|_1
    + alpha (1 - l1_ratio) |b|^2 / 2``, with `sample_weight` the weighted mean of squares, by
    coordinate descent: on sums of products where columns are few, else on a working set of columns
    of X, which is not copied as a whole. Every solution comes with its duality gap.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalties, >= 0.
    l1_ratio : float, default=0.5
        Part of the penalty that is L1, in [0, 1].
    fit_intercept : bool, default=True
        Whether b0, which is not penalised, is fitted.
    precompute : bool or array-like of shape (features, features), default=False
        Whether to work on X'X, or X'X itself; False leaves the choice to Lepton.
    copy_X : bool, default=True
        Accepted for scikit-learn's sake; without effect: X is never written to.
    max_iter : int, default=1000
        Most sweeps over the coefficients.
    tol : float, default=1e-4
        The solution is good when a sweep changes no coefficient by more than `tol` of the largest,
        and the duality gap is at most ``tol |y - mean(y)|^2 / samples``.
    warm_start : bool, default=False
        Whether to begin at the last solution.
    positive : bool, default=False
        Whether coefficients stay at 0 or above.
    random_state : int, RandomState or None, default=None
        The seed of a random order.
    selection : {'cyclic', 'random'}, default='cyclic'
        Order in which coefficients are updated.

    Attributes
    ----------
    coef_ : ndarray of shape (features,) or (targets, features)
    sparse_coef_ : scipy.sparse.csr_array of shape (targets, features)
    intercept_ : float or ndarray of shape (targets,)
    dual_gap_ : float or ndarray of shape (targets,)
        How far the objective is from its minimum at most.
    n_iter_ : int or list of int
        Sweeps; 0 where the start was good enough.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had names

    References
    ----------
    .. [1] H. Zou and T. Hastie, "Regularization and Variable Selection via the Elastic Net", JRSS B
       67, 2005.

    Examples
    --------
    >>> from lepton.regression import ElasticNet
    >>> model = ElasticNet(alpha=0.1, tol=1e-8).fit([[0, 0], [1, 1], [2, 2]], [0, 1, 2])
    >>> model.coef_.round(3), model.intercept_.round(3)
    (array([0.446, 0.446]), np.float64(0.108))
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        precompute: bool | ArrayLike = False,
        max_iter: int = 1000,
        copy_X: bool = True,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    @staticmethod
    def _examples() -> list[ElasticNet]:
        return [ElasticNet(alpha=0.1), ElasticNet(alpha=0.1, l1_ratio=0.9, selection="random")]


class Lasso(_Penalised):
    """Least squares with an L1 penalty, which leaves columns out.

    Minimises ``|y - X b - b0|^2 / (2 samples) + alpha |b|_1``: the `ElasticNet` with
    ``l1_ratio=1``.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty, >= 0.
    fit_intercept, precompute, max_iter, copy_X, tol, warm_start, positive, random_state, selection
        See `ElasticNet`.

    Attributes
    ----------
    coef_, sparse_coef_, intercept_, dual_gap_, n_iter_, n_features_in_, feature_names_in_
        See `ElasticNet`.

    References
    ----------
    .. [1] R. Tibshirani, "Regression Shrinkage and Selection via the Lasso", JRSS B 58, 1996.

    Examples
    --------
    >>> from lepton.regression import Lasso
    >>> model = Lasso(alpha=0.1).fit([[0, 1], [1, 0], [2, 1]], [0, 1, 2])
    >>> model.coef_, model.intercept_.round(3)
    (array([0.85, 0.  ]), np.float64(0.15))
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        precompute: bool | ArrayLike = False,
        max_iter: int = 1000,
        copy_X: bool = True,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    def _l1_ratio(self) -> float:
        return 1.0

    @staticmethod
    def _examples() -> list[Lasso]:
        return [Lasso(alpha=0.1), Lasso(alpha=0.1, positive=True)]
