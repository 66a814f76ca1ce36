# SPDX-License-Identifier: Apache-2.0
"""Ridge regression whose penalty is chosen by leaving one row out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from lepton._check import check_bool, check_number
from lepton.estimator.weights import count_weighted, total_weight
from lepton.regression.least_squares import Centred, factorise
from lepton.regression.linear_model import LinearRegressor
from lepton.regression.ridge import Ridge, Shrinkage
from lepton.regression.routing import CrossValidated, routing_enabled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RidgeCV"]

# So many rows for each column are few enough to be decomposed as they are.
_FEW_ROWS = 4
_TINY = float(np.finfo(np.float64).tiny)


class RidgeCV(MultiOutputMixin, CrossValidated, LinearRegressor):
    """Ridge regression whose penalty is chosen by cross-validation.

    By default each row is left out in turn, at the cost of one fit: with H the matrix that takes y
    to its fit, the error of row i without itself is ``(y_i - (H y)_i) / (1 - H_ii)`` [1]_, and the
    alpha with the least mean of squares is taken. X is read in blocks of rows.

    Parameters
    ----------
    alphas : array-like of shape (alphas,), default=(0.1, 1.0, 10.0)
        Penalties > 0 to try; see `Ridge`.
    fit_intercept : bool, default=True
        Whether an intercept, which is not penalised, is fitted.
    scoring : str, callable or None, default=None
        A scorer to be maximised on the predictions of left-out rows, instead of the mean square.
    cv : int, splitter or None, default=None
        Another way to split; then each alpha is fitted for each split.
    gcv_mode : {"auto", "svd", "eigen"} or None, default=None
        Accepted for scikit-learn's sake; without effect.
    store_cv_results : bool, default=False
        Whether ``cv_results_`` is kept; only without `cv`.
    alpha_per_target : bool, default=False
        Whether each target gets an alpha of its own; only without `cv`.

    Attributes
    ----------
    alpha_ : float or ndarray of shape (targets,)
    best_score_ : float or ndarray of shape (targets,)
    cv_results_ : ndarray of shape (samples, alphas) or (samples, targets, alphas)
        Squared errors of left-out rows, or with `scoring` their predictions.
    coef_ : ndarray of shape (features,) or (targets, features)
    intercept_ : float or ndarray of shape (targets,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had names

    References
    ----------
    .. [1] G. Golub, M. Heath and G. Wahba, "Generalized Cross-Validation as a Method for Choosing
       a Good Ridge Parameter", Technometrics 21, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.regression import RidgeCV
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> RidgeCV(alphas=[1e-3, 1.0, 1e3]).fit(X, X @ [1.0, 2.0, 3.0]).alpha_
    0.001
    """

    _accepted = ("gcv_mode",)

    def __init__(
        self,
        alphas: ArrayLike = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        scoring: str | Callable[..., float] | None = None,
        cv: Any = None,
        gcv_mode: str | None = None,
        store_cv_results: bool = False,
        alpha_per_target: bool = False,
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.gcv_mode = gcv_mode
        self.store_cv_results = store_cv_results
        self.alpha_per_target = alpha_per_target

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **params: Any,
    ) -> RidgeCV:
        """Choose alpha and fit the model.

        Parameters
        ----------
        X : array-like of shape (samples, features)
        y : array-like of shape (samples,) or (samples, targets)
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.
        **params
            With scikit-learn's metadata routing: what the splitter or the scorer asks for, like
            ``groups``.

        Raises
        ------
        ValueError
            If an alpha is not positive, options exclude each other, the shapes do not fit, a number
            is NaN or infinite, or for `params` that none asks for.
        """
        centre = check_bool(self._name, "fit_intercept", self.fit_intercept)
        check_bool(self._name, "store_cv_results", self.store_cv_results)
        check_bool(self._name, "alpha_per_target", self.alpha_per_target)
        X, y = self._check_fit(X, y, multi_output=True, ensure_min_samples=2)
        weight = self._check_weight(sample_weight, X)
        if count_weighted(len(X), weight) < 2:
            raise ValueError(f"{self._name}: sample_weight expects at least two weights > 0")
        alphas = [
            check_number(self._name, "alphas", a, 0, open_minimum=True)
            for a in np.atleast_1d(np.asarray(self.alphas))
        ]
        if not alphas:
            raise ValueError(f"{self._name}: alphas expects at least one number > 0, got none")
        routed = self._route(weight, params)
        if self.cv is not None:
            return self._search(X, y, weight, alphas, params)
        data, shrink = _shrinkage(X, y, weight, centre)
        each = self.alpha_per_target and y.ndim == 2
        left_out = _LeaveOneOut(data, shrink, np.array(alphas), centre)
        scores, results = left_out.run(
            self.scoring, routed.scorer.score, y, each, self.store_cv_results
        )
        if self.store_cv_results:
            self.cv_results_ = results.astype(X.dtype).reshape((*y.shape, len(alphas)))
        best = scores.argmax(0)
        if each:
            self.alpha_, self.best_score_ = np.array(alphas)[best], scores.max(0)
            columns = [shrink.coefficients(alphas[k])[:, t] for t, k in enumerate(best)]
            coef = np.stack(columns, axis=1)
        else:
            self.alpha_, self.best_score_ = alphas[best], float(scores[best])
            coef = shrink.coefficients(self.alpha_)
        self._set_coefficients(coef, data.x_mean, data.y_mean, y)
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Which parameters of `fit` go to the splitter and to the scorer.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        score = MethodMapping().add(caller="fit", callee="score")
        return super().get_metadata_routing().add(scorer=self._scorer(), method_mapping=score)

    def _scorer(self) -> Any:
        """The scorer as it is routed to; R2 takes the weights unless another one is given."""
        if self.scoring is not None:
            return check_scoring(self, self.scoring)
        scorer = get_scorer("r2")
        return scorer.set_score_request(sample_weight=True) if routing_enabled() else scorer

    def _search(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        weight: NDArray[Any] | None,
        alphas: list[float],
        params: dict[str, Any],
    ) -> RidgeCV:
        """Fit every alpha for every split."""
        if self.store_cv_results or self.alpha_per_target:
            raise ValueError(f"{self._name}: store_cv_results and alpha_per_target expect cv=None")
        ridge, scoring = Ridge(fit_intercept=self.fit_intercept), self.scoring
        if routing_enabled():
            ridge.set_fit_request(sample_weight=True)
            scoring = self._scorer()
        search = GridSearchCV(ridge, {"alpha": alphas}, cv=self.cv, scoring=scoring)
        search.fit(X, y, sample_weight=weight, **params)
        self.alpha_, self.best_score_ = search.best_params_["alpha"], search.best_score_
        self.coef_ = search.best_estimator_.coef_
        self.intercept_ = search.best_estimator_.intercept_
        return self

    @staticmethod
    def _examples() -> list[RidgeCV]:
        return [RidgeCV(), RidgeCV(cv=3), RidgeCV(scoring="neg_mean_absolute_error")]


def _shrinkage(
    X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None, centre: bool
) -> tuple[Centred, Shrinkage]:
    """The directions of X: from the rows themselves where these are few, else from a factor."""
    if len(X) > _FEW_ROWS * X.shape[1]:
        data, factor = factorise(X, y, weight, centre)
        return data, Shrinkage(factor.rows(), factor.rotated)
    data = Centred.of(X, y, weight, centre)
    ((x, right),) = data.blocks(len(X))
    x[:, np.sqrt((x**2).sum(0)) <= data.noise()] = 0
    return data, Shrinkage(x, right)


class _LeaveOneOut:
    """Predictions of rows by fits without them, for all alphas, in blocks of rows.

    With directions u_k of X, one row of U for each row of data, ``y - H y`` and ``1 - H_ii`` are
    what lies outside of all directions and of the intercept, plus ``alpha / (s_k^2 + alpha)`` of
    what lies along u_k. Nothing cancels where alpha is small and the directions fit a row exactly.
    """

    def __init__(
        self, data: Centred, shrink: Shrinkage, alphas: NDArray[np.float64], centre: bool
    ) -> None:
        self.data, self.centre = data, centre
        self.total = total_weight(len(data.X), data.weight)
        eps, largest = np.finfo(np.float64).eps, shrink.s.max(initial=0.0)
        self.directions = shrink.s > max(data.X.shape) * eps * largest  # others are rounding
        s = shrink.s[self.directions]
        self.parts = shrink.parts[self.directions]
        self.left = alphas / (s[:, None] ** 2 + alphas)  # [directions, alphas]
        self.axes = (shrink.V[self.directions] / s[:, None]).T
        self.rows, self.noise = None, float(max(data.X.shape) * eps)
        if len(shrink.U) == len(data.X):
            self.rows = shrink.U[:, self.directions]
        else:
            self.noise *= float(largest / s.min(initial=largest or 1.0)) ** 2

    def errors(self, rows: int) -> Iterator[NDArray[np.float64]]:
        """For each block: errors of left-out rows, weighted, [rows, targets, alphas]."""
        (k, targets), count = self.parts.shape, self.left.shape[1]
        kept = (self.parts[:, :, None] * self.left[:, None, :]).reshape(k, targets * count)
        start = 0
        for x, y in self.data.blocks(rows):
            part = slice(start, start + len(x))
            start += len(x)
            u = x @ self.axes if self.rows is None else self.rows[part]
            own: Any = 0.0
            if self.centre:
                own = (1.0 if self.data.weight is None else self.data.weight[part]) / self.total
            error = (u @ kept).reshape(len(x), targets, count)
            outside = y - u @ self.parts
            np.square(u, out=u)
            room = 1 - own - u.sum(1)
            alone = room <= self.noise  # a row that the directions fit exactly
            room[alone], outside[alone] = 0, 0
            error += outside[:, :, None]
            error /= np.maximum(room[:, None] + u @ self.left, _TINY)[:, None, :]
            yield error

    def run(
        self, scoring: Any, params: dict[str, Any], y: NDArray[Any], each: bool, keep: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores [alphas], or for `each` target [alphas, targets], and what ``cv_results_`` is."""
        n, targets, count = len(y), self.parts.shape[1], self.left.shape[1]
        need = keep or scoring is not None
        kept = np.empty((n, targets, count)) if need else np.empty((0, targets, count))
        squares, start = np.zeros((targets, count)), 0
        for error in self.errors(max(256, min(4096, (1 << 20) // (targets * count)))):
            if need:
                kept[start : start + len(error)] = error
            start += len(error)
            squares += (error**2).sum(0)
        if scoring is None:
            np.square(kept, out=kept)
            scores = -squares.T / n
            return scores if each else scores.mean(1), kept
        weight = self.data.weight
        if weight is not None:
            root = np.sqrt(weight, dtype=np.float64)[:, None, None]
            np.divide(kept, root, out=kept, where=root > 0)
        np.subtract(y.reshape(n, targets, 1), kept, out=kept)
        scorer = check_scoring(_Identity(), scoring)

        def score(k: int) -> Any:
            if each:
                return [
                    scorer(_Identity(), kept[:, t, k], y[:, t], **params) for t in range(targets)
                ]
            return scorer(_Identity(), kept[:, :, k].reshape(y.shape), y, **params)

        return np.array([score(k) for k in range(count)]), kept


class _Identity(RegressorMixin, BaseEstimator):
    """Predicts what it is given: lets a scorer see predictions that are there already."""

    def fit(self, X: Any, y: Any) -> _Identity:
        """Nothing to fit."""
        return self

    def predict(self, X: Any) -> Any:
        """The predictions given."""
        return X
