# SPDX-License-Identifier: Apache-2.0
"""What estimators with a network share: building, training, predicting and saving it."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

import lepton
from lepton.array import Tensor, asarray
from lepton.data import ArrayDataset, DataLoader, Dataset, Subset, random_split, stratified_split
from lepton.estimator import Estimator
from lepton.estimator.weights import check_total, total_weight
from lepton.nn import BatchNorm1d, Module
from lepton.optim import Optimizer
from lepton.optim.lr_scheduler import LRScheduler
from lepton.tabular.full_batch import FullBatch
from lepton.tabular.objective import Objective, Penalty, Weighted
from lepton.tabular.recipe import OptimizerFactory, Recipe, make_schedule, naming
from lepton.tabular.stopping import Score
from lepton.training import Callback, History, Trainer
from lepton.training.diagnosis import NonFiniteError
from lepton.training.step import evaluating

__all__: list[str] = []

Array = NDArray[Any]
Inputs = tuple[Array, ...]

_ROWS = 4096  # of a block in prediction
_DIVERGED = 1e4  # times the first loss, which no batch that is typical reaches by chance


class NetworkEstimator(Estimator):
    """An estimator that trains a network with `lepton.Trainer`.

    A subclass says what the network is (`_describe`, `_make_module`), how it is trained
    (`_recipe`), what its outputs mean (`_align`, `_columns`, `_measure`), and calls `_train` and
    `_outputs` with arrays. Everything is computed in the floating dtype of the first input.

    Lepton's own random state is not touched: `random_state` seeds one of the estimator.

    Attributes
    ----------
    module_ : Module
        The network, in evaluation mode.
    history_ : History
        A row for each epoch of all trainings since the network was made; it plots itself.
    loss_curve_ : list of float
        The training loss of each of these epochs, with the L2 penalty.
    loss_, best_loss_ : float
        The last of them, and the smallest (None where validation decides).
    validation_scores_ : list of float or None
        Accuracy or R2 on the samples held out, after each of these epochs.
    best_validation_score_ : float or None
        The largest of them.
    n_iter_ : int
        Epochs of the last training.
    t_ : int
        Samples seen in all steps.
    n_outputs_ : int
        Columns of the network's output.
    callbacks_ : list of Callback
        The copies of `callbacks` that were used.
    """

    module_: Module
    history_: History
    n_outputs_: int
    t_: int
    callbacks_: list[Callback]
    random_state: Any

    _score_name: str
    _optimizer: Optimizer
    _schedule: LRScheduler | None
    _random: dict[str, int]
    # Further options of the Trainer; with a run_dir `fit` goes on with the run that is in it.
    _run_options: Mapping[str, Any] = {}
    _arguments: dict[str, Any]

    # ------------------------------------------------------------- what a subclass defines

    @abstractmethod
    def _describe(self, inputs: Inputs, columns: int) -> dict[str, Any]:
        """The arguments of `_make_module`, of JSON's types: they are saved."""

    @abstractmethod
    def _make_module(self, **arguments: Any) -> Module:
        """A new network."""

    @abstractmethod
    def _recipe(self, samples: int, one_pass: bool) -> Recipe:
        """How so many samples are trained on, in one pass or to the end; checks the parameters."""

    @abstractmethod
    def _align(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Output and target in the forms that the loss takes."""

    @abstractmethod
    def _check_columns(self, columns: int, wanted: int) -> None:
        """Refuse a network that gives another number of outputs than `wanted`."""

    @abstractmethod
    def _measure(self, outputs: Array, targets: Array, weights: Array | None) -> float:
        """The score of outputs, for the validation curve."""

    def _input_checks(self) -> dict[str, Any]:
        """What `validate_data` shall look at in X; rows lie next to each other for batches."""
        return {"order": "C"}

    def _predict_inputs(self, X: Any) -> Inputs:
        """The network's inputs for X, with the features of the fit."""
        return (self._check_predict(X, **self._input_checks()),)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    # ------------------------------------------------------------------------ training

    def _train(
        self,
        inputs: Inputs,
        target: Array,
        weight: Array | None,
        columns: int,
        *,
        keep: bool = False,
        resume: bool = False,
    ) -> None:
        """Train the network on arrays whose rows are samples.

        Parameters
        ----------
        inputs : tuple of arrays
            What the network is called with.
        target : array
            Class numbers (int64), or numbers in the dtype of the network.
        weight : array or None
            Of each sample.
        columns : int
            Outputs that the target needs for each sample.
        keep : bool
            Go on with the network that is there.
        resume : bool
            Make one pass with its optimiser and schedule, which it may have kept.
        """
        keep = keep and hasattr(self, "module_")
        if not keep and hasattr(self, "module_"):
            del self.module_  # a fit that fails leaves nothing half new
        outside = lepton.get_rng_state()
        try:
            if keep:
                lepton.set_rng_state(self._random)
            else:
                lepton.manual_seed(int(check_random_state(self.random_state).randint(2**31 - 1)))
            self._train_seeded(inputs, target, weight, columns, keep, resume)
        finally:
            self._random = lepton.get_rng_state()
            lepton.set_rng_state(outside)

    def _train_seeded(
        self,
        inputs: Inputs,
        target: Array,
        weight: Array | None,
        columns: int,
        keep: bool,
        resume: bool,
    ) -> None:
        recipe = self._recipe(len(target), resume)
        if keep:
            module, arguments = self.module_, self._arguments
        else:
            self.__dict__.pop("_first_loss", None)
            arguments = self._describe(inputs, columns)
            module = self._make_module(**arguments).to(float_dtype(inputs))
        dtype = _dtype_of(module)
        inputs = _as_dtype(dtype, *inputs)
        columns = self._probe(module, inputs, columns)
        classes = target if target.dtype.kind == "i" else None
        if classes is None or columns == 1:  # one score is compared with 0 and 1 as numbers
            target = target.astype(dtype, copy=False)
        mean_weight = self._mean_weight(weight)
        weight = None if weight is None else weight.astype(dtype, copy=False)
        if isinstance(recipe.optimizer, FullBatch):
            wanted = asarray(target) if weight is None else (asarray(target), asarray(weight))
            objective = Objective(self._name, recipe.loss, self._align, None, mean_weight)
            rows = self._train_whole(recipe.optimizer, module, objective, inputs, wanted)
            samples = len(target)
        else:
            arrays = (*inputs, target)
            train, held_out = self._split(arrays, weight, classes, recipe.validation_fraction)
            if not (resume and keep and hasattr(self, "_optimizer")):
                self._start_optimizer(module, recipe, recipe.optimizer, len(train))
            rows = self._train_steps(recipe, module, train, held_out, mean_weight)
            samples = len(train)
        self.module_, self._arguments, self.n_outputs_ = module, arguments, columns
        self.callbacks_ = recipe.callbacks
        self._note(rows, samples, keep)

    def _train_whole(
        self,
        minimiser: FullBatch,
        module: Module,
        objective: Objective,
        inputs: Inputs,
        target: Any,
    ) -> list[dict[str, float]]:
        """Train on all samples at once and return the rows of the history."""
        self.__dict__.pop("_optimizer", None)  # it has no part in the module's weights any more
        module.train()
        try:
            total = len(inputs[0]) * objective.mean_weight
            return minimiser.fit(module, objective, tuple(map(asarray, inputs)), target, total)
        finally:
            module.eval()

    def _train_steps(
        self,
        recipe: Recipe,
        module: Module,
        train: Dataset,
        held_out: Dataset | None,
        mean_weight: float,
    ) -> list[dict[str, float]]:
        """Train by steps of the optimiser and return the rows of the history."""
        penalty = Penalty(recipe.alpha, self._optimizer) if recipe.alpha else None
        objective = Objective(self._name, recipe.loss, self._align, penalty, mean_weight)
        trainer = Trainer(
            module,
            objective,
            self._optimizer,
            metrics=[] if held_out is None else [Score(self._score_name, self._measure)],
            callbacks=recipe.callbacks,
            scheduler=self._schedule,
            progress=recipe.progress,
            **self._run_options,
        )
        try:
            self._run(trainer, recipe, train, held_out)
        finally:
            module.eval()
            if penalty is not None:
                penalty.close()
        self._warn_of_divergence(objective.first, trainer.history.rows)
        return trainer.history.rows

    def _warn_of_divergence(self, first: float | None, rows: list[dict[str, float]]) -> None:
        """Warn where the loss is far above that of the first batch of all trainings."""
        first = self._first_loss = getattr(self, "_first_loss", None) or first
        losses = [row["loss"] for row in rows]
        last = min(losses) if "val_loss" in rows[-1] else losses[-1]  # the best epoch may be kept
        if first is not None and first > 0 and last > _DIVERGED * first:
            warnings.warn(
                f"{self._name}: training diverged, the loss rose from {first:.3g} to {last:.3g}; "
                "the learning rate expects to be smaller, or X and y to be scaled",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _start_optimizer(
        self, module: Module, recipe: Recipe, make: OptimizerFactory, samples: int
    ) -> None:
        """A new optimiser, with the weights that a penalty is on as its first group."""
        parameters = list(module.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1]},
            {"params": [p for p in parameters if p.ndim <= 1]},
        ]
        self._optimizer = make(groups)
        steps = -(-samples // recipe.batch_size)
        self._schedule = make_schedule(
            self._name, recipe.schedule, self._optimizer, recipe.epochs, steps
        )

    def _run(
        self, trainer: Trainer, recipe: Recipe, train: Dataset, held_out: Dataset | None
    ) -> None:
        norm = any(isinstance(layer, BatchNorm1d) for layer in trainer.model.modules())
        if norm and min(recipe.batch_size, len(train)) == 1:  # which has no variance
            raise ValueError(
                f"{self._name}: batch_norm expects batches of at least 2 samples, got 1 sample"
            )
        batches = DataLoader(
            train,
            recipe.batch_size,
            shuffle=recipe.shuffle,
            drop_last=norm
            and len(train) > recipe.batch_size
            and len(train) % recipe.batch_size == 1,
            prefetch=0,
        )
        validation = None if held_out is None else DataLoader(held_out, _ROWS, prefetch=0)
        resumable = "run_dir" in self._run_options
        try:
            trainer.fit(batches, recipe.epochs, validation=validation, resume=resumable)
        except NonFiniteError as error:
            raise NonFiniteError(f"{self._name}: {error}") from error

    def _note(self, rows: list[dict[str, float]], samples: int, keep: bool) -> None:
        """Set the attributes that tell how training went."""
        before = self.history_.rows if keep else []
        after = [{**row, "epoch": len(before) + row["epoch"]} for row in rows]
        self.history_ = History([*before, *after])
        self.n_iter_ = len(rows)
        self.t_ = (self.t_ if keep else 0) + samples * len(rows)
        self.loss_curve_ = self.history_["loss"]
        self.loss_ = self.loss_curve_[-1]
        name = f"val_{self._score_name}"
        validated = name in self.history_
        self.best_loss_ = None if validated else min(self.loss_curve_)
        self.validation_scores_ = self.history_[name] if validated else None
        self.best_validation_score_ = (
            float(np.nanmax(self.validation_scores_)) if self.validation_scores_ else None
        )

    def _mean_weight(self, weight: Array | None) -> float:
        if weight is None:
            return 1.0
        check_total(self._name, weight)
        return total_weight(len(weight), weight) / len(weight)

    def _split(
        self,
        arrays: Inputs,
        weight: Array | None,
        classes: Array | None,
        fraction: float,
    ) -> tuple[Dataset, Dataset | None]:
        """The samples to train on and those held out; classes, if there are, in equal shares."""
        data: Dataset = ArrayDataset(*arrays) if weight is None else Weighted(*arrays, weight)
        if not fraction:
            return data, None
        seed = int(lepton.random.randint(0, 2**31 - 1, (1,)).item())
        if classes is not None:
            train, held_out = (
                Subset(data, part) for part in stratified_split(classes, fraction, seed)
            )
        else:
            held_out, train = random_split(data, [fraction, 1 - fraction], seed)
        if len(held_out) < 2 or not len(train):
            raise ValueError(
                f"{self._name}: validation_fraction={fraction:g} expects to hold out at least 2 of "
                f"{len(data)} samples and to leave some, got {len(held_out)}"
            )
        if weight is not None and not weight[held_out.indices].any():
            raise ValueError(
                f"{self._name}: sample_weight expects weights above 0 among the samples that are "
                f"held out, got {len(held_out)} zeros"
            )
        return train, held_out

    def _probe(self, module: Module, inputs: Inputs, wanted: int) -> int:
        """Run one sample and return how many outputs it gives."""
        with naming(f"{self._name}: module"), evaluating(module):
            output = module(*[asarray(array[:1]) for array in inputs])
        if not isinstance(output, Tensor) or output.ndim not in (1, 2) or output.shape[0] != 1:
            got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"{self._name}: module expects to give a row of outputs for each sample, "
                f"got {got} for one"
            )
        columns = math.prod(output.shape)
        self._check_columns(columns, wanted)
        return columns

    # ---------------------------------------------------------------------- prediction

    def _outputs(self, inputs: Inputs) -> Array:
        """The network's outputs, [samples, outputs], in the dtype of the first input."""
        dtype = _dtype_of(self.module_)
        result = np.empty((len(inputs[0]), self.n_outputs_), float_dtype(inputs, dtype))
        with evaluating(self.module_):
            for start in range(0, len(result), _ROWS):
                rows = slice(start, start + _ROWS)
                block = _as_dtype(dtype, *(array[rows] for array in inputs))
                output = self.module_(*map(asarray, block)).numpy()
                result[rows] = output.reshape(len(output), -1)
        return result

    # -------------------------------------------------------------------------- saving

    def _fitted_state(self) -> dict[str, Any]:
        """Fitted attributes, the weights by name, and what the network was built of."""
        state = super()._fitted_state()
        del state["callbacks_"]
        weights = {name: np.asarray(t) for name, t in self.module_.state_dict().items()}
        return {
            **state,
            "module_": {"arguments": self._arguments, "weights": weights},
            "history_": self.history_.rows,
            "random": self._random,
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Build the network again and give it its weights."""
        state = dict(state)
        network, rows = state.pop("module_"), state.pop("history_")
        self._random = state.pop("random")
        super()._restore(state)
        self._arguments, weights = network["arguments"], network["weights"]
        outside = lepton.get_rng_state()
        module = self._make_module(**self._arguments)
        lepton.set_rng_state(outside)
        kinds = [w.dtype for w in weights.values() if w.dtype.kind == "f"]
        module = module.to(kinds[0]) if kinds else module
        module.load_state_dict(weights)
        self.module_, self.history_, self.callbacks_ = module.eval(), History(rows), []


def float_dtype(inputs: Inputs, other: Any = np.float32) -> Any:
    """The dtype of the first input, or `other` where it holds no floating-point numbers."""
    return inputs[0].dtype if inputs[0].dtype.kind == "f" else other


def _dtype_of(module: Module) -> Any:
    """The dtype of the first floating-point parameter."""
    return next((np.dtype(str(p.dtype)) for p in module.parameters()), np.dtype(np.float32))


def _as_dtype(dtype: Any, *arrays: Array) -> Inputs:
    """The arrays, those of floating-point numbers in `dtype`."""
    return tuple(a.astype(dtype, copy=False) if a.dtype.kind == "f" else a for a in arrays)
