# SPDX-License-Identifier: Apache-2.0
"""Networks that are fitted straight to a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils.validation import _check_y, column_or_1d

from lepton import nn
from lepton.estimator.targets import check_numbers
from lepton.tabular.network import Array, Inputs
from lepton.tabular.supervised import CategoricalLoss, NetworkClassifier, NetworkRegressor
from lepton.tabular.table_estimator import TableEstimator
from lepton.training import Callback

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from pandas import DataFrame

__all__ = ["TabularClassifier", "TabularRegressor"]


class TabularClassifier(TableEstimator, NetworkClassifier):
    """Network for classes that is fitted straight to a DataFrame.

    Numbers, booleans, categories, dates and missing values are told apart and encoded by a
    `Schema`, which is learned in `fit`, saved with the network and checked in prediction. Numbers
    become vectors through learned piecewise linear functions, categories through embeddings of
    ``min(50, 1.6 levels**0.56)`` numbers; a perceptron takes both. The log loss is minimised by
    AdamW with a learning rate that falls along half a cosine; with 200 rows or more a part of them
    is held out, and the weights of the epoch with the least loss there are kept.
    Large tables need few epochs: more only learn their categories by heart.

    Predictions are float32 if that is the widest floating-point type in the table, else float64.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Widths of the hidden layers.
    dropout : float
        Share of the values of categories and of hidden values that are zeroed in training.
    batch_norm : bool
        Normalise over the batch before each activation.
    bins : int
        Parts that quantiles cut a number into, at most; see `Schema`.
    number_embedding : int
        Length of the vector of a number.
    learning_rate_init : float
        The first and highest learning rate.
    weight_decay : float
        Of AdamW.
    batch_size : int or "auto"
        Rows in each step; "auto" is about a 64th of all, from 32 to 256.
    max_iter : int or "auto"
        Epochs; "auto" is 30, or as many as make 2000 to 4000 steps, from 5 to 200.
    early_stopping : bool or "auto"
        Hold out rows and keep the best epoch; "auto" does with 200 rows or more.
    validation_fraction : float
        Share of the rows held out, of each class alike.
    n_iter_no_change : int
        Epochs without a smaller loss on these rows after which training stops.
    class_weight : dict, "balanced" or None
        Factor of each class; "balanced" gives all classes the same total weight.
    callbacks : iterable of lepton.training.Callback
        Called around steps and epochs; each fit uses copies, which are then in `callbacks_`.
    dtype : {"float32", "float64"}
        In which the network computes; float64 takes twice the time.
    random_state : int, RandomState or None
        Of first weights, orders, dropout and the rows held out. An integer gives the same bits each
        time, with any number of threads.
    verbose : bool
        Show progress on standard error.

    Attributes
    ----------
    classes_ : ndarray
        The classes, sorted, in the order of the columns of `predict_proba`.
    schema_ : Schema
        What was learned of each column.
    module_ : lepton.nn.Module
        The network.
    history_ : lepton.training.History
        Loss, accuracy, learning rate and seconds of each epoch; ``history_.plot()`` draws it.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not as described; if a column mixes types or has changed its type since
        `fit`; if columns are missing, new or in another order (as scikit-learn demands).
    lepton.training.TrainingInterrupted
        After Ctrl-C, when the step is finished; a `KeyboardInterrupt`.

    Notes
    -----
    Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep
    learning", NeurIPS 2022; the size of embeddings is fastai's rule.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas
    >>> from lepton.tabular import TabularClassifier
    >>> rng = np.random.default_rng(0)
    >>> frame = pandas.DataFrame({
    ...     "age": rng.integers(18, 90, 300),
    ...     "town": rng.choice(["Ulm", "Bonn", None], 300),
    ... })
    >>> y = np.where((frame["age"] > 50) == (frame["town"] == "Ulm"), "yes", "no")
    >>> model = TabularClassifier(max_iter=30, random_state=0).fit(frame, y)
    >>> model.score(frame, y) > 0.95
    True
    >>> model.schema_
    Schema(age: number, town: category)
    >>> model.predict(pandas.DataFrame({"age": [80], "town": ["Ulm"]}))
    array(['yes'], dtype='<U3')
    """

    def __init__(
        self,
        *,
        hidden_layer_sizes: int | Sequence[int] = (256, 256),
        dropout: float = 0.2,
        batch_norm: bool = False,
        bins: int = 48,
        number_embedding: int = 16,
        learning_rate_init: float = 0.001,
        weight_decay: float = 0.01,
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 16,
        class_weight: Any = None,
        callbacks: Iterable[Callback] | None = None,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            dropout=dropout,
            batch_norm=batch_norm,
            bins=bins,
            number_embedding=number_embedding,
            learning_rate_init=learning_rate_init,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_iter=max_iter,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            callbacks=callbacks,
            dtype=dtype,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(
        self,
        X: ArrayLike | DataFrame,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> TabularClassifier:
        """Learn the schema and train the network.

        Parameters
        ----------
        X : DataFrame or array-like of shape (rows, columns)
            Columns of numbers, booleans, text or pandas' categories, dates and durations, all with
            missing values. Text is a category. The columns of an array are called x0, x1, ...
        y : array-like of shape (rows,)
            At least two classes.
        sample_weight : array-like of shape (rows,), optional
            Weights >= 0 of the rows in the loss; a row of weight 0 teaches nothing, and quantiles
            are those of the weighted rows.

        Returns
        -------
        TabularClassifier
            This estimator.
        """
        self._learn(X, y, sample_weight)
        return self

    def _check_target(self, y: Any, weight: Array | None) -> Array:
        checked: Array = _check_y(y, estimator=self)
        return checked

    def _make_loss(self) -> nn.Module:
        return CategoricalLoss()

    def _describe(self, inputs: Inputs, columns: int) -> dict[str, Any]:
        return super()._describe(inputs, 1 if columns == 2 else columns)


class TabularRegressor(TableEstimator, NetworkRegressor):
    """Network for numbers that is fitted straight to a DataFrame.

    It minimises the squared error of the target, which is standardised for that; all else is as in
    `TabularClassifier`. y may have several columns.

    Parameters
    ----------
    hidden_layer_sizes, dropout, batch_norm, bins, number_embedding, learning_rate_init, \
