# SPDX-License-Identifier: Apache-2.0
"""Optimizer: parameter groups, state, and the loop that all optimisers share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from lepton._check import check_int
from lepton.array import SparseRows, Tensor, asarray, enable_grad, no_grad

__all__ = ["Optimizer"]

Group = dict[str, Any]
State = dict[str, Any]
Loss = TypeVar("Loss")


class Optimizer(ABC):
    """Base class of all optimisers.

    A subclass names the options it takes in `defaults`, checks them in `check_group`, and
    changes the parameters of one group in `update`; if it keeps tensors or counts for each
    parameter, it lists them in `state_names` and makes the first ones in `init_state`.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        The parameters; or groups, each a dict with ``"params"`` and its own options.
    defaults : dict
        Options of the groups that do not give their own.

    Attributes
    ----------
    param_groups : list of dict
        The groups; changing an option here takes effect at the next step.
    state : dict
        Index of a parameter, counted over all groups -> its tensors and counts.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn, optim
    >>> model = nn.Linear(2, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> loss = lepton.sum(model(lepton.ones((4, 2))))
    >>> optimizer.zero_grad()
    >>> loss.backward()
    >>> optimizer.step()
    """

    state_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: Iterable[Any], defaults: Mapping[str, Any]) -> None:
        self.defaults: Group = dict(defaults)
        self.check_group(self.defaults)
        self.state: dict[int, State] = {}
        self.param_groups: list[Group] = []
        groups = self._as_groups(params)
        for group in groups:
            self.add_param_group(group)

    # ------------------------------------------------- what a subclass defines

    @abstractmethod
    def check_group(self, group: Group) -> None:
        """Check the options in `group` and put them into their plain Python types."""

    def init_state(self, param: Tensor) -> State:
        """Return what is kept for one parameter, before its first step."""
        return {}

    def takes_rows(self, group: Group) -> bool:
        """Whether `update` wants `SparseRows` as they are; else it gets all rows."""
        return False

    @abstractmethod
    def update(
        self,
        params: list[Tensor],
        grads: list[Tensor | SparseRows],
        states: list[State],
        group: Group,
    ) -> None:
        """Change `params` and `states` in place by the options of `group`; never `grads`."""

    # --------------------------------------------------------------- parameters

    def _as_groups(self, params: Any) -> list[Mapping[str, Any]]:
        owner = type(self).__name__
        if isinstance(params, (Tensor, Mapping, str)) or not isinstance(params, Iterable):
            raise TypeError(
                f"{owner}: params expects an iterable of Tensors or of dicts, "
                f"got {type(params).__name__}"
            )
        entries = list(params)
        if not entries:
            raise ValueError(f"{owner}: params expects at least 1 parameter, got 0")
        if all(isinstance(entry, Mapping) for entry in entries):
            return entries
        return [{"params": entries}]

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own.

        Parameters
        ----------
        param_group : dict
            ``"params"`` and any options; those not given are the optimiser's defaults.
        """
        owner = type(self).__name__
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(f"{owner}: a parameter group expects a dict with 'params'")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {id(param) for param in self._parameters()}
        for position, param in enumerate(params):
            if not isinstance(param, Tensor):
                raise TypeError(
                    f"{owner}: params[{position}] expects a Tensor, got {type(param).__name__}"
                )
            if not param.is_leaf:
                raise ValueError(f"{owner}: params[{position}] is a result, not a parameter")
            if id(param) in known:
                raise ValueError(f"{owner}: params[{position}] is given twice")
            known.add(id(param))
        unknown = [name for name in param_group if name not in {"params", *self.defaults}]
        if unknown:
            raise ValueError(f"{owner}: there is no option {', '.join(map(repr, unknown))}")
        group = {**self.defaults, **param_group, "params": params}
        self.check_group(group)
        self.param_groups.append(group)

    def _parameters(self) -> Iterator[Tensor]:
        for group in self.param_groups:
            yield from group["params"]

    # ----------------------------------------------------------------- training

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        for param in self._parameters():
            if set_to_none:
                param.grad = None
            elif param.grad is not None:
                param.grad.zero_()

    def step(self, closure: Callable[[], Loss] | None = None) -> Loss | None:
        """Change all parameters that have a gradient.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients first; its result is returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        index = 0
        with no_grad():
            for group in self.param_groups:
                params, grads, states = [], [], []
                takes_rows = self.takes_rows(group)
                for param in group["params"]:
                    grad = param.grad
                    if grad is not None:
                        if isinstance(grad, SparseRows) and not takes_rows:
                            grad = grad.to_dense()
                        state = self.state.setdefault(index, {})
                        if not state:
                            state.update(self.init_state(param))
                        params.append(param)
                        grads.append(-grad if group.get("maximize") else grad)
                        states.append(state)
                    index += 1
                if params:
                    self.update(params, grads, states, group)
        return loss

    # -------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """Return ``{'state': {index: {name: Tensor or number}}, 'param_groups': [...]}``.

        Groups hold their options and the indices of their parameters: apart from the tensors
        everything can be written as JSON. The tensors share the optimiser's memory.
        """
        groups = []
        start = 0
        for group in self.param_groups:
            indices = list(range(start, start + len(group["params"])))
            groups.append({**group, "params": indices})
            start += len(indices)
        return {
            "state": {index: dict(state) for index, state in self.state.items()},
            "param_groups": groups,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, also after it went through JSON.

        Everything is checked first: after an error the optimiser is as it was.

        Raises
        ------
        ValueError
            Groups, parameters, options or tensors that do not fit this optimiser.
        """
        owner = type(self).__name__
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(f"{owner}: a state dict expects 'state' and 'param_groups'")
        groups = self._check_groups(state_dict["param_groups"])
        state = self._check_state(state_dict["state"])
        for group, loaded in zip(self.param_groups, groups, strict=True):
            group.update(loaded)
        self.state = state

    def _check_groups(self, saved: Any) -> list[Group]:
        owner = type(self).__name__
        if not isinstance(saved, Sequence) or len(saved) != len(self.param_groups):
            count = len(saved) if isinstance(saved, Sequence) else type(saved).__name__
            raise ValueError(
                f"{owner}: the state dict expects {len(self.param_groups)} parameter groups, "
                f"got {count}"
            )
        groups = []
        for position, (group, entry) in enumerate(zip(self.param_groups, saved, strict=True)):
            if not isinstance(entry, Mapping) or not isinstance(entry.get("params"), Sequence):
                raise ValueError(
                    f"{owner}: param_groups[{position}] of the state dict expects a dict "
                    "with a list of 'params'"
                )
            missing = [name for name in self.defaults if name not in entry]
            if missing:
                raise ValueError(
                    f"{owner}: param_groups[{position}] of the state dict lacks "
                    f"{', '.join(map(repr, missing))}"
                )
            if len(entry["params"]) != len(group["params"]):
                raise ValueError(
                    f"{owner}: param_groups[{position}] of the state dict expects "
                    f"{len(group['params'])} parameters, got {len(entry.get('params', ()))}"
                )
            loaded = {name: value for name, value in entry.items() if name != "params"}
            self.check_group(loaded)
            groups.append(loaded)
        return groups

    def _check_state(self, saved: Any) -> dict[int, State]:
        owner = type(self).__name__
        params = list(self._parameters())
        if not isinstance(saved, Mapping):
            raise ValueError(f"{owner}: 'state' of the state dict expects a mapping")
        loaded: dict[int, State] = {}
        for key, entry in saved.items():
            digits = isinstance(key, str) and key.isdecimal()  # JSON turns indices into text
            index = check_int(owner, "an index in the state dict", int(key) if digits else key, 0)
            if index >= len(params):
                raise ValueError(
                    f"{owner}: the state dict has state for parameter {index}, "
                    f"but there are {len(params)} parameters"
                )
            if entry and set(entry) != set(self.state_names):
                raise ValueError(
                    f"{owner}: state[{index}] of the state dict expects "
                    f"{', '.join(self.state_names) or 'nothing'}, got {', '.join(map(str, entry))}"
                )
            loaded[index] = {
                name: self._check_value(f"state[{index}][{name!r}]", value, params[index])
                for name, value in entry.items()
            }
        return loaded

    def _check_value(self, name: str, value: Any, param: Tensor) -> Tensor | int:
        owner = type(self).__name__
        if name.endswith("['step']"):
            return check_int(owner, name, value, 0)
        if not isinstance(value, Tensor) and not hasattr(value, "__array__"):
            raise TypeError(f"{owner}: {name} expects a Tensor, got {type(value).__name__}")
        tensor = value if isinstance(value, Tensor) else asarray(value)
        if tensor.shape != param.shape:
            raise ValueError(
                f"{owner}: {name} expects shape {list(param.shape)}, got {list(tensor.shape)}"
            )
        return tensor.detach().astype(param.dtype).clone()

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for position, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {position}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])
