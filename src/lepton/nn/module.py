# SPDX-License-Identifier: Apache-2.0
"""Module: the base of everything that holds parameters and computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from lepton.array import Tensor, isdtype, no_grad
from lepton.nn.failure import name_layer
from lepton.nn.parameter import Parameter
from lepton.nn.state import IncompatibleKeys, match_state
from lepton.nn.summary import Summary, summarize

__all__ = ["Module"]

Self = TypeVar("Self", bound="Module")


class Module:
    """Base class of all layers and models.

    A subclass calls ``super().__init__()``, assigns parameters and other modules as plain
    attributes, and defines ``forward``. They are found by their attribute names.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(4, 8)
    ...         self.out = nn.Linear(8, 2)
    ...
    ...     def forward(self, x):
    ...         return self.out(nn.functional.relu(self.hidden(x)))
    >>> net = Net()
    >>> net(lepton.ones((3, 4))).shape
    (3, 2)
    >>> net
    Net(
      (hidden): Linear(in_features=4, out_features=8, bias=True)  # 40 parameters
      (out): Linear(in_features=8, out_features=2, bias=True)  # 18 parameters
    )  # 58 parameters
    >>> [name for name, _ in net.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
    """

    training: bool
    _buffers: dict[str, bool]  # name -> whether it is part of state_dict; values are attributes

    def __init__(self) -> None:
        object.__setattr__(self, "training", True)
        object.__setattr__(self, "_buffers", {})

    # ------------------------------------------------------------------ calling

    def _forward_missing(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__}: forward is not defined")

    forward: Callable[..., Any] = _forward_missing

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Run ``forward``; an error raised inside gets the path of the layer in its message."""
        try:
            result: Tensor = self.forward(*args, **kwargs)
        except Exception as error:
            name_layer(error, self)
            raise
        return result

    def _fused_with(self, following: Module) -> Callable[[Any], Any] | None:
        """Return what computes ``following(self(x))`` of x at once, where a layer knows how."""
        return None

    # --------------------------------------------------------------- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Parameter, Module)) and "_buffers" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}: super().__init__() must be called before {name!r} is set"
            )
        if name in self.__dict__:
            self._check_replacement(name, value)
        object.__setattr__(self, name, value)

    def _check_replacement(self, name: str, value: Any) -> None:
        kinds: tuple[type, ...] = (Parameter, Module)
        kind = next((kind for kind in kinds if isinstance(self.__dict__[name], kind)), None)
        if kind is None and name in self._buffers:
            kind = Tensor
        if kind is not None and not (value is None or isinstance(value, kind)):
            raise TypeError(
                f"{type(self).__name__}: {name} expects a {kind.__name__} or None, "
                f"got {type(value).__name__}"
            )
        if isinstance(value, Parameter):
            self._buffers.pop(name, None)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._buffers.pop(name, None)

    if not TYPE_CHECKING:  # a checker shall see the attributes a class has, not any name

        def __getattr__(self, name: str) -> Any:
            if "_buffers" not in self.__dict__ and name in Module.__annotations__:
                raise AttributeError(
                    f"{type(self).__name__}: super().__init__() was not called in __init__"
                )
            return object.__getattribute__(self, name)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make `tensor` part of the module's state without learning it.

        A buffer that is not `persistent` stays out of ``state_dict``.
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"{type(self).__name__}: buffer {name} expects a Tensor or None, "
                f"got {type(tensor).__name__}"
            )
        if name not in self._buffers:
            self._check_name(name)
        setattr(self, name, tensor)
        self._buffers[name] = persistent

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Set the attribute `name`; the same as assigning it, for names made at run time."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"{type(self).__name__}: parameter {name} expects a Parameter or None, "
                f"got {type(param).__name__}"
            )
        self._check_name(name)
        setattr(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """Set the attribute `name`; the same as assigning it, for names made at run time."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: layer {name} expects a Module, got {type(module).__name__}"
            )
        self._check_name(name)
        setattr(self, name, module)

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(
                f"{type(self).__name__}: a name expects a string, got {type(name).__name__}"
            )
        if not name or "." in name:
            raise ValueError(
                f"{type(self).__name__}: a name expects a word without '.', got {name!r}"
            )
        member = isinstance(self.__dict__.get(name), (Parameter, Module))
        if hasattr(self, name) and not member and getattr(self, name) is not None:
            raise ValueError(f"{type(self).__name__}: the attribute {name!r} exists already")

    # ------------------------------------------------------------------ walking

    def named_modules(
        self, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield (path, module) for this module and all below it, parents first."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if remove_duplicate and id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            children = [
                (_join(path, name), child)
                for name, child in vars(module).items()
                if isinstance(child, Module)
            ]
            stack.extend(reversed(children))

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for the modules directly below, each once."""
        seen: set[int] = set()
        for name, child in vars(self).items():
            if isinstance(child, Module) and id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """Yield the modules directly below, each once."""
        for _, child in self.named_children():
            yield child

    def get_submodule(self, target: str) -> Module:
        """Return the module at a path as ``named_modules`` gives it."""
        module = self
        for name in target.split(".") if target else []:
            child = vars(module).get(name)
            if not isinstance(child, Module):
                raise AttributeError(
                    f"{type(self).__name__}: there is no layer {target!r} "
                    f"({type(module).__name__} has no layer {name!r})"
                )
            module = child
        return module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield (path, parameter) for this module and all below it, each parameter once."""
        return _named_tensors(self, _own_parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters of this module and all below it, each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield (path, buffer) for this module and all below it, each buffer once."""
        return _named_tensors(self, _own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers of this module and all below it, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module, children before their parents; return this module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # -------------------------------------------------------------------- state

    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """Return path -> tensor for all parameters and persistent buffers.

        The tensors are detached and share the module's memory. A tensor that two modules share
        stands under both names.
        """
        state: dict[str, Tensor] = {}
        for path, module in self.named_modules(prefix.rstrip("."), remove_duplicate=False):
            for name, parameter in _own_parameters(module):
                state[_join(path, name)] = parameter.detach()
            for name, buffer in _own_buffers(module):
                if module._buffers[name]:
                    state[_join(path, name)] = buffer.detach()
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy the values in `state_dict` (Tensors or arrays) into the tensors of these names.

        Everything is checked first: after an error the module is as it was. With
        ``strict=False`` names that one side lacks are skipped; wrong shapes always raise.

        Raises
        ------
        ValueError
            One sentence with all missing, unexpected and misshapen names.
        """
        own = self.state_dict()
        values, keys = match_state(type(self).__name__, own, state_dict, strict)
        with no_grad():
            for name, value in values.items():
                own[name].copy_(value)
        return keys

    def train(self: Self, mode: bool = True) -> Self:
        """Set training mode (dropout drops, batch norm uses the batch) here and below."""
        if not isinstance(mode, bool):
            raise ValueError(f"{type(self).__name__}: train expects True or False, got {mode!r}")
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        return self

    def eval(self: Self) -> Self:
        """Set evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Let all parameters gather gradients, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def to(self: Self, dtype: Any) -> Self:
        """Turn all floating-point parameters and buffers here and below into `dtype`.

        Those of another dtype are replaced by new tensors, so build the optimiser afterwards.

        Examples
        --------
        >>> import lepton
        >>> from lepton import nn
        >>> nn.Linear(2, 1).to(lepton.float64).weight.dtype == lepton.float64
        True
        """
        made: dict[int, tuple[Tensor, Tensor]] = {}  # what two modules share stays shared
        for module in self.modules():
            for name, tensor in (*_own_parameters(module), *_own_buffers(module)):
                if isdtype(tensor.dtype, "real floating") and tensor.dtype != dtype:
                    if id(tensor) not in made:
                        made[id(tensor)] = (tensor, _as_dtype(tensor, dtype))
                    setattr(module, name, made[id(tensor)][1])
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    # ----------------------------------------------------------------- printing

    def extra_repr(self) -> str:
        """Return what stands between the brackets of ``repr``."""
        return ""

    def __repr__(self) -> str:
        count = sum(math.prod(parameter.shape) for parameter in self.parameters())
        note = f"  # {count:,} parameters" if count else ""
        lines = [
            f"({name}): {child!r}"
            for name, child in vars(self).items()
            if isinstance(child, Module)
        ]
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra}){note}"
        body = "\n".join([extra] * bool(extra) + lines).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n){note}"

    def summary(self, input_shape: Iterable[int], dtype: Any = None) -> Summary:
        """Return a printable table of the layers, their output shapes and parameter counts.

        One batch of size 1 of zeros runs through the module in evaluation mode without
        gradients; the module and the random state are left as they were.

        Parameters
        ----------
        input_shape : sequence of int
            The shape of one input, without the batch.
        dtype : dtype, optional
            The input's dtype: float32, or an integer dtype for a model of token indices.

        Examples
        --------
        >>> from lepton import nn
        >>> nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).summary((4,))
        layer  type    output shape  parameters
        ---------------------------------------
        0      Linear  [1, 8]                40
        1      ReLU    [1, 8]                 0
        2      Linear  [1, 2]                18
        ---------------------------------------
        total          [1, 2]                58
        """
        return summarize(self, input_shape, dtype)


_T = TypeVar("_T", bound=Tensor)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _own_parameters(module: Module) -> list[tuple[str, Parameter]]:
    return [(name, value) for name, value in vars(module).items() if isinstance(value, Parameter)]


def _own_buffers(module: Module) -> list[tuple[str, Tensor]]:
    values = ((name, getattr(module, name)) for name in module._buffers)
    return [(name, value) for name, value in values if value is not None]


def _as_dtype(tensor: Tensor, dtype: Any) -> Tensor:
    values = tensor.detach().astype(dtype)
    if isinstance(tensor, Parameter):
        return type(tensor)(values, tensor.requires_grad)
    return values


def _named_tensors(
    root: Module,
    own: Callable[[Module], list[tuple[str, _T]]],
    prefix: str,
    recurse: bool,
    remove_duplicate: bool,
) -> Iterator[tuple[str, _T]]:
    seen: set[int] = set()
    modules = root.named_modules(prefix, remove_duplicate) if recurse else [(prefix, root)]
    for path, module in modules:
        for name, value in own(module):
            if remove_duplicate and id(value) in seen:
                continue
            seen.add(id(value))
            yield _join(path, name), value
