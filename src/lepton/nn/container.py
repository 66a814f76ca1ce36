# SPDX-License-Identifier: Apache-2.0
"""Modules that hold other modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

import operator
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, TypeVar, overload

from lepton.nn.failure import name_layer
from lepton.nn.module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

Self = TypeVar("Self", bound="_Numbered")
_Pairs = tuple[tuple[Module, Module | None], ...]


def _layers(module: Module) -> dict[str, Module]:
    return {name: layer for name, layer in vars(module).items() if isinstance(layer, Module)}


class _Numbered(Module):
    """Modules in a row, named by their positions."""

    def _position(self, index: Any) -> int:
        try:
            position = operator.index(index)
        except TypeError:
            raise TypeError(
                f"{type(self).__name__}: an index expects an integer or a slice, "
                f"got {type(index).__name__}"
            ) from None
        size = len(self)
        if not -size <= position < size:
            raise IndexError(
                f"{type(self).__name__}: index {position} is out of range for {size} layers"
            )
        return position % size

    def _replace_all(self, layers: Iterable[Module]) -> None:
        layers = list(layers)
        for layer in layers:
            if not isinstance(layer, Module):
                raise TypeError(
                    f"{type(self).__name__}: a layer expects a Module, got {type(layer).__name__}"
                )
        for name in _layers(self):
            delattr(self, name)
        for position, layer in enumerate(layers):
            setattr(self, str(position), layer)

    def __len__(self) -> int:
        return len(_layers(self))

    def __iter__(self) -> Iterator[Module]:
        return iter(_layers(self).values())

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self: Self, index: slice) -> Self: ...

    def __getitem__(self: Self, index: int | slice) -> Module | Self:
        layers = _layers(self)
        if isinstance(index, slice):
            part = type(self).__new__(type(self))
            Module.__init__(part)
            part._fill(dict(list(layers.items())[index]))
            return part
        return list(layers.values())[self._position(index)]

    def _fill(self, layers: dict[str, Module]) -> None:
        self._replace_all(layers.values())

    def __setitem__(self, index: int, layer: Module) -> None:
        self.add_module(list(_layers(self))[self._position(index)], layer)

    def __delitem__(self, index: int | slice) -> None:
        layers = list(self)
        if isinstance(index, slice):
            del layers[index]
        else:
            del layers[self._position(index)]
        self._replace_all(layers)

    def append(self: Self, module: Module) -> Self:
        """Add a module at the end; return the container."""
        return self.extend([module])

    def extend(self: Self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; return the container."""
        for module in list(modules):
            self.add_module(str(len(self)), module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Put a module before position `index`."""
        layers = list(self)
        layers.insert(index, module)
        self._replace_all(layers)


class Sequential(_Numbered):
    """Modules that run one after another.

    Parameters
    ----------
    *args : Module
        The modules in order; or one dict, which also names them.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model(lepton.ones((3, 4))).shape
    (3, 2)
    >>> model[-1], len(model[:2])
    (Linear(in_features=8, out_features=2, bias=True)  # 18 parameters, 2)
    """

    __slots__ = ("_pairs",)  # derived from the attributes, which alone are copied and saved
    _pairs: _Pairs

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, layer in args[0].items():
                self.add_module(name, layer)
        else:
            self.extend(args)

    def _fill(self, layers: dict[str, Module]) -> None:
        for name, layer in layers.items():  # a slice keeps its names, so weights still fit
            setattr(self, name, layer)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        object.__setattr__(self, "_pairs", ())

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        object.__setattr__(self, "_pairs", ())

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    def _list_pairs(self) -> _Pairs:
        """Each layer, and the one after it if they may be computed as one; kept for later calls."""
        layers = list(self)
        pairs = tuple(
            (layer, None if type(layer)._fused_with is Module._fused_with else following)
            for layer, following in zip(layers, [*layers[1:], None], strict=True)
        )
        object.__setattr__(self, "_pairs", pairs)
        return pairs

    def forward(self, input: Any) -> Any:
        """Pass `input` through all modules; two that can be computed as one are."""
        done = False  # together with the layer before
        for layer, following in getattr(self, "_pairs", ()) or self._list_pairs():
            if done:
                done = False
                continue
            fused = None if following is None else _fused(layer, following)
            if fused is None:
                input = layer(input)
                continue
            try:
                input = fused(input)
            except Exception as error:
                name_layer(error, layer)
                raise
            done = True
        return input


def _fused(layer: Module, following: Module) -> Callable[[Any], Any] | None:
    """Both layers in one call; none if somebody watches or replaced the forward of either."""
    if "forward" in vars(layer) or "forward" in vars(following):
        return None
    return layer._fused_with(following)


class ModuleList(_Numbered):
    """A list of modules whose parameters are found.

    Parameters
    ----------
    modules : iterable of Module, optional
        The first modules.

    Examples
    --------
    >>> from lepton import nn
    >>> layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
    >>> layers.append(nn.ReLU())[0]
    Linear(in_features=4, out_features=4, bias=True)  # 20 parameters
    >>> len(list(layers.parameters()))
    6
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or [])


class ModuleDict(Module):
    """A dict of modules whose parameters are found.

    Parameters
    ----------
    modules : mapping of str to Module, optional
        The first modules.

    Examples
    --------
    >>> from lepton import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "parity": nn.Linear(8, 2)})
    >>> heads["parity"]
    Linear(in_features=8, out_features=2, bias=True)  # 18 parameters
    >>> list(heads)
    ['digit', 'parity']
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Set the modules of another mapping."""
        for name, module in modules.items():
            self[name] = module

    def __getitem__(self, key: str) -> Module:
        layers = _layers(self)
        if key not in layers:
            raise KeyError(f"ModuleDict: there is no layer {key!r} among {', '.join(layers)}")
        return layers[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        self[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(_layers(self))

    def __iter__(self) -> Iterator[str]:
        return iter(_layers(self))

    def __contains__(self, key: object) -> bool:
        return key in _layers(self)

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return _layers(self).keys()

    def values(self) -> ValuesView[Module]:
        """Return the modules."""
        return _layers(self).values()

    def items(self) -> ItemsView[str, Module]:
        """Return (name, module) pairs."""
        return _layers(self).items()
