# SPDX-License-Identifier: Apache-2.0
"""Inference: standard errors, tests, intervals and the measures of fit, as a table."""

from __future__ import annotations

import html
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg, stats
from sklearn.utils.validation import check_is_fitted

from lepton._check import check_int, check_number
from lepton.estimator import Estimator
from lepton.regression.least_squares import shortest

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Summary"]

# Belsley, Kuh and Welsch (1980): beyond this condition index, two or more columns that owe more
# than half of their variance to it are collinear.
_CONDITION_INDEX, _SHARE = 30.0, 0.5


@dataclass
class Inference:
    """What inference needs to know of a fit; arrays only, so that a file can hold it.

    ``rows' rows`` is the information matrix of the coefficients, in units of the dispersion: X'X of
    the centred rows for least squares, X'WX at the solution for generalised linear models.
    """

    title: str
    estimates: NDArray[np.float64]  # [features, targets]
    intercept: NDArray[np.float64] | None  # [targets]
    rows: NDArray[np.float64]  # [rank, features]
    x_mean: NDArray[np.float64]
    total_weight: float
    dispersion: NDArray[np.float64]  # [targets]
    df_resid: float  # of Student's t; inf for the normal distribution
    measures: dict[str, NDArray[np.float64]]  # by name, one value for each target
    rank: int
    # Whether residuals are no more than rounding, for each target.
    exact: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1, bool))
    # Which coefficients, the intercept last, grow without end as the likelihood rises; or none.
    endless: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def standard_errors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of coefficients [features] and intercept [1], in units of the dispersion's root."""
        scale = np.sqrt((self.rows**2).sum(0))
        constant = scale == 0
        if self.rank == len(scale):
            R = linalg.qr(self.rows / scale, mode="r")[0][: len(scale)]
            root = linalg.solve_triangular(R, np.eye(len(scale))) / scale[:, None]
        else:
            root = shortest(self.rows, np.eye(self.rank))  # as the coefficients are
        mean_part = self.x_mean @ root
        own = np.sqrt((root**2).sum(1))
        own[constant] = np.nan  # nothing is known of its coefficient
        return own, np.sqrt([1 / self.total_weight + mean_part @ mean_part])

    def constant(self) -> NDArray[np.intp]:
        """Places of the columns that are constant, as the intercept is, or 0 without one."""
        return np.flatnonzero(~self.rows.any(axis=0))

    def collinear(self) -> NDArray[np.intp]:
        """Places of the columns that vary and depend on each other."""
        scale = np.sqrt((self.rows**2).sum(0))
        used = np.flatnonzero(scale > 0)
        if not len(used) or 2 * len(self.rows) < len(used):  # far more columns than rows
            return used
        square = np.zeros((max(len(used), len(self.rows)), len(used)))
        square[: len(self.rows)] = self.rows[:, used] / scale[used]
        _, s, V = linalg.svd(square, full_matrices=False)
        s = np.maximum(s, s[0] * 1e-12)  # well above the rounding of V
        index = s[0] / s
        variance = (V / s[:, None]) ** 2
        shares = variance / variance.sum(0)
        weak = index > _CONDITION_INDEX
        found: NDArray[np.intp] = used[(shares[weak].sum(0) > _SHARE) & weak.any()]
        return found

    def condition_number(self) -> float:
        """The largest by the smallest singular value of [1, X]."""
        if self.intercept is None:
            s = linalg.svdvals(self.rows)
        else:
            top = np.sqrt(self.total_weight) * np.concatenate([[1.0], self.x_mean])
            below = np.hstack([np.zeros((len(self.rows), 1)), self.rows])
            s = linalg.svdvals(np.vstack([top, below]))
        full = len(s) == len(self.x_mean) + (self.intercept is not None)
        return float(s[0] / s[-1]) if full and s[-1] > 0 else np.inf

    def summary(self, estimator: Any, alpha: float, target: int) -> Summary:
        """The table of one target."""
        name = type(estimator).__name__ + ".summary"
        alpha = check_number(name, "alpha", alpha, 0, 1, open_minimum=True, open_maximum=True)
        target = check_int(name, "target", target, 0)
        if target >= self.estimates.shape[1]:
            raise IndexError(
                f"{name}: target {target} is out of bounds for {self.estimates.shape[1]} targets"
            )
        features = feature_names(estimator, len(self.estimates))
        coef, (error, constant) = self.estimates[:, target], self.standard_errors()
        names, endless = features, self.endless
        if self.intercept is not None:
            names = [_intercept_name(features), *features]
            coef = np.concatenate([self.intercept[target : target + 1], coef])
            error, endless = np.concatenate([constant, error]), np.roll(endless, 1)
        error = error * np.sqrt(self.dispersion[target])
        error[np.flatnonzero(endless[: len(error)])] = np.nan
        student = np.isfinite(self.df_resid)
        law = stats.t(self.df_resid) if student else stats.norm()
        reach = law.ppf(1 - alpha / 2) * error if self.df_resid > 0 else error * np.nan
        statistic = np.full_like(coef, np.nan)
        np.divide(coef, error, out=statistic, where=(error > 0) & ~self.exact[target])
        columns = {
            "collinear": [
                features[i] for i in self.collinear() if not self.endless[i : i + 1].any()
            ],
            "constant": [features[i] for i in self.constant()],
            "endless": [names[i] for i in np.flatnonzero(endless)],
        }
        _warn(name, columns)
        return Summary(
            title=self.title,
            names=names,
            coef=coef,
            std_err=error,
            statistic=statistic,
            p_value=2 * law.sf(np.abs(statistic)),
            low=coef - reach,
            high=coef + reach,
            alpha=alpha,
            statistic_name="t" if student else "z",
            measures={k: float(v[target]) for k, v in self.measures.items()}
            | {"condition number": self.condition_number()},
            notes=self._notes(target, columns),
            **columns,
        )

    def _notes(self, target: int, columns: dict[str, list[str]]) -> list[str]:
        notes = [f"{_KINDS[kind][0]}: {_listed(names)}" for kind, names in columns.items() if names]
        if self.df_resid == 0:
            notes.append("no residual degrees of freedom: errors are unknown")
        elif self.exact[target]:
            notes.append("no residuals beyond rounding: tests and likelihood say nothing")
        return notes


