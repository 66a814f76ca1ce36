# SPDX-License-Identifier: Apache-2.0
"""The elastic net and the lasso with penalties chosen by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.parallel import Parallel, delayed

import lepton
from lepton._check import check_bool, check_number
from lepton.regression.accepted import check_accepted
from lepton.regression.coordinate_descent import Path, Products, Rows, Rule, few_columns
from lepton.regression.elastic_net import SparseRegressor
from lepton.regression.elastic_net_path import (
    alpha_grid,
    enet_path,
    given_alphas,
    given_gram,
    lasso_path,
    rule,
)
from lepton.regression.folds import Folds, Split
from lepton.regression.routing import CrossValidated

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ElasticNetCV", "LassoCV"]


class _Validated(CrossValidated, SparseRegressor):
    """What the lasso and the elastic net share where cross-validation chooses the penalty."""

    eps: Any
    alphas: Any
    fit_intercept: Any
    precompute: Any
    cv: Any
    n_jobs: Any
    _accepted = ("copy_X", "verbose")

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> Any:
        """Choose the penalty and fit the model to all rows.

        Parameters
        ----------
        X : array-like of shape (samples, features)
        y : array-like of shape (samples,)
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0, in the fits and in the errors of each fold; folds count alike.
        **params
            With scikit-learn's metadata routing: what the splitter asks for, like ``groups``.

        Raises
        ------
        ValueError
            If a parameter is out of its range, shapes do not fit, a number is NaN or infinite, or
            all weights of a split's training or test rows are 0; or for `params` nobody asks for.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If a duality gap is still too large after `max_iter` sweeps.
        """
        how = rule(self._name, self.get_params(deep=False))
        ratios = [check_number(self._name, "l1_ratio", float(r), 0, 1) for r in self._l1_ratios()]
        values = given_alphas(self._name, self.alphas, self.eps)
        check_accepted(self._name, {"n_jobs": self.n_jobs})
        count = self.alphas if values is None else len(values)
        centre = check_bool(self._name, "fit_intercept", self.fit_intercept)
        X, y = self._check_fit(X, y)
        weight = self._check_weight(sample_weight, X)
        given_gram(self._name, self.precompute, X.shape[1])
        routed = self._route(weight, params)
        splits = list(check_cv(self.cv).split(X, y, **routed.splitter.split))
        folds = Folds(X, y[:, None], weight, centre, splits)
        folds.check(self._name)
        few = self.precompute is True or few_columns(X.shape[1], len(X), count * len(ratios))
        whole, parts = folds.problems(few)
        if values is None:
            grids = [
                alpha_grid(self._name, whole, ratio, self.eps, count, how.positive)
                for ratio in ratios
            ]
        else:
            grids = [values] * len(ratios)
        job = _Job(folds, self._name, ratios, grids, how)
        errors = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(job.errors)(part, split) for part, split in zip(parts, splits, strict=True)
        )
        self._choose(np.array(errors), whole, job, y, values is None)
        return self

    def _l1_ratios(self) -> NDArray[Any]:
        return np.ones(1)

    def _choose(
        self,
        errors: NDArray[np.float64],
        whole: Products | Rows,
        job: _Job,
        y: NDArray[Any],
        grid: bool,
    ) -> None:
        """Take the penalty with the least mean of errors [folds, ratios, alphas], and fit."""
        self.mse_path_ = np.squeeze(np.moveaxis(errors, 0, 2))
        mean = errors.mean(0)
        best, place = np.unravel_index(mean.argmin(), mean.shape)
        ratio, self.alpha_ = job.ratios[best], job.grids[best][place]
        several = grid and len(job.ratios) > 1
        self.alphas_ = np.array(job.grids) if several else job.grids[0]
        if hasattr(self, "l1_ratio"):
            self.l1_ratio_ = ratio
        self._take([whole.path(np.array([self.alpha_]), ratio, job.rule)], whole, y)


@dataclass
class _Job:
    """What is done for each split."""

    folds: Folds
    owner: str
    ratios: list[float]
    grids: list[NDArray[np.float64]]
    rule: Rule

    def errors(self, part: Products | Rows, split: Split) -> NDArray[np.float64]:
        """Mean squared errors of the tested rows [ratios, alphas]."""
        rows = []
        for ratio, grid in zip(self.ratios, self.grids, strict=True):
            path = part.path(grid, ratio, self.rule)
            path.warn(self.owner)
            rows.append(self._test(part, path, split[1]))
        return np.array(rows)

    def _test(
        self, part: Products | Rows, path: Path, test: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        X, weight = self.folds.X[test], self.folds.weight
        coefs = np.ascontiguousarray(path.coefs.T, X.dtype)
        fits = lepton.matmul(lepton.asarray(X), lepton.asarray(coefs)).numpy()
        means = np.asarray(part.x_mean, np.float64), np.asarray(part.y_mean, np.float64)
        residuals = fits + (means[1] - path.coefs @ means[0]) - self.folds.y[test]
        squares: NDArray[np.float64] = np.average(
            residuals**2, axis=0, weights=None if weight is None else weight[test]
        )
        return squares


class ElasticNetCV(_Validated):
    """The elastic net with `alpha` and `l1_ratio` chosen by cross-validation.

    Of every split the whole path is fitted, see `enet_path`; the pair with the least mean of the
    squared errors over the splits is taken. Where columns are few, the sums of products of a
    split's rows are those of all rows minus those of the rows left out: all rows are read once.

    Parameters
    ----------
    l1_ratio : float or array-like, default=0.5
        Part of the penalty that is L1, in [0, 1]; of several the best is taken.
    eps : float, default=1e-3
        Last alpha over first alpha.
    alphas : int or array-like, default=100
        How many alphas, or their values.
    fit_intercept : bool, default=True
        Whether an intercept, which is not penalised, is fitted.
    precompute : 'auto' or bool, default='auto'
        True works on sums of products; else Lepton takes the faster form. X'X itself, which
        scikit-learn accepts, is of no use here, as every split has its own.
    max_iter : int, default=1000
        Most sweeps for one alpha.
    tol : float, default=1e-4
        See `ElasticNet`.
    cv : int, splitter, iterable or None, default=None
        How to split; None means 5 folds.
    copy_X, verbose : default=True, 0
        Accepted for scikit-learn's sake; without effect.
    n_jobs : int or None, default=None
        Splits that run beside each other, in threads.
    positive : bool, default=False
        Whether coefficients stay at 0 or above.
    random_state : int, RandomState or None, default=None
        The seed of a random order.
    selection : {'cyclic', 'random'}, default='cyclic'
        Order in which coefficients are updated.

    Attributes
    ----------
    alpha_ : float
    l1_ratio_ : float
    mse_path_ : ndarray of shape (l1_ratios, alphas, folds) or (alphas, folds)
        Mean squared errors.
    alphas_ : ndarray of shape (alphas,) or (l1_ratios, alphas)
    coef_ : ndarray of shape (features,)
    intercept_ : float
    dual_gap_ : float
    n_iter_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had names

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.regression import ElasticNetCV
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> model = ElasticNetCV(l1_ratio=[0.5, 1.0]).fit(X, X @ [3.0, 0.0, -2.0])
    >>> model.l1_ratio_, model.coef_.round(1)
    (0.5, array([ 3.,  0., -2.]))
    """

    path = staticmethod(enet_path)

    def __init__(
        self,
        *,
        l1_ratio: float | ArrayLike = 0.5,
        eps: float = 1e-3,
        alphas: int | ArrayLike = 100,
        fit_intercept: bool = True,
        precompute: str | bool = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        cv: Any = None,
        copy_X: bool = True,
        verbose: int = 0,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    def _l1_ratios(self) -> NDArray[Any]:
        return np.atleast_1d(np.asarray(self.l1_ratio))

    @staticmethod
    def _examples() -> list[ElasticNetCV]:
        return [ElasticNetCV(alphas=10, cv=3, tol=1e-10)]


class LassoCV(_Validated):
    """The lasso with `alpha` chosen by cross-validation: `ElasticNetCV` with ``l1_ratio=1``.

    Parameters
    ----------
    eps : float, default=1e-3
        Last alpha over first alpha.
    alphas : int or array-like, default=100
        How many alphas, or their values.
    fit_intercept, precompute, max_iter, tol, copy_X, cv, verbose, n_jobs, positive
        See `ElasticNetCV`.
    random_state, selection
        See `ElasticNetCV`.

    Attributes
    ----------
    alpha_ : float
    mse_path_ : ndarray of shape (alphas, folds)
    alphas_ : ndarray of shape (alphas,)
    coef_, intercept_, dual_gap_, n_iter_, n_features_in_, feature_names_in_
        See `ElasticNetCV`.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.regression import LassoCV
    >>> random = np.random.default_rng(0)
    >>> X = random.standard_normal((80, 6))
    >>> y = X @ [2.0, 0.0, 0.0, -1.0, 0.0, 0.0] + 0.1 * random.standard_normal(80)
    >>> LassoCV().fit(X, y).coef_.round(1)
    array([ 2.,  0.,  0., -1.,  0.,  0.])
    """

    path = staticmethod(lasso_path)

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: int | ArrayLike = 100,
        fit_intercept: bool = True,
        precompute: str | bool = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        copy_X: bool = True,
        cv: Any = None,
        verbose: bool | int = False,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    @staticmethod
    def _examples() -> list[LassoCV]:
        return [LassoCV(alphas=10, cv=3, tol=1e-10)]
