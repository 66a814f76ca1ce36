# SPDX-License-Identifier: Apache-2.0
"""Linear classification by stochastic gradient descent over mini-batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from lepton.estimator.class_weight import class_factors, refuse_balanced, weigh_samples
from lepton.estimator.targets import check_classes, check_present
from lepton.regression.linear_model import LinearClassifier
from lepton.regression.stochastic import LOSSES, Samples, StochasticGradient

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["SGDClassifier"]


@dataclass
class LabelledSamples(Samples):
    """Samples whose y are places of classes."""

    places: NDArray[np.intp]  # of the class that each output tells from the others, [outputs, 1]
    factors: NDArray[Any] | None  # of classes where they are told from others, and of others

    def _targets(
        self, y: NDArray[Any], weight: NDArray[Any] | None
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        one = self.X.dtype.type(1)
        own = y == self.places
        signs = np.where(own, one, -one)
        if self.factors is None:
            return signs, weight
        factor = np.where(own, self.factors[:, :1], self.factors[:, 1:])
        return signs, factor if weight is None else factor * weight


class SGDClassifier(LinearClassifier, StochasticGradient):
    """Linear classification by stochastic gradient descent over mini-batches.

    Minimises ``sum_i w_i loss(s_i, x_i b + b0) / sum_i w_i + alpha R(b)`` with the penalty R of
    `SGDRegressor`, and s_i = 1 for the second of two classes, -1 for the first. Of more classes
    each is told from all others, also with "log_loss" (`LogisticRegression` is multinomial); all
    take their steps together. Steps over mini-batches, how long they are, features of different
    size, data that do not fit into memory: all as told at `SGDRegressor`.

    Parameters
    ----------
    loss : {"hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron"} or of regression
        Of ``z = s (x b + b0)``: ``max(0, 1 - z)``, a linear support vector machine;
        ``log(1 + exp(-z))``, logistic regression; ``max(0, 1 - z)^2`` above -1 and ``-4 z`` below;
        ``max(0, 1 - z)^2``; ``max(0, -z)``. A loss of `SGDRegressor` takes s for the target.
    penalty, alpha, l1_ratio, fit_intercept, max_iter, tol, shuffle, epsilon, random_state
        As in `SGDRegressor`.
    verbose, n_jobs : default=0, None
        Accepted for scikit-learn's sake; without effect.
    learning_rate, eta0, power_t : default="optimal", 0.01, 0.5
        As in `SGDRegressor`.
    early_stopping, validation_fraction, n_iter_no_change
        As in `SGDRegressor`; of each class the same share is held out.
    class_weight : dict, "balanced" or None, default=None
        Factors of the losses of each class, of three or more only where it is told from the
        others; "balanced" gives all classes the same total weight.
    warm_start, average, batch_size
        As in `SGDRegressor`.

    Attributes
    ----------
    classes_ : ndarray of shape (classes,)
        The labels in order.
    coef_ : ndarray of shape (1, features) or (classes, features)
    intercept_ : ndarray of shape (1,) or (classes,)
    n_iter_ : int
        Epochs of the last call.
    t_ : float
        Samples seen, and one.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, if X had names

    Notes
    -----
    scikit-learn's passive-aggressive learning rates have no counterpart.

    Examples
    --------
    >>> import numpy as np
    >>> from lepton.regression import SGDClassifier
    >>> X = np.random.default_rng(0).standard_normal((1000, 2))
    >>> model = SGDClassifier(random_state=0)
    >>> for i in range(0, 1000, 100):
    ...     part = X[i : i + 100]
    ...     model = model.partial_fit(part, part[:, 0] > part[:, 1], classes=[False, True])
    >>> model.predict([[1.0, 0.0], [0.0, 1.0]])
    array([ True, False])
    """

    _losses = tuple(LOSSES)
    _accepted = ("verbose", "n_jobs")
    _splitter = StratifiedShuffleSplit

    def __init__(
        self,
        loss: str = "hinge",
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
        n_jobs: int | None = None,
        random_state: Any = None,
        learning_rate: str = "optimal",
        eta0: float = 0.01,
        power_t: float = 0.5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: dict[Any, float] | str | None = None,
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
            n_jobs=n_jobs,
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
        self.class_weight = class_weight

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        coef_init: ArrayLike | None = None,
        intercept_init: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> SGDClassifier:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)
            Scaled to like sizes.
        y : array-like of shape (samples,)
            Labels: numbers or strings.
        coef_init, intercept_init : array-like, optional
            Where to begin; in the shape of ``coef_`` and ``intercept_``.
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Raises
        ------
        ValueError
            If samples of one class alone have weight, a parameter is out of its range, the shapes
            do not fit, a number is NaN or infinite, or parameters overflow.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If `max_iter` epochs were not enough, or columns differ in size by more than 1000.
        """
        descent = self._descent()
        samples = self._samples(X, y, sample_weight)
        outputs = len(samples.places)
        state = self._start(outputs, samples.X.shape[1], coef_init, intercept_init)
        self._learn(descent, state, samples)
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> SGDClassifier:
        """Go through some samples once, from where the call before ended.

        Calls with many rows are fastest: each is cut into mini-batches.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)
            Scaled as in all other calls.
        y : array-like of shape (samples,)
        classes : array-like, optional
            All classes that calls may bring; needed in the first call.
        sample_weight : array-like of shape (samples,), optional
            Weights >= 0.

        Raises
        ------
        ValueError
            As `fit` does; and if `early_stopping` is set, `class_weight` is "balanced",
            or y holds other classes than those announced.
        """
        descent = self._descent(part=True)
        refuse_balanced(self._name, self.class_weight)
        first = not hasattr(self, "_state")
        samples = self._samples(X, y, sample_weight, self._announced(classes, first), first)
        outputs = len(samples.places)
        state = self._start(outputs, samples.X.shape[1], None, None) if first else self._state
        self._learn_part(descent, state, samples)
        return self

    def _announced(self, classes: ArrayLike | None, first: bool) -> NDArray[Any]:
        """The classes of all calls of `partial_fit`."""
        if classes is None and first:
            raise ValueError(f"{self._name}: the first partial_fit expects classes, got None")
        if classes is None:
            return self.classes_
        found: NDArray[Any] = unique_labels(classes)
        if len(found) < 2:
            raise ValueError(
                f"{self._name}: classes expects at least 2 classes, got {found.tolist()}"
            )
        if not first and not np.array_equal(found, self.classes_):
            raise ValueError(
                f"{self._name}: partial_fit expects the classes {self.classes_.tolist()} of the "
                f"first call, got {found.tolist()}"
            )
        return found

    def _samples(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        classes: NDArray[Any] | None = None,
        reset: bool = True,
    ) -> LabelledSamples:
        check_present(self._name, y)
        X, y = self._check_fit(X, y, numeric=False, order="C", accept_sparse="csr", reset=reset)
        check_classification_targets(y)
        weight = self._check_weight(sample_weight, X)
        every = classes is None  # else there may be more samples elsewhere
        classes = np.unique(y) if classes is None else classes
        labels = np.searchsorted(classes, y).clip(max=len(classes) - 1)
        strange = classes[labels] != y
        if strange.any():
            raise ValueError(
                f"{self._name}: y expects the classes {classes.tolist()}, "
                f"got {y[strange].tolist()[0]!r}"
            )
        self.classes_ = classes
        factors = class_factors(self._name, self.class_weight, classes, labels, weight)
        if every:
            check_classes(self._name, classes, labels, weigh_samples(factors, labels, weight))
        if factors is not None:
            own = factors if len(classes) > 2 else factors[1:]
            other = np.ones(len(classes)) if len(classes) > 2 else factors[:1]
            factors = np.column_stack([own, other]).astype(X.dtype)
        places = np.arange(len(classes)) if len(classes) > 2 else np.ones(1, np.intp)
        return LabelledSamples(X, labels, weight, places[:, None], factors)

    def _measure(self, samples: Samples) -> float:
        scores = self._scores(samples.X)
        found = (scores[:, 0] > 0) if scores.shape[1] == 1 else scores.argmax(axis=1)
        return float(accuracy_score(samples.y, found, sample_weight=samples.weight))

    def _has_probabilities(self) -> bool:
        if self.loss not in ("log_loss", "modified_huber"):
            raise AttributeError(
                f"{self._name}: probabilities expect the loss 'log_loss' or 'modified_huber', "
                f"got {self.loss!r}"
            )
        return True

    @available_if(_has_probabilities)
    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """The probability of each class, with the losses "log_loss" and "modified_huber".

        The logistic function of the scores, or ``(min(max(score, -1), 1) + 1) / 2`` [1]_; of more
        than two classes each divided by the sum of all, 1 / classes where that is 0.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples, classes)

        References
        ----------
        .. [1] T. Zhang, "Statistical behavior and consistency of classification methods based on
           convex risk minimization", Annals of Statistics 32, 2004.
        """
        scores = self._linear_predictor(X)
        own: NDArray[Any]
        own = expit(scores) if self.loss == "log_loss" else (np.clip(scores, -1, 1) + 1) / 2
        if own.shape[1] == 1:
            return np.hstack([1 - own, own])
        own[~own.any(axis=1)] = 1
        own /= own.sum(axis=1, keepdims=True)
        return own

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """The logarithm of `predict_proba`; -inf where "modified_huber" gives 0.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (samples, features)

        Returns
        -------
        ndarray of shape (samples, classes)
        """
        with np.errstate(divide="ignore"):
            logarithms: NDArray[Any] = np.log(self.predict_proba(X))
        return logarithms

    @staticmethod
    def _examples() -> list[SGDClassifier]:
        return [
            SGDClassifier(),
            SGDClassifier("log_loss", penalty="l1", learning_rate="adaptive", eta0=0.1),
            SGDClassifier("modified_huber", penalty="elasticnet", average=True),
        ]
