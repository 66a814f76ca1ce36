# SPDX-License-Identifier: Apache-2.0
"""What `TabularClassifier` and `TabularRegressor` share: schema, network and training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

import lepton
from lepton import nn, optim
from lepton._check import check_bool, check_choice, check_int, check_number
from lepton.array import no_grad
from lepton.tabular.columns import MISSING, UNSEEN, CategoryColumn
from lepton.tabular.embedding import TabularNetwork
from lepton.tabular.layers import check_sizes
from lepton.tabular.network import Array, Inputs, NetworkEstimator
from lepton.tabular.recipe import Recipe, fresh_callbacks
from lepton.tabular.schema import Schema, check_unique
from lepton.tabular.supervised import Samples
from lepton.training import EarlyStopping

if TYPE_CHECKING:
    from pandas import DataFrame

__all__: list[str] = []

_LEAST_TO_HOLD_OUT = 200  # rows: a tenth of fewer says little about an epoch


class TableEstimator(NetworkEstimator):
    """What the two share: a schema, the network it asks for, and how that is trained."""

    schema_: Schema
    module_: TabularNetwork

    def __init__(
        self,
        hidden_layer_sizes: Any,
        dropout: Any,
        batch_norm: Any,
        bins: Any,
        number_embedding: Any,
        learning_rate_init: Any,
        weight_decay: Any,
        batch_size: Any,
        max_iter: Any,
        early_stopping: Any,
        validation_fraction: Any,
        n_iter_no_change: Any,
        callbacks: Any,
        dtype: Any,
        random_state: Any,
        verbose: Any,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.bins = bins
        self.number_embedding = number_embedding
        self.learning_rate_init = learning_rate_init
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def _examples(cls) -> list[Any]:
        """Instances whose tests are quick."""
        quick = {"max_iter": 40, "bins": 8, "number_embedding": 4, "random_state": 0}
        # Whole weights are repeated rows to the last digits only in one batch of float64.
        exact = {"batch_size": 1000, "dropout": 0.0, "dtype": "float64"}
        return [cls(hidden_layer_sizes=(16,), learning_rate_init=0.02, **exact, **quick)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags

    # ------------------------------------------------------------------------------ inputs

    def _fit_inputs(self, X: Any, y: Any, sample_weight: Any, keep: bool) -> Samples:
        """The encoded rows, y and weights; learns the schema."""
        frame = self._frame(X, y, reset=True)
        check_consistent_length(frame, y)
        weight = self._check_weight(sample_weight, np.empty((len(frame), 0)))
        y = self._check_target(y, weight)
        bins = check_int(self._name, "bins", self.bins, 1)
        dtype = check_choice(self._name, "dtype", self.dtype, ["float32", "float64"])
        self.schema_ = Schema.learn(frame, bins, sample_weight=weight, owner=self._name)
        numbers, flags, codes = self.schema_.encode(frame, owner=self._name)
        return (numbers.astype(dtype, copy=False), flags, codes), y, weight

    def _check_target(self, y: Any, weight: Array | None) -> Array:
        """y in the form that the network learns."""
        raise NotImplementedError

    def _predict_inputs(self, X: Any) -> Inputs:
        """The encoded rows of a table with the schema of fit."""
        check_is_fitted(self)
        frame = self._frame(X, reset=False)
        numbers, flags, codes = self.schema_.encode(frame, owner=self._name)
        return numbers.astype(_output_dtype(frame), copy=False), flags, codes

    def _frame(self, X: Any, y: Any = "no_validation", *, reset: bool) -> DataFrame:
        """X as a DataFrame with checked shape and names; arrays get the names x0, x1, ...

        Columns whose names are no text, which `validate_data` does not look at, are told apart by
        these names all the same, unless one of the two tables was an array.
        """
        from pandas import DataFrame

        named = isinstance(X, DataFrame)
        if named:
            check_unique(self._name, X)
            frame, names = X, list(map(str, X.columns))
        else:
            first = X[0] if isinstance(X, (list, tuple)) and X else X
            if type(first) is dict:  # a sparse matrix may be a subclass
                raise TypeError(
                    f"{self._name}: X expects a DataFrame or rows of values, got a dict; "
                    "pandas.DataFrame(X) makes a table of it"
                )
            kind = None if hasattr(X, "dtype") else object  # a list may mix numbers and text
            array = check_array(
                X, dtype=kind, ensure_all_finite=False, estimator=self, input_name="X"
            )
            frame = DataFrame(array).infer_objects()
            names = _numbered(array.shape[1])
        validate_data(self, X, y, reset=reset, skip_check_array=True)
        if 0 in frame.shape:
            raise ValueError(
                f"{self._name}: X expects at least one sample (row) and one feature (column), "
                f"got shape {list(frame.shape)}"
            )
        if not reset:
            learned = [column.name for column in self.schema_.columns]
            by_place = hasattr(self, "feature_names_in_") or learned == _numbered(len(learned))
            if by_place or not named:
                names = learned
        return frame.set_axis(names, axis=1)

    # ---------------------------------------------------------------------------- training

    def _describe(self, inputs: Inputs, columns: int) -> dict[str, Any]:
        owner = self._name
        numbers, flags, _ = inputs
        return {
            "numbers": numbers.shape[1],
            "flags": flags.shape[1],
            "bins": self.schema_.bins,
            "levels": self.schema_.levels,
            "outputs": columns,
            "hidden": check_sizes(owner, self.hidden_layer_sizes),
            "dropout": check_number(owner, "dropout", self.dropout, 0, 1, open_maximum=True),
            "batch_norm": check_bool(owner, "batch_norm", self.batch_norm),
            "size": check_int(owner, "number_embedding", self.number_embedding, 1),
        }

    def _make_module(self, **arguments: Any) -> nn.Module:
        return TabularNetwork(**arguments)

    def _make_loss(self) -> nn.Module:
        raise NotImplementedError

    def _recipe(self, samples: int, one_pass: bool) -> Recipe:
        owner = self._name
        rate = check_number(
            owner, "learning_rate_init", self.learning_rate_init, 0, open_minimum=True
        )
        decay = check_number(owner, "weight_decay", self.weight_decay, 0)
        held_out = self._share_held_out(samples)
        patience = check_int(owner, "n_iter_no_change", self.n_iter_no_change, 1)
        size, epochs = self._size_and_epochs(round(samples * (1 - held_out)))
        callbacks = fresh_callbacks(owner, self.callbacks)
        if held_out:
            callbacks.append(EarlyStopping("val_loss", patience))
        return Recipe(
            loss=self._make_loss(),
            optimizer=lambda params: optim.AdamW(list(params), lr=rate, weight_decay=decay),
            schedule="cosine",
            epochs=epochs,
            batch_size=size,
            validation_fraction=held_out,
            callbacks=callbacks,
            progress=bool(self.verbose),
        )

    def _share_held_out(self, samples: int) -> float:
        given = self.early_stopping
        if isinstance(given, str):
            if given != "auto":
                raise ValueError(
                    f"{self._name}: early_stopping expects True, False or 'auto', got {given!r}"
                )
            stopping = samples >= _LEAST_TO_HOLD_OUT
        else:
            stopping = check_bool(self._name, "early_stopping", given)
        share = check_number(
            self._name,
            "validation_fraction",
            self.validation_fraction,
            0,
            1,
            open_minimum=True,
            open_maximum=True,
        )
        return share if stopping else 0.0

    def _size_and_epochs(self, samples: int) -> tuple[int, int]:
        """Batch size and epochs; 'auto' makes 2000 to 4000 steps unless a table is very large."""
        size, epochs = self.batch_size, self.max_iter
        if isinstance(size, str):
            check_choice(self._name, "batch_size", size, ["auto"])
            size = 2 ** int(np.clip(round(np.log2(max(samples, 1) / 64)), 5, 8))
        size = min(check_int(self._name, "batch_size", size, 1), max(samples, 1))
        if isinstance(epochs, str):
            check_choice(self._name, "max_iter", epochs, ["auto"])
            passes = size / max(samples, 1)  # of a step
            epochs = int(np.clip(np.clip(30, 2000 * passes, 4000 * passes), 5, 200))
        return size, check_int(self._name, "max_iter", epochs, 1)

    def _train(self, inputs: Inputs, *args: Any, **kwargs: Any) -> None:
        super()._train(inputs, *args, **kwargs)
        settle(self.module_, self.schema_)

    # ------------------------------------------------------------------------------ saving

    def _fitted_state(self) -> dict[str, Any]:
        return {**super()._fitted_state(), "schema_": self.schema_.state()}

    def _restore(self, state: Mapping[str, Any]) -> None:
        state = {**state, "schema_": Schema.from_state(state["schema_"])}
        super()._restore(state)


def settle(module: TabularNetwork, schema: Schema) -> None:
    """Give missing and unseen levels that no row had the mean vector of the levels."""
    with no_grad():
        columns = [c for c in schema.columns if isinstance(c, CategoryColumn)]
        for table, column in zip(module.category, columns, strict=True):
            counts = np.array(column.counts, np.float32)
            if not isinstance(table, nn.Embedding) or not len(counts):
                continue
            learned = table.weight[UNSEEN + 1 :].detach()
            mean = lepton.tensor(counts / counts.sum()).astype(learned.dtype) @ learned
            for code, rows in ((MISSING, column.missing), (UNSEEN, column.rare)):
                if not rows:
                    table.weight[code] = mean


def _numbered(columns: int) -> list[str]:
    """The names of the columns of an array."""
    return [f"x{column}" for column in range(columns)]


def _output_dtype(frame: DataFrame) -> type[np.floating[Any]]:
    """float32 where that is the widest floating-point column, else float64."""
    kinds = {str(dtype).lower() for dtype in frame.dtypes}
    return np.float32 if "float32" in kinds and "float64" not in kinds else np.float64
