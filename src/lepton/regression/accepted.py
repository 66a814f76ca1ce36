# SPDX-License-Identifier: Apache-2.0
"""Parameters that are accepted for scikit-learn's sake: checked, without effect on results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from lepton._check import check_bool, check_choice, check_int, check_number

__all__ = ["check_accepted"]

RIDGE_SOLVERS = ("auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs")


def _verbose(owner: str, name: str, value: Any) -> None:
    if not isinstance(value, (bool, np.bool_)):
        check_int(owner, name, value, 0)


def _jobs(owner: str, name: str, value: Any) -> None:
    if check_int(owner, name, value) == 0:
        raise ValueError(f"{owner}: {name} expects an integer other than 0, or None, got 0")


def _seed(owner: str, name: str, value: Any) -> None:
    try:
        check_random_state(value)
    except ValueError:
        raise ValueError(
            f"{owner}: {name} expects None, an integer or a RandomState, got {value!r}"
        ) from None


# Parameter -> its check, and whether it may be None.
_CHECKS: dict[str, tuple[Callable[[str, str, Any], object], bool]] = {
    "check_input": (check_bool, False),
    "copy_X": (check_bool, False),
    "dual": (check_bool, False),
    "gcv_mode": (partial(check_choice, choices=("auto", "svd", "eigen")), True),
    "intercept_scaling": (partial(check_number, minimum=0, open_minimum=True), False),
    "max_iter": (partial(check_int, minimum=1), True),
    "n_jobs": (_jobs, True),
    "random_state": (_seed, True),
    "solver": (partial(check_choice, choices=RIDGE_SOLVERS), False),
    "tol": (partial(check_number, minimum=0), False),
    "verbose": (_verbose, False),
}


def check_accepted(owner: str, values: Mapping[str, Any]) -> None:
    """Refuse values of parameters without effect that scikit-learn would refuse, too.

    Parameters
    ----------
    owner : str
        What errors call the estimator or function.
    values : dict
        Values by the names of parameters, which `_CHECKS` knows.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range or of another type.
    """
    for name, value in values.items():
        check, optional = _CHECKS[name]
        if not (optional and value is None):
            check(owner, name, value)