# How notes and warnings call columns.
_KINDS = {
    "collinear": ("collinear columns", "whose coefficients are hardly determined"),
    "constant": ("constant columns", "whose coefficients are not determined"),
    "endless": ("coefficients that grow without end", "as the likelihood has no maximum"),
}
_LISTED = 20  # names


def _listed(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _warn(owner: str, columns: dict[str, list[str]]) -> None:
    """To be called by what `summary` calls."""
    for kind, names in columns.items():
        if names:
            what, why = _KINDS[kind]
            text = f"{owner}: {what}, {why}: {_listed(names)}"
            warnings.warn(text, UserWarning, stacklevel=4)


def feature_names(estimator: Any, count: int) -> list[str]:
    """The names of features, x0, x1, ... where they have none."""
    found = getattr(estimator, "feature_names_in_", None)
    return [f"x{i}" for i in range(count)] if found is None else [str(n) for n in found]


def _intercept_name(features: list[str]) -> str:
    name = "intercept"
    while name in features:
        name = f"({name})"
    return name


def list_coefficients(estimator: Any, which: NDArray[np.bool_]) -> str:
    """The names of coefficients, the intercept last, as text."""
    features = feature_names(estimator, len(which) - 1)
    names = np.array([*features, _intercept_name(features)], object)
    return _listed(names[which].tolist())


class Summarised(Estimator):
    """An estimator that keeps an `Inference` of its fit."""

    inference_: Inference | None

    def summary(self, alpha: float = 0.05, target: int = 0) -> Summary:
        """Coefficients with standard errors, tests and confidence intervals, and measures of fit.

        Least squares, with n samples of weight above 0, rank r of centred X, and k = r + 1 terms
        (r without an intercept): residual degrees of freedom n - k; ``R2 = 1 - RSS / TSS``, TSS
        being around the mean, or around 0 without an intercept; adjusted R2
        ``1 - (1 - R2) (n - 1) / (n - k)`` (n in place of n - 1 without an intercept); residual
        standard error ``sqrt(RSS / (n - k))`` in the unit of y; ``F = (TSS - RSS) / r / (RSS /
        (n - k))`` and its P; log-likelihood of normal errors with variances in proportion to 1 /
        weight; ``AIC = 2 k - 2 log L`` and ``BIC = k log n - 2 log L``.

        Likelihoods, where a weight is a count: n is the sum of weights, standard errors are those
        of the information X'WX, statistics are normal. The condition number is the largest by the
        smallest singular value of ``[1, X]``, weighted as the fit is. Of dependent columns errors
        are those of the shortest coefficients. What a fit cannot tell is NaN, and a note says why.

        Parameters
        ----------
        alpha : float
            The intervals cover with probability 1 - alpha.
        target : int
            Which target, where there are several.

        Returns
        -------
        Summary
            A table that prints itself; its columns are arrays.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the coefficients were bounded or penalised: they have no such distribution then.
            If there are more than two classes.

        Warns
        -----
        UserWarning
            If columns are collinear or constant, or coefficients grow without end; it names them.
        """
        check_is_fitted(self)
        if self.inference_ is None:
            classes = len(getattr(self, "classes_", ()))
            if classes > 2:
                raise ValueError(
                    f"{self._name}.summary: expects a fit of two classes, got {classes}"
                )
            raise ValueError(
                f"{self._name}.summary: expects a fit without bounds and penalty, whose "
                "coefficients have a known distribution"
            )
        return self.inference_.summary(self, alpha, target)

    def _fitted_state(self) -> dict[str, Any]:
        state = super()._fitted_state()
        inference = state.get("inference_")
        return state | {"inference_": None if inference is None else vars(inference)}

    def _restore(self, state: dict[str, Any]) -> None:
        inference = state.get("inference_")
        super()._restore(state | {"inference_": inference and Inference(**inference)})


@dataclass(repr=False)
class Summary:
    """A fitted model's coefficients and measures of fit.

    At a prompt and in notebooks it shows itself as a table, so does ``print(summary)``. Each column
    is an array with one value for each name.
    """

    title: str
    names: list[str]
    coef: NDArray[np.float64]
    std_err: NDArray[np.float64]
    statistic: NDArray[np.float64]
    p_value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    alpha: float
    statistic_name: str
    measures: dict[str, float]
    collinear: list[str] = field(default_factory=list)
    constant: list[str] = field(default_factory=list)
    endless: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The columns of the table by their headings."""
        tail = f"{self.alpha / 2:.4g}"
        return {
            "coef": self.coef,
            "std err": self.std_err,
            self.statistic_name: self.statistic,
            f"P>|{self.statistic_name}|": self.p_value,
            f"[{tail}": self.low,
            f"{1 - self.alpha / 2:.4g}]": self.high,
        }

    def to_frame(self) -> Any:
        """The table as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(self.columns(), index=self.names)

    def _cells(self) -> list[list[str]]:
        columns = self.columns()
        rows = [["", *columns]]
        for i, name in enumerate(self.names):
            values = [f"{column[i]:#.5g}".rstrip(".") for column in columns.values()]
            if abs(self.statistic[i]) < 1e5:
                values[2] = f"{self.statistic[i]:.3f}"
            values[3] = f"{self.p_value[i]:.3f}"
            rows.append([name, *values])
        return rows

    def __str__(self) -> str:
        names, *columns = (list(column) for column in zip(*self._cells(), strict=True))
        width = max(map(len, names))
        columns = [_at_the_point(column) for column in columns]
        lines = [
            "  ".join([name.ljust(width), *cells]).rstrip()
            for name, *cells in zip(names, *columns, strict=True)
        ]
        rule = "-" * max(map(len, lines))
        measures = [f"{name}: {value:.6g}" for name, value in self.measures.items()]
        half = (len(measures) + 1) // 2
        left = max(map(len, measures[:half]))
        pairs = [
            f"{a.ljust(left)}   {b}".rstrip()
            for a, b in zip(measures[:half], [*measures[half:], ""], strict=False)
        ]
        return "\n".join([self.title, rule, *lines, rule, *pairs, *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells: list[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        head, *body = self._cells()
        table = row(head, "th") + "".join(row(cells, "td") for cells in body)
        measures = ", ".join(f"{html.escape(k)} {v:.6g}" for k, v in self.measures.items())
        below = "<br>".join([measures, *map(html.escape, self.notes)])
        return f"<table><caption>{html.escape(self.title)}</caption>{table}</table>{below}"


def _at_the_point(column: list[str]) -> list[str]:
    """A heading and numbers as text of one width, the decimal points one below the other."""
    heading, *cells = column
    tails = [len(cell) - len(cell.split(".")[0]) for cell in cells]
    cells = [cell + " " * (max(tails) - tail) for cell, tail in zip(cells, tails, strict=True)]
    width = max(map(len, [heading, *cells]))
    return [text.rjust(width) for text in (heading, *cells)]
