# SPDX-License-Identifier: Apache-2.0
"""Classifiers and regressors with a network: labels, weights of classes, and predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, log_softmax
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from lepton.array import Tensor
from lepton.estimator.class_weight import class_factors, refuse_balanced, weigh_samples
from lepton.estimator.targets import check_classes, check_numbers, check_present
from lepton.nn import Module, functional
from lepton.tabular.network import Array, Inputs, NetworkEstimator, float_dtype

__all__: list[str] = []

Samples = tuple[Inputs, Array, "Array | None"]  # inputs, target, weights


class CategoricalLoss(Module):
    """Cross-entropy of scores for each class, or of one score (the second class's log odds)."""

    def __init__(self) -> None:
        super().__init__()
        self.reduction = "mean"

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss of scores [n, classes] with classes, or [n] with 0 and 1 as floats."""
        if output.ndim == 1:
            return functional.binary_cross_entropy_with_logits(
                output, target, reduction=self.reduction
            )
        return functional.cross_entropy(output, target, reduction=self.reduction)


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """A network that gives a score for each class, or one score for two classes.

    Attributes
    ----------
    classes_ : ndarray
        The classes, sorted, in the order of the columns of `predict_proba`.
    """

    classes_: NDArray[Any]
    class_weight: Any
    _score_name = "accuracy"

    def _learn(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        *,
        keep: bool = False,
        resume: bool = False,
        classes: Any = None,
    ) -> None:
        """Fit; `keep` and `resume` as in `_train`, `classes` all classes where y may lack some."""
        keep = keep and hasattr(self, "classes_")
        check_present(self._name, y)
        inputs, y, weight = self._fit_inputs(X, y, sample_weight, keep)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        if not keep:
            self.classes_ = np.unique(y if classes is None else classes)
        codes = self._encode(y)
        factors = class_factors(self._name, self.class_weight, self.classes_, codes, weight)
        weight = weigh_samples(factors, codes, weight)
        if not resume:
            check_classes(self._name, self.classes_, codes, weight)
        columns = len(self.classes_)
        self._train(inputs, codes, weight, columns, keep=keep, resume=resume)

    def _learn_part(
        self, X: Any, y: Any, sample_weight: ArrayLike | None, classes: ArrayLike | None
    ) -> None:
        """One pass, as `partial_fit` makes it."""
        refuse_balanced(self._name, self.class_weight)
        first = not hasattr(self, "module_")
        if first and classes is None:
            raise ValueError(f"{self._name}: the first partial_fit expects classes, got None")
        if (
            not first
            and classes is not None
            and not np.array_equal(np.unique(classes), self.classes_)
        ):
            raise ValueError(
                f"{self._name}: partial_fit expects the classes {self.classes_.tolist()} of the "
                f"first call, got {np.unique(classes).tolist()}"
            )
        self._learn(X, y, sample_weight, keep=not first, resume=True, classes=classes)

    def _fit_inputs(self, X: Any, y: Any, sample_weight: Any, keep: bool) -> Samples:
        """Inputs, y and weights, checked; `keep` demands the features of the fit before."""
        X, y = self._check_fit(X, y, numeric=False, reset=not keep, **self._input_checks())
        return (X,), y, self._check_weight(sample_weight, X)

    def _encode(self, y: Array) -> NDArray[np.int64]:
        codes = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        strange = self.classes_[codes] != y
        if strange.any():
            raise ValueError(
                f"{self._name}: y expects the classes {self.classes_.tolist()}, "
                f"got {y[strange].tolist()[0]!r}"
            )
        return codes.astype(np.int64, copy=False)

    def _align(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        if output.ndim == 2 and output.shape[1] > 1:
            return output, target
        return output.reshape(-1), target.astype(output.dtype)

    def _check_columns(self, columns: int, wanted: int) -> None:
        if columns != wanted and not (wanted == 2 and columns == 1):
            one = "1 or 2 scores" if wanted == 2 else f"{wanted} scores"
            raise ValueError(
                f"{self._name}: module expects to give {one} for each sample, one for each class, "
                f"got {columns}"
            )

    def _measure(self, outputs: Array, targets: Array, weights: Array | None) -> float:
        found = self._winners(outputs.reshape(len(outputs), -1))
        return float(accuracy_score(targets.astype(np.int64), found, sample_weight=weights))

    @staticmethod
    def _winners(scores: Array) -> NDArray[np.int64]:
        if scores.shape[1] == 1:
            return (scores[:, 0] > 0).astype(np.int64)
        return scores.argmax(axis=1)  # type: ignore[no-any-return]

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like of shape (samples, features)
            What `fit` was given.

        Returns
        -------
        ndarray of shape (samples,)
        """
        inputs = self._predict_inputs(X)
        return self.classes_[self._winners(self._outputs(inputs))]

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Predict the probability of each class: softmax (or logistic) of the network's scores.

        Returns
        -------
        ndarray of shape (samples, classes)
            In the dtype of X where that is float32 or float64.
        """
        proba: NDArray[Any] = np.exp(self._log_proba(X))
        return proba

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Predict the logarithms of `predict_proba`, finite also where that underflows."""
        logs = self._log_proba(X)
        proba = np.exp(logs)
        np.log(proba, out=logs, where=proba > np.finfo(proba.dtype).tiny)
        return logs

    def _log_proba(self, X: Any) -> NDArray[Any]:
        return self._log_chances(self._predict_inputs(X))

    def _log_chances(self, inputs: Inputs) -> NDArray[Any]:
        scores = self._outputs(inputs)
        if scores.shape[1] == 1:
            return np.hstack([log_expit(-scores), log_expit(scores)])
        return log_softmax(scores, axis=1)  # type: ignore[no-any-return]


class NetworkRegressor(MultiOutputMixin, RegressorMixin, NetworkEstimator):
    """A network that gives one number for each target."""

    _score_name = "r2"

    def _learn(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        *,
        keep: bool = False,
        resume: bool = False,
    ) -> None:
        """Fit; `keep` and `resume` as in `_train`."""
        going_on = keep and hasattr(self, "module_")
        inputs, y, weight = self._fit_inputs(X, y, sample_weight, going_on)
        target = np.ascontiguousarray(y.reshape(len(y), -1))
        self._train(inputs, target, weight, target.shape[1], keep=keep, resume=resume)

    def _fit_inputs(self, X: Any, y: Any, sample_weight: Any, keep: bool) -> Samples:
        """Inputs, y and weights, checked; `keep` demands the features of the fit before."""
        checks = {"multi_output": True, "reset": not keep, **self._input_checks()}
        check_numbers(self._name, y)
        X, y = self._check_fit(X, y, numeric=False, **checks)
        weight = self._check_weight(sample_weight, X)
        return (X,), y.astype(float_dtype((X,)), copy=False), weight

    def _align(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return (output if output.ndim == 2 else output.reshape(target.shape)), target

    def _check_columns(self, columns: int, wanted: int) -> None:
        if columns != wanted:
            raise ValueError(
                f"{self._name}: module expects to give {wanted} number(s) for each sample, one for "
                f"each column of y, got {columns}"
            )

    def _mean(self, outputs: Array) -> Array:
        """What is predicted where the network gives `outputs`."""
        return outputs

    def _measure(self, outputs: Array, targets: Array, weights: Array | None) -> float:
        means = self._mean(outputs.reshape(targets.shape))
        return float(r2_score(targets, means, sample_weight=weights))

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the target.

        Parameters
        ----------
        X : array-like of shape (samples, features)
            What `fit` was given.

        Returns
        -------
        ndarray of shape (samples,) or (samples, targets)
            In the dtype of X where that is float32 or float64.
        """
        result = self._mean(self._outputs(self._predict_inputs(X)))
        return result[:, 0] if self.n_outputs_ == 1 else result
