# SPDX-License-Identifier: Apache-2.0
"""Solutions of the lasso and the elastic net for a sequence of penalties."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_array, check_consistent_length, check_random_state

from lepton._check import check_bool, check_choice, check_int, check_number
from lepton.regression.accepted import check_accepted
from lepton.regression.coordinate_descent import Products, Rows, Rule, few_columns, problem
from lepton.regression.sizes import check_sizes, squares_fit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["enet_path", "lasso_path"]


def rule(owner: str, params: dict[str, Any]) -> Rule:
    """What coordinate descent obeys, from checked parameters."""
    selection = check_choice(owner, "selection", params["selection"], ["cyclic", "random"])
    random = check_random_state(params["random_state"])
    return Rule(
        tol=check_number(owner, "tol", params["tol"], 0),
        max_iter=check_int(owner, "max_iter", params["max_iter"], 1),
        positive=check_bool(owner, "positive", params["positive"]),
        seed=int(random.randint(np.iinfo(np.int32).max)) if selection == "random" else None,
    )


def given_alphas(owner: str, alphas: Any, eps: Any) -> NDArray[np.float64] | None:
    """Penalties in falling order, or None where their number is given."""
    check_number(owner, "eps", eps, 0, open_minimum=True)
    if np.ndim(alphas) == 0:
        check_int(owner, "alphas", alphas, 1)
        return None
    values = [check_number(owner, "alphas", float(a), 0) for a in alphas]
    if not values:
        raise ValueError(f"{owner}: alphas expects at least one number, got none")
    return np.sort(values)[::-1]


def alpha_grid(
    owner: str,
    work: Products | Rows,
    l1_ratio: float,
    eps: float,
    count: int,
    positive: bool,
) -> NDArray[np.float64]:
    """Penalties from the least that leaves no coefficient down to `eps` of it, evenly in log."""
    if l1_ratio == 0:
        raise ValueError(f"{owner}: alphas expects a sequence where l1_ratio is 0, got {count}")
    pull = work.xy if positive else np.abs(work.xy)
    largest = float(pull.max(initial=0)) / (work.total * l1_ratio)
    resolution = float(np.finfo(np.float64).resolution)
    spread = np.sqrt(work.yy[0] / work.total)  # of a constant target only rounding is left
    if largest == 0 or spread <= resolution * abs(float(work.y_mean[0])):
        return np.full(count, resolution)
    return np.geomspace(largest, largest * eps, count)


def given_gram(owner: str, precompute: Any, p: int) -> NDArray[np.float64] | None:
    """The matrix X'X where `precompute` is one, checked."""
    if isinstance(precompute, str):
        check_choice(owner, "precompute", precompute, ["auto"])
        return None
    if isinstance(precompute, (bool, np.bool_)):
        return None
    gram: NDArray[np.float64] = check_array(precompute, dtype=np.float64)
    if gram.shape != (p, p):
        raise ValueError(f"{owner}: precompute expects X'X of shape ({p}, {p}), got {gram.shape}")
    return gram


