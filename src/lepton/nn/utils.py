# SPDX-License-Identifier: Apache-2.0
"""Helpers for training: clipping gradients, parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lepton import _core, array
from lepton._check import check_bool, check_number
from lepton.array import SparseRows, Tensor, no_grad, tensor

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "vector_to_parameters",
]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients together so that their norm is at most `max_norm`.

    The norm is that of all gradients as one vector; the factor is
    ``min(1, max_norm / (norm + 1e-6))``.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are skipped.
    max_norm : float
        The largest norm.
    norm_type : float
        Order of the norm; may be infinite.
    error_if_nonfinite : bool
        Raise ValueError when the norm is not finite, and leave the gradients as they are.

    Returns
    -------
    Tensor
        The norm before clipping.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> w = nn.Parameter(lepton.tensor([3.0, 4.0]))
    >>> lepton.sum(w * w / 2).backward()
    >>> nn.utils.clip_grad_norm_([w], max_norm=1.0).item()
    5.0
    >>> [round(value, 4) for value in w.grad.tolist()]
    [0.6, 0.8]
    """
    max_norm = _check_positive("clip_grad_norm_", "max_norm", max_norm)
    order = _check_positive("clip_grad_norm_", "norm_type", norm_type)
    check_bool("clip_grad_norm_", "error_if_nonfinite", error_if_nonfinite)
    grads = _gradients("clip_grad_norm_", parameters)
    if order == 2 and not error_if_nonfinite:
        return tensor(_core.clip_grad_norm(grads, max_norm, 1e-6))
    norm = _total_norm(grads, order)
    if error_if_nonfinite and not math.isfinite(norm):
        raise ValueError(f"clip_grad_norm_: the norm of the gradients is {norm}")
    if order == 2:
        return tensor(_core.clip_grad_norm(grads, max_norm, 1e-6))
    factor = norm if math.isnan(norm) else min(1.0, max_norm / (norm + 1e-6))
    if factor != 1:
        with no_grad():
            for grad in grads:
                grad.copy_(grad * factor)
    return tensor(norm)


def _total_norm(grads: list[Tensor], order: float) -> float:
    if order == 2:
        return float(_core.clip_grad_norm(grads, math.inf, 1e-6))  # without a limit: the norm only
    with no_grad():
        if math.isinf(order):
            largest = [array.max(array.abs(grad)).item() for grad in grads if grad.size]
            return float(next(filter(math.isnan, largest), max(largest, default=0.0)))
        powers = [array.abs(grad) ** order for grad in grads]
        return float(sum(array.sum(power).item() for power in powers) ** (1 / order))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Cut each element of each gradient to ``[-clip_value, clip_value]``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> w = nn.Parameter(lepton.tensor([3.0, 0.5]))
    >>> lepton.sum(w * w / 2).backward()
    >>> nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad.tolist()
    [1.0, 0.5]
    """
    bound = _check_positive("clip_grad_value_", "clip_value", clip_value)
    with no_grad():
        for grad in _gradients("clip_grad_value_", parameters):
            grad.copy_(array.clip(grad, -bound, bound))


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all parameters as one vector, in their order.

    Examples
    --------
    >>> from lepton import nn
    >>> nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape
    (8,)
    """
    parts = [part.reshape(-1) for part in _tensors("parameters_to_vector", parameters)]
    if not parts:
        raise ValueError("parameters_to_vector: parameters expects at least 1 tensor, got 0")
    return array.concat(parts, axis=0)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the parts of one vector into the parameters, in their order.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> layer = nn.Linear(3, 2)
    >>> nn.utils.vector_to_parameters(lepton.zeros((8,)), layer.parameters())
    >>> layer.bias.tolist()
    [0.0, 0.0]
    """
    targets = _tensors("vector_to_parameters", parameters)
    total = sum(target.size for target in targets)
    if tuple(vec.shape) != (total,):
        raise ValueError(
            f"vector_to_parameters: vec expects shape [{total}], got {list(vec.shape)}"
        )
    start = 0
    with no_grad():
        for target in targets:
            target.copy_(vec[start : start + target.size].reshape(*target.shape))
            start += target.size


def _check_positive(owner: str, name: str, value: float) -> float:
    if isinstance(value, float) and math.isinf(value) and value > 0:
        return value
    return check_number(owner, name, value, 0, open_minimum=name == "norm_type")


def _tensors(owner: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for position, value in enumerate(tensors):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{owner}: parameters[{position}] expects a Tensor, got {type(value).__name__}"
            )
    return tensors


def _gradients(owner: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """All gradients; of `SparseRows` their values, which have every element that is not zero."""
    grads = [parameter.grad for parameter in _tensors(owner, parameters)]
    stored = [grad.values if isinstance(grad, SparseRows) else grad for grad in grads]
    return [grad for grad in stored if grad is not None]