weight_decay, batch_size, max_iter, early_stopping, validation_fraction, n_iter_no_change, \
callbacks, dtype, random_state, verbose
        As in `TabularClassifier`.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray
        What the target was standardised by: mean and standard deviation, with the weights.
    schema_, module_, history_
        As in `TabularClassifier`, with R2 in place of the accuracy.

    Raises
    ------
    ValueError, TypeError, lepton.training.TrainingInterrupted
        As in `TabularClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas
    >>> from lepton.tabular import TabularRegressor
    >>> days = pandas.date_range("2024-01-01", periods=400)
    >>> frame = pandas.DataFrame({"day": days, "open": days.day_of_week < 5})
    >>> visitors = 100 + 50 * frame["open"] + 20 * np.sin(days.day_of_year / 58)
    >>> model = TabularRegressor(max_iter=60, random_state=0).fit(frame, visitors)
    >>> model.score(frame, visitors) > 0.95
    True
    >>> model.schema_.kinds
    {'day': 'date', 'open': 'boolean'}
    """

    def __init__(
        self,
        *,
        hidden_layer_sizes: int | Sequence[int] = (256, 256),
        dropout: float = 0.2,
        batch_norm: bool = False,
        bins: int = 48,
        number_embedding: int = 16,
        learning_rate_init: float = 0.001,
        weight_decay: float = 0.01,
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 16,
        callbacks: Iterable[Callback] | None = None,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            dropout=dropout,
            batch_norm=batch_norm,
            bins=bins,
            number_embedding=number_embedding,
            learning_rate_init=learning_rate_init,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_iter=max_iter,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            callbacks=callbacks,
            dtype=dtype,
            random_state=random_state,
            verbose=verbose,
        )

    def fit(
        self,
        X: ArrayLike | DataFrame,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> TabularRegressor:
        """Learn the schema and train the network.

        Parameters
        ----------
        X : DataFrame or array-like of shape (rows, columns)
            Columns of numbers, booleans, text or pandas' categories, dates and durations, all with
            missing values. Text is a category. The columns of an array are called x0, x1, ...
        y : array-like of shape (rows,) or (rows, targets)
            Numbers.
        sample_weight : array-like of shape (rows,), optional
            Weights >= 0 of the rows in the loss; a row of weight 0 teaches nothing, and quantiles
            and the standardisation are those of the weighted rows.

        Returns
        -------
        TabularRegressor
            This estimator.
        """
        self._learn(X, y, sample_weight)
        return self

    def _check_target(self, y: Any, weight: Array | None) -> Array:
        """y standardised; what takes predictions back is kept."""
        check_numbers(self._name, y)
        y = _check_y(y, multi_output=True, y_numeric=True, estimator=self).astype(np.float64)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        # In a power of two near the largest, which costs no digit, squares do not overflow.
        unit = np.ldexp(1.0, np.frexp(np.abs(y).max(axis=0))[1] - 1)
        y = y / unit
        mean = np.average(y, axis=0, weights=weight)
        scale = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
        scale = np.where(scale > 0, scale, 1 / unit)
        self.target_mean_, self.target_scale_ = mean * unit, scale * unit
        standardised: Array = (y - mean) / scale
        return standardised

    def _make_loss(self) -> nn.Module:
        return nn.MSELoss()

    def _measure(self, outputs: Array, targets: Array, weights: Array | None) -> float:
        return float(r2_score(targets, outputs.reshape(targets.shape), sample_weight=weights))

    def _mean(self, outputs: Array) -> Array:
        scale, mean = (
            np.asarray(a, outputs.dtype) for a in (self.target_scale_, self.target_mean_)
        )
        means: Array = outputs * scale + mean
        return means