def enet_path(
    X: ArrayLike,
    y: ArrayLike,
    *,
    l1_ratio: float = 0.5,
    eps: float = 1e-3,
    n_alphas: int | str = "deprecated",
    alphas: int | ArrayLike = 100,
    precompute: str | bool | ArrayLike = "auto",
    Xy: ArrayLike | None = None,
    copy_X: bool = True,
    coef_init: ArrayLike | None = None,
    verbose: bool | int = False,
    return_n_iter: bool = False,
    positive: bool = False,
    check_input: bool = True,
    max_iter: int = 1000,
    tol: float = 1e-4,
    selection: str = "cyclic",
    random_state: Any = None,
) -> Any:
    """Compute the elastic net for a sequence of penalties, each from the solution before.

    Minimises ``|y - X b|^2 / (2 samples) + alpha l1_ratio |b|_1 + alpha (1 - l1_ratio) |b|^2 / 2``
    for every alpha by coordinate descent [1]_, among the columns that the strong rules [2]_ leave,
    with all conditions of optimality checked. There is no intercept: centre X and y, or use
    `ElasticNet`.

    Parameters
    ----------
    X : array-like of shape (samples, features)
    y : array-like of shape (samples,)
    l1_ratio : float, default=0.5
        Part of the penalty that is L1, in [0, 1]; 1 is the lasso.
    eps : float, default=1e-3
        Last alpha over first alpha.
    n_alphas : int
        Deprecated as in scikit-learn: an integer given as `alphas`.
    alphas : int or array-like, default=100
        How many alphas, or their values.
    precompute : 'auto', bool or array-like of shape (features, features), default='auto'
        Whether to work on X'X, or X'X itself; 'auto' and False leave the choice to Lepton, which
        takes the faster form.
    Xy : array-like of shape (features,), optional
        X'y, to go with X'X.
    copy_X, verbose, check_input : default=True, False, True
        Accepted for scikit-learn's sake; without effect: X is never written to, always checked.
    coef_init : array-like of shape (features,), optional
        Where the first solution begins.
    return_n_iter : bool, default=False
        Whether the numbers of sweeps are returned too.
    positive : bool, default=False
        Whether coefficients stay at 0 or above.
    max_iter : int, default=1000
        Most sweeps for one alpha.
    tol : float, default=1e-4
        A solution is good when a sweep changes no coefficient by more than `tol` of the largest,
        and the duality gap is at most ``tol |y|^2 / samples``.
    selection : {'cyclic', 'random'}, default='cyclic'
        Order of the coordinates.
    random_state : int, RandomState or None, default=None
        The seed of a random order.

    Returns
    -------
    alphas : ndarray of shape (alphas,)
        In falling order.
    coefs : ndarray of shape (features, alphas)
    dual_gaps : ndarray of shape (alphas,)
    n_iters : list of int
        With `return_n_iter`.

    Raises
    ------
    ValueError
        If a parameter is out of its range, shapes do not fit, or a number is NaN or infinite.

    References
    ----------
    .. [1] J. Friedman, T. Hastie and R. Tibshirani, "Regularization Paths for Generalized Linear
       Models via Coordinate Descent", Journal of Statistical Software 33, 2010.
    .. [2] R. Tibshirani et al., "Strong rules for discarding predictors in lasso-type problems",
       JRSS B 74, 2012.

    Examples
    --------
    >>> from lepton.regression import enet_path
    >>> _, coefs, _ = enet_path([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], alphas=[1.0, 0.1])
    >>> coefs.round(3)
    array([[0.806, 0.979]])
    """
    return _path(
        "enet_path", X, y, check_number("enet_path", "l1_ratio", l1_ratio, 0, 1),
        eps, _count("enet_path", n_alphas, alphas), precompute, Xy, coef_init, return_n_iter,
        {"copy_X": copy_X, "verbose": verbose, "check_input": check_input},
        {"positive": positive, "max_iter": max_iter, "tol": tol, "selection": selection,
         "random_state": random_state},
    )  # fmt: skip


