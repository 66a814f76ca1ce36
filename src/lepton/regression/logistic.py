# SPDX-License-Identifier: Apache-2.0
"""Logistic regression, binary and multinomial."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from lepton._check import check_choice, check_number
from lepton.estimator.class_weight import class_factors, weigh_samples
from lepton.estimator.targets import check_classes, check_present
from lepton.estimator.weights import total_weight
from lepton.regression.generalized import GeneralizedLinearModel
from lepton.regression.linear_model import LinearClassifier
from lepton.regression.loss import BinomialLoss, MultinomialLoss
from lepton.regression.objective import Objective

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LogisticRegression"]


class LogisticRegression(LinearClassifier, GeneralizedLinearModel):
    """Logistic regression: linear models of the log-odds of two or more classes.

    Minimises ``C sum_i w_i loss_i + l1_ratio |B|_1 + (1 - l1_ratio) / 2 |B|_2^2``; the loss is
    ``log(1 + exp(-s_i (x_i b + b0)))`` for two classes, s_i = 1 for the second one and -1 for the
    first, and ``log(sum_k exp(x_i b_k + b0_k)) - (x_i b_y + b0_y)`` for more (multinomial).

    Parameters
    ----------
    penalty : {"l2", "l1", "elasticnet"} or None
        Deprecated as in scikit-learn: "l2" stands for ``l1_ratio=0``, "l1" for ``l1_ratio=1``, None
        for ``C=np.inf``.
    C : float, default=1.0
        Inverse strength of the penalty, > 0; infinity fits without one.
    l1_ratio : float, default=0.0
        0 is an L2 penalty, 1 is an L1 penalty, which makes coefficients exactly 0, and what lies
        between is an elastic net.
    dual : bool, default=False
        Accepted for scikit-learn's sake; without effect.
    tol : float, default=1e-4
        Iterations end where no derivative of the objective, divided by C and the sum of weights,
        exceeds it.
    fit_intercept : bool, default=True
        Whether b0, which is not penalised, is fitted.
    intercept_scaling : float, default=1
        Accepted for scikit-learn's sake; without effect: the intercept is not penalised.
    class_weight : dict, "balanced" or None, default=None
        Factors of the weights of each class; "balanced" gives all classes the same total weight.
    random_state : int, RandomState or None, default=None
        Accepted for scikit-learn's sake; without effect: no solver draws.
    solver : {"auto", "newton-cholesky", "lbfgs"}, default="auto"
        Newton's method, or L-BFGS with a preconditioner, the Hessian's blocks of a sample of rows;
        "auto" goes by the shape. More than two classes are always fitted by L-BFGS. With an L1
        penalty the steps come from coordinate descent on the same Hessians. "liblinear",
        "newton-cg", "sag" and "saga" are accepted: "auto" finds their minimum.
    max_iter : int, default=100
        Most iterations; a warning tells when they were not enough.
    warm_start : bool, default=False
        Whether `fit` begins at the coefficients of the last call.
    verbose, n_jobs : default=0, None
        Accepted for scikit-learn's sake; without effect.

    Attributes
    ----------
    classes_ : ndarray of shape (classes,)
        The labels in order.
    coef_ : ndarray of shape (1, features) or (classes, features)
        For two classes the log-odds of the second one.
    intercept_ : ndarray of shape (1,) or (classes,)
    n_iter_ : ndarray of shape (1,)
        Iterations over all rows.
    inference_ : object or None
        What `summary` is made of; None with a penalty or more than two classes.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had names

    Notes
    -----
    Without a penalty, of all coefficients that are as likely the shortest are taken.

    References
    ----------
    .. [1] J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized linear
       models via coordinate descent", Journal of Statistical Software 33, 2010.

    Examples
    --------
    >>> from lepton.regression import LogisticRegression
    >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
    >>> model.predict([[0.5], [2.5]])
    array(['no', 'yes'], dtype='<U3')
    >>> model.predict_proba([[1.5]]).round(6)
    array([[0.5, 0.5]])
    """

    _remedy = "a finite C"
    _others = ("liblinear", "newton-cg", "sag", "saga")
    _accepted = ("dual", "intercept_scaling", "random_state", "verbose", "n_jobs")

    def __init__(
        self,
        penalty: str | None = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: dict[Any, float] | str | None = None,
        random_state: Any = None,
        solver: str = "auto",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> LogisticRegression:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (samples, features)
        y : array-like of shape (samples,)
            Labels: numbers or strings.
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Raises
        ------
        ValueError
            If samples of one class alone have weight, y holds no labels, a parameter is out of its
            range, the shapes do not fit, or a number is NaN or infinite.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If `max_iter` iterations were not enough, or, without a penalty, no finite coefficients
            are the most likely ones (classes that a plane tells apart, a level without events).
        """
        self._check_solver()
        C, l1_ratio = self._strength()
        check_present(self._name, y)
        X, y = self._check_fit(X, y, numeric=False)
        if y.dtype.kind not in "biuSU":  # what is left may be continuous
            check_classification_targets(y)
        weight = self._check_weight(sample_weight, X)
        self.classes_ = np.unique(y)
        two = len(self.classes_) == 2
        labels = (y == self.classes_[1]).astype(int) if two else np.searchsorted(self.classes_, y)
        factors = class_factors(self._name, self.class_weight, self.classes_, labels, weight)
        factors = None if factors is None else factors.astype(X.dtype)
        weight = weigh_samples(factors, labels, weight)
        check_classes(self._name, self.classes_, labels, weight)
        penalty = 1 / (C * total_weight(len(X), weight))
        l1, l2 = l1_ratio * penalty, (1 - l1_ratio) * penalty
        objective = Objective(
            X,
            *self._targets(labels, X.dtype),
            weight=weight,
            l2=l2,
            fit_intercept=self.fit_intercept,
        )
        solution = self._minimise(objective, self._start(objective), l1)
        solution.warn(self._name)
        params, self.inference_ = solution.params, None
        if not l1:
            params, self.inference_ = self._infer("Logistic regression", objective, solution)
        self.coef_, self.intercept_ = objective.finish(params)
        self.n_iter_ = np.array([solution.n_iter], np.int32)
        return self

    def _strength(self) -> tuple[float, float]:
        """C and l1_ratio, checked, also as the deprecated `penalty` tells them."""
        C, l1_ratio = self.C, self.l1_ratio
        if not (isinstance(C, float) and math.inf == C):
            check_number(self._name, "C", C, 0, open_minimum=True)
        if self.penalty == "deprecated":
            return C, check_number(self._name, "l1_ratio", l1_ratio, 0, 1)
        if self.penalty is None:
            C, told = math.inf, "C=np.inf"
        else:
            check_choice(self._name, "penalty", self.penalty, ("l2", "l1", "elasticnet"))
            if self.penalty != "elasticnet":
                l1_ratio = float(self.penalty == "l1")
            told = f"l1_ratio={l1_ratio}"
        warnings.warn(
            f"{self._name}: penalty is deprecated, as in scikit-learn: use {told} in place of "
            f"penalty={self.penalty!r}",
            FutureWarning,
            stacklevel=3,
        )
        return C, check_number(self._name, "l1_ratio", l1_ratio, 0, 1)

    def _targets(self, labels: NDArray[Any], dtype: Any) -> tuple[NDArray[Any], Any]:
        """Targets as their loss takes them, and the loss."""
        if len(self.classes_) > 2:
            return labels, self._loss()
        return (2 * labels - 1).astype(dtype), self._loss()

    def _loss(self) -> BinomialLoss | MultinomialLoss:
        classes = len(self.classes_)
        return BinomialLoss() if classes == 2 else MultinomialLoss(classes)

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """The probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples, classes)
            Rows sum to 1; columns are in the order of `classes_`.
        """
        scores = self._linear_predictor(X)
        return np.ascontiguousarray(self._loss().mean(scores.T).T)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """The logarithm of the probability of each class, finite where that is next to 0.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples, classes)
        """
        scores = self._linear_predictor(X)
        return np.ascontiguousarray(self._loss().log_mean(scores.T).T)

    @staticmethod
    def _examples() -> list[LogisticRegression]:
        return [
            LogisticRegression(),
            LogisticRegression(solver="lbfgs"),
            LogisticRegression(l1_ratio=1.0),
            LogisticRegression(l1_ratio=0.5, solver="lbfgs"),
        ]
