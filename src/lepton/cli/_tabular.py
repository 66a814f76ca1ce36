# SPDX-License-Identifier: Apache-2.0
"""What the commands on tables do with a model: make, load, measure, draw, predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lepton import plot
from lepton.cli._notes import counter_columns
from lepton.cli._problem import Problem, split_rows
from lepton.cli._table import TableFile, pick_columns
from lepton.metrics import confusion_matrix
from lepton.training import RunDirectory, read_checkpoint

if TYPE_CHECKING:
    from pandas import DataFrame

    from lepton.tabular import TabularClassifier, TabularRegressor

    Model = TabularClassifier | TabularRegressor

__all__ = [
    "MODEL_FILE", "Table", "class_names", "load_model", "make_model", "measure",
    "pictures", "predictions",
]  # fmt: skip

MODEL_FILE = "model.safetensors"
_MOST_CELLS = 100_000_000  # resamples times rows, which bounds the time for intervals


class Table:
    """A problem with its rows cut into those to train and those to test on."""

    def __init__(
        self,
        problem: Problem,
        train: NDArray[np.int64],
        test: NDArray[np.int64],
        dropped: int = 0,
        counters: Sequence[str] = (),
    ) -> None:
        self.problem, self.train, self.test = problem, train, test
        self.dropped = dropped  # rows without a target
        self.counters = list(counters)  # columns left out, as they count the rows

    @classmethod
    def read(cls, options: dict[str, Any]) -> Table:
        """Read what the options of a run name."""
        file = TableFile(options["data"], options)
        frame = file.read()
        names = pick_columns(file, frame, options["categories"]).columns
        frame = frame.assign(**{name: frame[name].astype("category") for name in names})
        used = [options["target"], options["weight"], options["time"], *options["drop"], *names]
        counters = [name for name in counter_columns(frame) if name not in used]
        problem = Problem.of(
            file,
            frame.drop(columns=counters),
            options["target"],
            options["task"],
            options["drop"],
            options["weight"],
            options["drop_missing_target"],
        )
        problem.check_varied(file)
        share, time = options["test_size"], options["time"]
        train, test = split_rows(file, problem, share, options["seed"], time)
        for rows, name in ((train, "train"), (test, "test")):
            if problem.weight is not None and not problem.weight[rows].any():
                raise ValueError(
                    f"{file}: --weight expects some > 0 in the {name} rows, got only 0"
                )
        options["dates"] = file.date_options()
        return cls(problem, train, test, len(frame) - len(problem.target), counters)

    def part(self, rows: NDArray[np.int64]) -> tuple[DataFrame, Any, Any]:
        """Features, target and weights, or None, of some rows."""
        weight = self.problem.weight
        rest = None if weight is None else weight[rows]
        return self.problem.features.iloc[rows], self.problem.target[rows], rest


def make_model(task: str, options: dict[str, Any]) -> Model:
    """Return the estimator that the options ask for, not fitted yet."""
    from lepton.tabular import TabularClassifier, TabularRegressor

    named = {"epochs": "max_iter", "batch_size": "batch_size", "lr": "learning_rate_init",
             "dropout": "dropout"}  # fmt: skip
    chosen = {
        name: options[option] for option, name in named.items() if options[option] is not None
    }
    settings = {
        "hidden_layer_sizes": tuple(options["hidden"]),
        "validation_fraction": options["validation"],
        "random_state": options["seed"],
        "verbose": True,
        **chosen,
    }
    if task == "regression":
        if options["class_weight"] is not None:
            raise ValueError("--class-weight is for classification, and the target holds numbers")
        return TabularRegressor(**settings)
    return TabularClassifier(class_weight=options["class_weight"], **settings)


def load_model(directory: RunDirectory, checkpoint: str) -> Model:
    """Read the model of a finished run, with the weights of its best or its last epoch."""
    from lepton.estimator import Estimator
    from lepton.tabular.table_estimator import settle

    path = directory.path / MODEL_FILE
    if not path.is_file():
        raise ValueError(
            f"{directory.path} holds no finished model: go on with "
            f"lepton train tabular --resume {directory.path}"
        )
    model: Any = Estimator.load(path)
    if checkpoint == "last":
        weights = read_checkpoint(directory.checkpoints / "last").weights
        try:
            model.module_.load_state_dict(weights)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{directory.checkpoints / 'last'}: {error}") from error
        settle(model.module_, model.schema_)
    return model  # type: ignore[no-any-return]


def class_names(model: Any) -> list[str]:
    """The classes of a classifier as text."""
    return [str(name) for name in model.classes_.tolist()]


def measure(model: Model, X: DataFrame, y: Any, weight: Any = None) -> dict[str, Any]:
    """Return measures with their intervals, and of classes the confusion matrix, in rows."""
    from lepton.tabular.measures import ClassMeasures, RegressionMeasures, bootstrap

    result: dict[str, Any] = {"rows": len(y)}
    resamples = int(np.clip(_MOST_CELLS // len(y), 200, 1000))
    if hasattr(model, "classes_"):
        chances, codes = model.predict_proba(X), _codes(model, y)
        found = bootstrap(ClassMeasures(codes, chances), len(y), resamples, weight=weight)
        matrix = confusion_matrix(chances.argmax(axis=1), codes, num_classes=chances.shape[1])
        result["confusion_matrix"] = np.asarray(matrix).tolist()
    else:
        measures = RegressionMeasures(y, model.predict(X))
        found = bootstrap(measures, len(y), resamples, weight=weight)
    result["measures"] = {name: estimate._asdict() for name, estimate in found.items()}
    return result


def _codes(model: Any, y: Any) -> Any:
    """The number of each class; those that training has not seen are refused."""
    strange = set(np.unique(y).tolist()) - set(model.classes_.tolist())
    if strange:
        raise ValueError(
            f"the target expects the classes {model.classes_.tolist()[:20]} of the run, "
            f"got {sorted(strange)[0]!r}"
        )
    return np.searchsorted(model.classes_, y)


def pictures(
    directory: RunDirectory, model: Any, X: DataFrame, y: Any, ranking: list[dict[str, Any]]
) -> None:
    """Draw predictions against truth, or confusion and ROC, and the importance of columns."""
    folder = directory.path
    label = "loss of R2 when shuffled"
    if hasattr(model, "classes_"):
        label = "rise of log loss when shuffled"
        chances, codes, names = model.predict_proba(X), _codes(model, y), class_names(model)
        matrix = confusion_matrix(chances.argmax(axis=1), codes, num_classes=len(names))
        plot.confusion_matrix(matrix, names, folder / "confusion_matrix.png")
        plot.roc_curve(codes, chances, names, folder / "roc.png")
    else:
        name = directory.config["options"]["target"]
        plot.predicted_against_true(y, model.predict(X), folder / "predictions.png", name)
    means, deviations = ([entry[k] for entry in ranking] for k in ("mean", "std"))
    names = [entry["column"] for entry in ranking]
    plot.importance(names, means, deviations, folder / "importance.png", label)


def predictions(model: Any, file: TableFile) -> DataFrame:
    """Predict each row of a file: the number, or the class and the probability of each class."""
    import pandas

    X = pick_columns(file, file.read(model.schema_), list(model.schema_.kinds))
    if not hasattr(model, "classes_"):
        return pandas.DataFrame({"prediction": model.predict(X)})
    chances = model.predict_proba(X)
    guesses = model.classes_[chances.argmax(axis=1)]
    columns = {f"probability_{name}": chances[:, i] for i, name in enumerate(class_names(model))}
    return pandas.DataFrame({"prediction": guesses, **columns})