def lasso_path(
    X: ArrayLike,
    y: ArrayLike,
    *,
    eps: float = 1e-3,
    n_alphas: int | str = "deprecated",
    alphas: int | ArrayLike = 100,
    precompute: str | bool | ArrayLike = "auto",
    Xy: ArrayLike | None = None,
    copy_X: bool = True,
    coef_init: ArrayLike | None = None,
    verbose: bool | int = False,
    return_n_iter: bool = False,
    positive: bool = False,
    max_iter: int = 1000,
    tol: float = 1e-4,
    selection: str = "cyclic",
    random_state: Any = None,
) -> Any:
    """Compute the lasso for a sequence of penalties: `enet_path` with ``l1_ratio=1``.

    Minimises ``|y - X b|^2 / (2 samples) + alpha |b|_1`` for every alpha.

    Parameters
    ----------
    X, y, eps, n_alphas, alphas, precompute, Xy, copy_X, coef_init, verbose, return_n_iter
        See `enet_path`.
    positive, max_iter, tol, selection, random_state
        See `enet_path`.

    Returns
    -------
    alphas, coefs, dual_gaps[, n_iters]
        See `enet_path`.

    Examples
    --------
    >>> from lepton.regression import lasso_path
    >>> X = [[1.0, 2.0], [2.0, 5.4], [3.1, 4.3]]
    >>> alphas, coefs, _ = lasso_path(X, [1.0, 2.0, 3.1], alphas=[5.0, 1.0], tol=1e-10)
    >>> (coefs != 0).sum(axis=0)
    array([1, 1])
    """
    return _path(
        "lasso_path", X, y, 1.0, eps, _count("lasso_path", n_alphas, alphas), precompute, Xy,
        coef_init, return_n_iter, {"copy_X": copy_X, "verbose": verbose},
        {"positive": positive, "max_iter": max_iter, "tol": tol, "selection": selection,
         "random_state": random_state},
    )  # fmt: skip


def _count(owner: str, n_alphas: Any, alphas: Any) -> Any:
    """The alphas or their number, also as the deprecated `n_alphas` tells it."""
    if isinstance(n_alphas, str) and n_alphas == "deprecated":
        return alphas
    check_int(owner, "n_alphas", n_alphas, 1)
    warnings.warn(
        f"{owner}: n_alphas is deprecated, as in scikit-learn: use alphas={n_alphas}",
        FutureWarning,
        stacklevel=3,
    )
    return n_alphas if np.ndim(alphas) == 0 else alphas


def _path(
    owner: str,
    X: Any,
    y: Any,
    l1_ratio: float,
    eps: float,
    alphas: Any,
    precompute: Any,
    Xy: Any,
    coef_init: Any,
    return_n_iter: bool,
    accepted: dict[str, Any],
    params: dict[str, Any],
) -> Any:
    check_accepted(owner, accepted)
    how = rule(owner, params)
    X = check_array(X, dtype=[np.float64, np.float32], ensure_all_finite=False)
    y = check_array(y, dtype=X.dtype, ensure_2d=False)
    if y.ndim != 1:
        raise ValueError(
            f"{owner}: y expects shape ({len(X)},), one target for each call, got {y.shape}"
        )
    check_consistent_length(X, y)
    check_sizes(owner, "y", y)
    values = given_alphas(owner, alphas, eps)
    p, given = X.shape[1], given_gram(owner, precompute, X.shape[1])
    count = alphas if values is None else len(values)
    products = given is None and (precompute is True or few_columns(p, len(X), count))
    if not products:
        check_sizes(owner, "X", X)
    if given is None:
        work = problem(X, y, None, False, count, products)
        if isinstance(work, Products) and not squares_fit(np.diagonal(work.gram), len(X)):
            check_sizes(owner, "X", X)
    else:
        wide = X.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
        xy = wide[0].T @ wide[1] if Xy is None else _vector(owner, "Xy", Xy, p)
        zero = np.zeros(p), np.zeros(1)
        work = Products(given, xy[:, None], np.atleast_1d(wide[1] @ wide[1]), len(X), *zero)
    if values is None:
        values = alpha_grid(owner, work, l1_ratio, eps, count, how.positive)
    start = None if coef_init is None else _vector(owner, "coef_init", coef_init, p)
    path = work.path(values, l1_ratio, how, start=start)
    path.warn(owner)
    result = values, path.coefs.T.astype(X.dtype), path.gaps
    return (*result, path.sweeps.tolist()) if return_n_iter else result


def _vector(owner: str, name: str, value: Any, p: int) -> NDArray[np.float64]:
    vector: NDArray[np.float64] = check_array(value, dtype=np.float64, ensure_2d=False)
    if vector.shape != (p,):
        raise ValueError(f"{owner}: {name} expects shape ({p},), got {vector.shape}")
    return vector
