"""Real data: every estimator predicts held-out rows at least as well as scikit-learn's."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy import stats
from support import peers
from support.estimators import MODERN
from support.tables import TASKS, Task, california_housing

from lepton.tabular import TabularRegressor

pytestmark = [
    pytest.mark.skipif(not MODERN, reason="scikit-learn before 1.9 names other options"),
    pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning"),
]

PAGE = Path(__file__).parent.parent / "docs" / "regression" / "accuracy.md"
# scipy's L-BFGS, which scikit-learn fits Huber's loss by, ends where a step gains less than 2.2e-9
# of the loss, however small tol is: as far from the minimum as the root of that.
TOLERANCE = {"HuberRegressor": 2.2e-9**0.5}

every_task = pytest.mark.parametrize("make", TASKS, ids=lambda make: make.__name__)


def on_page(task: Task, kind: Any) -> dict[str, float]:
    """Lepton's score by each measure, as the page prints it."""
    start = f"| {task.name} | {len(task.frame):,} | `{kind.__name__}` | "
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith(start)]
    cells = [row.removeprefix(start).strip("| ").split(" | ") for row in rows]
    return {name: float(own) for name, own, _ in cells}


@every_task
def test_linear_models_predict_as_scikit_learn_does(make: Callable[[], Task]) -> None:
    kinds = [kind for kind in peers.EXACT if peers.fits(kind, make())]
    assert kinds
    for kind in kinds:
        task = peers.exact_task(kind, make)
        found, other = peers.exact(kind, task), peers.exact_other(kind, task)
        tolerance = TOLERANCE.get(kind.__name__, 1e-6)
        assert found == pytest.approx(other, rel=0, abs=tolerance), kind.__name__
        assert found == pytest.approx(on_page(task, kind), rel=0, abs=1e-6), kind.__name__


@every_task
def test_networks_predict_at_least_as_well_as_scikit_learn(make: Callable[[], Task]) -> None:
    """Within two standard errors of the difference, where there are several seeds."""
    task = peers.network_task(make)
    kinds = [kind for kind in peers.NETWORKS if peers.fits(kind, task)]
    assert kinds
    for kind in kinds:
        own, other = next(iter(peers.compare_networks(kind, task).values()))
        gain = own - other
        error = stats.sem(gain) if len(gain) > 1 else 0.0
        assert gain.mean() >= -2 * error, f"{kind.__name__}: {own}, scikit-learn's {other}"
    if make is california_housing:
        own, other = peers.compare_networks(TabularRegressor, task)["R2"]
        assert own >= 0.80
        assert own > other
