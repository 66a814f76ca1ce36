# SPDX-License-Identifier: Apache-2.0
"""Starting values of parameters; each function fills a tensor in place and returns it."""

from __future__ import annotations

import math

import numpy as np

from lepton._check import check_choice, check_number
from lepton.array import Tensor, asarray, no_grad, normal, uniform

__all__ = [
    "calculate_gain",
    "constant_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor that keeps the variance through a nonlinearity.

    `param` is leaky_relu's negative slope (0.01 if not given): ``sqrt(2 / (1 + param**2))``.

    Examples
    --------
    >>> from lepton.nn import init
    >>> init.calculate_gain("relu")
    1.4142135623730951
    """
    check_choice("calculate_gain", "nonlinearity", nonlinearity, list(_GAINS))
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else check_number("calculate_gain", "param", param)
        return math.sqrt(2 / (1 + slope**2))
    return _GAINS[nonlinearity]


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Fill with numbers drawn evenly from [a, b).

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import init
    >>> init.uniform_(lepton.empty((2, 3)), -1, 1).shape
    (2, 3)
    """
    a, b = check_number("uniform_", "a", a), check_number("uniform_", "b", b)
    if a > b:
        raise ValueError(f"uniform_: expects a <= b, got a={a}, b={b}")
    return _fill(tensor, uniform(tensor.shape, a, b, dtype=tensor.dtype))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Fill with normally distributed numbers.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import init
    >>> init.normal_(lepton.empty((2, 3)), std=0.1).shape
    (2, 3)
    """
    mean, std = check_number("normal_", "mean", mean), check_number("normal_", "std", std, 0)
    return _fill(tensor, normal(tensor.shape, mean, std, dtype=tensor.dtype))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0
) -> Tensor:
    """Fill with normally distributed numbers that lie in [a, b].

    Each is the distribution function's inverse at an evenly drawn number.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import init
    >>> x = init.trunc_normal_(lepton.empty((1000,)), std=0.5, a=-1, b=1)
    >>> bool(lepton.max(lepton.abs(x)) <= 1)
    True
    """
    mean = check_number("trunc_normal_", "mean", mean)
    std = check_number("trunc_normal_", "std", std, 0, open_minimum=True)
    a, b = check_number("trunc_normal_", "a", a), check_number("trunc_normal_", "b", b)
    if a >= b:
        raise ValueError(f"trunc_normal_: expects a < b, got a={a}, b={b}")
    low, high = (a - mean) / std, (b - mean) / std
    sign = -1.0 if low > 0 else 1.0  # the left tail keeps more digits than the right one
    if sign < 0:
        low, high = -high, -low
    # 9 deviations from the bulk the density is below 1e-17 of its peak: the rest is never drawn
    grid = np.linspace(max(low, min(high, 0.0) - 9.0), min(high, 9.0), 8193)
    below = np.array([math.erfc(-z / math.sqrt(2)) for z in grid])
    drawn = uniform(tensor.shape, dtype=tensor.dtype).numpy()
    z = np.interp(below[0] + drawn * (below[-1] - below[0]), below, grid)
    return _fill(tensor, asarray(np.clip(sign * z * std + mean, a, b)).astype(tensor.dtype))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import init
    >>> init.constant_(lepton.empty((2,)), 0.5).tolist()
    [0.5, 0.5]
    """
    with no_grad():
        tensor.fill_(val)
    return tensor


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import init
    >>> init.zeros_(lepton.empty((2,))).tolist()
    [0.0, 0.0]
    """
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import init
    >>> init.ones_(lepton.empty((2,))).tolist()
    [1.0, 1.0]
    """
    return constant_(tensor, 1.0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill evenly within ``gain * sqrt(6 / (fan_in + fan_out))``.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import init
    >>> init.xavier_uniform_(lepton.empty((2, 3))).shape
    (2, 3)
    """
    fan_in, fan_out = _fans("xavier_uniform_", tensor)
    bound = check_number("xavier_uniform_", "gain", gain, 0) * math.sqrt(6 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill normally with deviation ``gain * sqrt(2 / (fan_in + fan_out))``.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import init
    >>> init.xavier_normal_(lepton.empty((2, 3))).shape
    (2, 3)
    """
    fan_in, fan_out = _fans("xavier_normal_", tensor)
    std = check_number("xavier_normal_", "gain", gain, 0) * math.sqrt(2 / (fan_in + fan_out))
    return normal_(tensor, 0.0, std)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Fill evenly within ``gain * sqrt(3 / fan)``.

    Parameters
    ----------
    tensor : Tensor
        Weight of at least 2 axes: (outputs, inputs, ...).
    a : float
        Negative slope of leaky_relu, from which the gain follows.
    mode : 'fan_in' or 'fan_out'
        Which variance is kept: that of values going forward or of gradients going back.
    nonlinearity : str
        What follows; a name that `calculate_gain` knows.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import init
    >>> init.kaiming_uniform_(lepton.empty((2, 3)), nonlinearity="relu").shape
    (2, 3)
    """
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Fill normally with deviation ``gain / sqrt(fan)``; arguments as `kaiming_uniform_`.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import init
    >>> init.kaiming_normal_(lepton.empty((2, 3)), mode="fan_out").shape
    (2, 3)
    """
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std)


def orthogonal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill so that the rows, or else the columns, are orthogonal and of length `gain`.

    Axes after the first are taken as one.

    Examples
    --------
    >>> import lepton
    >>> from lepton.nn import init
    >>> w = init.orthogonal_(lepton.empty((2, 3)))
    >>> bool(lepton.max(lepton.abs(w @ w.T - lepton.eye(2))) < 1e-5)
    True
    """
    gain = check_number("orthogonal_", "gain", gain)
    _fans("orthogonal_", tensor)
    rows = tensor.shape[0]
    columns = math.prod(tensor.shape[1:])
    drawn = normal((max(rows, columns), min(rows, columns)), dtype=tensor.dtype).numpy()
    q, r = np.linalg.qr(drawn)
    q = q * np.sign(np.where(np.diag(r) == 0, 1, np.diag(r)))  # makes the choice of q unique
    if rows < columns:
        q = q.T
    values = np.ascontiguousarray(gain * q, dtype=drawn.dtype).reshape(tensor.shape)
    return _fill(tensor, asarray(values))


def _fill(tensor: Tensor, values: Tensor) -> Tensor:
    with no_grad():
        tensor.copy_(values)
    return tensor


def _fans(owner: str, tensor: Tensor) -> tuple[int, int]:
    """Return how many inputs one output has and how many outputs one input has."""
    if tensor.ndim < 2:
        raise ValueError(f"{owner}: tensor expects at least 2 axes, got {list(tensor.shape)}")
    points = math.prod(tensor.shape[2:])
    return max(tensor.shape[1] * points, 1), max(tensor.shape[0] * points, 1)


def _kaiming_std(owner: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan_in, fan_out = _fans(owner, tensor)
    fan = (
        fan_in
        if check_choice(owner, "mode", mode, ["fan_in", "fan_out"]) == "fan_in"
        else (fan_out)
    )
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)
