# SPDX-License-Identifier: Apache-2.0
"""The base class of estimators: inputs as scikit-learn checks them, saving and loading."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lepton.estimator.storage import read_estimator, write_estimator
from lepton.estimator.targets import check_numbers
from lepton.estimator.weights import check_total

try:
    from sklearn.base import BaseEstimator
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("estimators need scikit-learn: pip install scikit-learn") from error

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Estimator"]

Self = TypeVar("Self", bound="Estimator")


class Estimator(BaseEstimator):
    """Base class of all estimators of Lepton.

    A subclass names its parameters in ``__init__`` and checks them in ``fit``, as scikit-learn
    asks; what ``fit`` learns goes into attributes whose names end in ``_``, and these, with the
    parameters, are what `save` writes.
    """

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one safetensors file, atomically.

        Arrays are its tensors; parameters and everything else are JSON in its header. Nothing in
        the file is code.

        Parameters
        ----------
        path : path
            The file to create or replace.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError
            If `fit` left a value that a file cannot hold. A parameter of that kind is left out, and
            `load` asks for it.
        OSError
            If the disk is full or the folder cannot be written; what was there stays as it was.
        """
        check_is_fitted(self)
        write_estimator(self, path)

    @classmethod
    def load(cls: type[Self], path: str | os.PathLike[str], **params: Any) -> Self:
        """Read an estimator that `save` wrote.

        Parameters
        ----------
        path : path
            The file.
        **params
            Parameters that replace those in the file; those the file could not hold are needed.

        Raises
        ------
        ValueError
            If the file is damaged, holds something else, or lacks a parameter that is not given.
        OSError
            If the file is missing or unreadable.
        """
        owner = f"{cls.__name__}.load"
        estimator = read_estimator(path, params, owner)
        if not isinstance(estimator, cls):
            raise ValueError(f"{owner}: {os.fspath(path)} holds a {type(estimator).__name__}")
        return estimator

    def _fitted_state(self) -> dict[str, Any]:
        """What `save` writes of a fitted estimator, by name: arrays, JSON's types, estimators."""
        names = [n for n in vars(self) if n.endswith("_") and not n.startswith("_")]
        return {name: getattr(self, name) for name in names}

    def _restore(self, state: dict[str, Any]) -> None:
        """Take over what `_fitted_state` gave."""
        for name, value in state.items():
            setattr(self, name, value)

    def _check_fit(
        self, X: Any, y: Any, *, numeric: bool = True, **checks: Any
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """X as float32 or float64 and y, checked; remembers the number and names of features.

        A numeric y gets the dtype of X.
        """
        checks = {"dtype": [np.float64, np.float32], **checks}
        if numeric:
            check_numbers(self._name, y)
        X, y = validate_data(self, X, y, y_numeric=numeric, **checks)
        return X, (y.astype(X.dtype, copy=False) if numeric else y)

    def _check_predict(self, X: Any, **checks: Any) -> NDArray[Any]:
        """X as float32 or float64 with the features of `fit`."""
        check_is_fitted(self)
        checks = {"dtype": [np.float64, np.float32], **checks}
        checked: NDArray[Any] = validate_data(self, X, reset=False, **checks)
        return checked

    def _check_weight(
        self, sample_weight: ArrayLike | None, X: NDArray[Any]
    ) -> NDArray[Any] | None:
        """Weights >= 0, one for each row of X, in its dtype; None stays None."""
        if sample_weight is None:
            return None
        try:
            weight: NDArray[Any] = _check_sample_weight(
                sample_weight, X, dtype=X.dtype, ensure_non_negative=True
            )
        except ValueError as error:
            raise ValueError(
                f"{self._name}: sample_weight expects a number >= 0 for each sample, not all of "
                f"them zero: {error}"
            ) from error
        check_total(self._name, weight)
        return weight

    @property
    def _name(self) -> str:
        """What errors call this estimator."""
        return type(self).__name__
