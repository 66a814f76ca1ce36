# SPDX-License-Identifier: Apache-2.0
"""What `MLPClassifier` and `MLPRegressor` share: scikit-learn's parameters and what they mean."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

from numpy.typing import NDArray

from lepton import nn
from lepton._check import check_bool, check_choice, check_int, check_number
from lepton.tabular.full_batch import FullBatch
from lepton.tabular.layers import ACTIVATIONS, check_sizes, perceptron
from lepton.tabular.network import Inputs, NetworkEstimator
from lepton.tabular.recipe import InverseScaling, Recipe, fresh_callbacks, make_optimizer
from lepton.tabular.stopping import Convergence

__all__: list[str] = []


class Perceptron(NetworkEstimator):
    """An estimator with a multi-layer perceptron; see `MLPClassifier` for the parameters."""

    def __init__(
        self,
        hidden_layer_sizes: Any,
        activation: Any,
        solver: Any,
        alpha: Any,
        batch_size: Any,
        learning_rate: Any,
        learning_rate_init: Any,
        power_t: Any,
        max_iter: Any,
        shuffle: Any,
        random_state: Any,
        tol: Any,
        verbose: Any,
        warm_start: Any,
        momentum: Any,
        nesterovs_momentum: Any,
        early_stopping: Any,
        validation_fraction: Any,
        beta_1: Any,
        beta_2: Any,
        epsilon: Any,
        n_iter_no_change: Any,
        max_fun: Any,
        dropout: Any,
        batch_norm: Any,
        callbacks: Any,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.callbacks = callbacks

    @classmethod
    def _examples(cls) -> list[Any]:
        """Instances whose tests are quick."""
        quick = {"max_iter": 60, "n_iter_no_change": math.inf, "random_state": 0}
        whole = {"solver": "lbfgs", "alpha": 1.0, "random_state": 0}
        return [
            cls(hidden_layer_sizes=(16,), learning_rate_init=0.03, **quick),
            cls(
                hidden_layer_sizes=(8, 8),
                activation="tanh",
                solver="sgd",
                learning_rate_init=0.1,
                **quick,
            ),
            cls(hidden_layer_sizes=(4,), **whole),
        ]

    def _describe(self, inputs: Inputs, columns: int) -> dict[str, Any]:
        owner = self._name
        share = check_number(owner, "dropout", self.dropout, 0, 1, open_maximum=True)
        return {
            "sizes": [
                inputs[0].shape[1],
                *check_sizes(owner, self.hidden_layer_sizes),
                columns,
            ],
            "activation": check_choice(owner, "activation", self.activation, list(ACTIVATIONS)),
            "dropout": share,
            "batch_norm": check_bool(owner, "batch_norm", self.batch_norm),
        }

    def _make_module(self, **arguments: Any) -> nn.Module:
        return perceptron(**arguments)

    @abstractmethod
    def _loss(self) -> nn.Module:
        """What is minimised, without the penalty."""

    def _recipe(self, samples: int, one_pass: bool) -> Recipe:
        owner = self._name
        stopping = check_bool(owner, "early_stopping", self.early_stopping)
        if one_pass:
            self._check_for_parts(stopping)
        held_out = 0.0
        if stopping:
            fraction = self.validation_fraction
            held_out = check_number(
                owner, "validation_fraction", fraction, 0, 1, open_minimum=True, open_maximum=True
            )
        callbacks = fresh_callbacks(owner, self.callbacks)
        if self._is_lbfgs:
            return self._recipe_of_lbfgs()
        convergence = self._convergence(stopping)
        size = self.batch_size
        if isinstance(size, str):
            check_choice(owner, "batch_size", size, ["auto"])
            size = 200
        epochs = check_int(owner, "max_iter", self.max_iter, 1)
        return Recipe(
            loss=self._loss(),
            optimizer=make_optimizer(
                owner, "solver", self.solver, self._optimizer_options(), ["lbfgs"]
            ),
            schedule=self._schedule_of(round(samples * (1 - held_out))),
            epochs=1 if one_pass else epochs,
            batch_size=min(check_int(owner, "batch_size", size, 1), samples),
            shuffle=check_bool(owner, "shuffle", self.shuffle),
            alpha=check_number(owner, "alpha", self.alpha, 0),
            validation_fraction=held_out,
            callbacks=callbacks if one_pass else [*callbacks, convergence],
            progress=bool(self.verbose),
        )

    @property
    def _is_lbfgs(self) -> bool:
        return isinstance(self.solver, str) and self.solver.lower() == "lbfgs"

    def _recipe_of_lbfgs(self) -> Recipe:
        owner = self._name
        for name in ("dropout", "batch_norm", "callbacks"):
            given = getattr(self, name)
            if given:
                raise ValueError(
                    f"{owner}: solver='lbfgs' has no batches and steps and expects no {name}, "
                    f"got {given!r}"
                )
        minimiser = FullBatch(
            owner,
            alpha=check_number(owner, "alpha", self.alpha, 0),
            tol=check_number(owner, "tol", self.tol, 0),
            max_iter=check_int(owner, "max_iter", self.max_iter, 1),
            max_fun=check_int(owner, "max_fun", self.max_fun, 1),
            progress=bool(self.verbose),
        )
        return Recipe(self._loss(), minimiser, minimiser.max_iter, batch_size=0)

    def _check_for_parts(self, stopping: bool) -> None:
        """Refuse what needs to know all samples or the last epoch."""
        owner, rate = self._name, self.learning_rate
        if stopping:
            raise ValueError(f"{owner}: partial_fit expects early_stopping=False, got True")
        if isinstance(rate, str) and rate in ("cosine", "one_cycle"):
            raise ValueError(
                f"{owner}: partial_fit expects a learning_rate that does not depend on max_iter, "
                f"got {rate!r}"
            )

    def _convergence(self, stopping: bool) -> Convergence:
        owner, patience = self._name, self.n_iter_no_change
        if patience != math.inf:
            patience = check_int(owner, "n_iter_no_change", patience, 1)
        return Convergence(
            owner,
            f"val_{self._score_name}" if stopping else "loss",
            patience,
            check_number(owner, "tol", self.tol, 0),
            restore_best=stopping,
            adaptive=isinstance(self.learning_rate, str) and self.learning_rate == "adaptive",
        )

    def _optimizer_options(self) -> dict[str, Any]:
        """What the optimiser is called with; an option of one of them only where it is named."""
        owner = self._name
        rate = check_number(
            owner, "learning_rate_init", self.learning_rate_init, 0, open_minimum=True
        )
        betas = tuple(
            check_number(owner, name, getattr(self, name), 0, 1, open_maximum=True)
            for name in ("beta_1", "beta_2")
        )
        epsilon = check_number(owner, "epsilon", self.epsilon, 0, open_minimum=True)
        momentum = check_number(owner, "momentum", self.momentum, 0, 1)
        nesterov = check_bool(owner, "nesterovs_momentum", self.nesterovs_momentum)
        options: dict[str, Any] = {"lr": rate}
        name = self.solver.lower() if isinstance(self.solver, str) else ""
        if name in ("adam", "adamw"):
            options.update(betas=betas, eps=epsilon)
        elif name == "sgd":
            options.update(momentum=momentum, nesterov=nesterov and momentum > 0)
        return options

    def _has_steps(self) -> bool:
        """Tell whether there is a `partial_fit`, which "lbfgs" has none of."""
        if self._is_lbfgs:
            raise AttributeError(
                f"{self._name}: partial_fit expects a solver with steps, got 'lbfgs'"
            )
        return True

    def _schedule_of(self, samples: int) -> Any:
        given = self.learning_rate
        if isinstance(given, str):
            names = ["constant", "invscaling", "adaptive", "cosine", "one_cycle"]
            check_choice(self._name, "learning_rate", given, names)
        power = check_number(self._name, "power_t", self.power_t, 0)
        if isinstance(given, str) and given == "invscaling":
            before = self.t_ if self.warm_start and hasattr(self, "t_") else 0
            return InverseScaling(samples, power, before)
        return None if isinstance(given, str) and given == "adaptive" else given

    # ------------------------------------------------------------ scikit-learn's attributes

    @property
    def _layers(self) -> list[nn.Linear]:
        return [layer for layer in self.module_.modules() if isinstance(layer, nn.Linear)]

    @property
    def coefs_(self) -> list[NDArray[Any]]:
        """Weights of each layer, [inputs, outputs]; views of those of `module_`."""
        return [layer.weight.detach().numpy().T for layer in self._layers]

    @property
    def intercepts_(self) -> list[NDArray[Any]]:
        """Biases of each layer; views of those of `module_`."""
        return [layer.bias.detach().numpy() for layer in self._layers if layer.bias is not None]

    @property
    def n_layers_(self) -> int:
        """Layers, the input one counted."""
        return len(self._layers) + 1
