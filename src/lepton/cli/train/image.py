# SPDX-License-Identifier: Apache-2.0
"""Train a network that recognises images.

Without options: a small CNN on the handwritten digits that scikit-learn ships.

examples:
  lepton train image
  lepton train image --data fashion-mnist --epochs 5
  lepton train image --data photos/ --image-size 64       photos/<class>/*.jpg
  lepton train image --data mnist/ --model LeNet          a folder of IDX files
  lepton train image --output runs/mine --seed 3 --lr 0.005 --batch-size 32
  lepton train image --resume runs/mine                   go on after Ctrl-C or a crash
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np

import lepton
from lepton import Trainer, plot
from lepton._check import check_choice, check_int, check_number
from lepton.cli._image import ImageRun, load_data, model_classes, probabilities, ready_data
from lepton.cli._output import print_confusion, print_json, print_table
from lepton.cli._runs import add_option, add_run_options, open_run, say_how_to_go_on
from lepton.data import DataLoader, Subset, datasets, stratified_split
from lepton.data.datasets import ImageData
from lepton.metrics import Accuracy, confusion_matrix
from lepton.training import RunDirectory, TrainingInterrupted
from lepton.vision import ImageRecipe

DEFAULTS: dict[str, Any] = {
    "data": "digits",
    "model": "SmallCNN",
    "epochs": None,
    "batch_size": None,
    "lr": None,
    "seed": 0,
    "validation": 0.1,
    "image_size": None,
    "grey": None,
    "checkpoint_every": 30.0,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option = functools.partial(add_option, parser, DEFAULTS)
    option("data", f"{', '.join(ready_data())}, or a folder of class folders or of IDX files")
    option("model", f"the network: {', '.join(model_classes())}")
    option("epochs", "passes over the training images (default: by their number)", type=int)
    option("batch_size", "images per step (default: by their number)", type=int)
    option("lr", "the highest learning rate (default: 0.01)", type=float)
    option("seed", "of weights, order, augmentation and dropout", type=int)
    option("validation", "share of the training images that chooses the best epoch", type=float)
    option("image_size", "height and width to resize image files to", type=int)
    option("grey", "read image files without colours", action="store_true")
    option("checkpoint_every", "seconds between checkpoints inside an epoch", type=float)
    add_run_options(parser, "DATA")


def run(args: argparse.Namespace) -> None:
    directory, options = open_run(args, "image", DEFAULTS, check_options, _folder_name)
    data = load_data(options["data"], options["image_size"], options["grey"])
    say = sys.stderr if args.format == "json" else sys.stdout
    trainer = train(directory, data, options, args.resume is not None, say)
    finish(directory, trainer, data, args.format)


def check_options(options: dict[str, Any]) -> None:
    """Raise ValueError for an option that no training could use; make a folder's path whole."""
    owner = "train image"
    if options["data"] not in ready_data() and Path(options["data"]).is_dir():
        options["data"] = str(Path(options["data"]).resolve())
    for name, least in {"epochs": 1, "batch_size": 1, "seed": 0, "image_size": 1}.items():
        if options[name] is not None:
            check_int(owner, "--" + name.replace("_", "-"), options[name], least)
    inside = {"open_minimum": True, "open_maximum": True}
    check_number(owner, "--validation", options["validation"], 0, 1, **inside)
    check_number(owner, "--checkpoint-every", options["checkpoint_every"], 0)
    if options["lr"] is not None:
        check_number(owner, "--lr", options["lr"], 0, open_minimum=True)
    check_choice(owner, "--model", options["model"], sorted(model_classes()))


def _folder_name(options: dict[str, Any]) -> str:
    data = options["data"]
    return Path(data).name if Path(data).is_dir() else data


def train(
    directory: RunDirectory, data: ImageData, options: dict[str, Any], resume: bool, say: Any
) -> Trainer:
    """Train by the recipe for the data, changed by the options, into the run directory."""
    settings = ("epochs", "batch_size", "lr")
    chosen = {name: options[name] for name in settings if options[name] is not None}
    recipe = dataclasses.replace(ImageRecipe.for_data(data), **chosen)
    arguments = {
        "num_classes": data.num_classes,
        "in_channels": data.in_channels,
        "image_size": list(data.image_size),
    }
    lepton.manual_seed(options["seed"])
    model = model_classes()[options["model"]](**arguments)
    test_transform = recipe.test_transform(data)
    fit_part, held_out = stratified_split(data.train_labels, options["validation"], seed=0)
    train_loader = DataLoader(
        Subset(data.train, fit_part),
        batch_size=recipe.batch_size,
        shuffle=True,
        seed=options["seed"],
        transform=recipe.train_transform(data),
    )
    optimizer = recipe.optimizer(model)
    config = {
        "task": "image",
        "options": options,
        "recipe": dataclasses.asdict(recipe),
        "classes": list(data.class_names),
        "image": {"size": list(data.image_size), "channels": data.in_channels},
        "transform": test_transform.config(),
        "model": {
            "class": options["model"],
            "arguments": arguments,
            "parameters": sum(p.size for p in model.parameters()),
        },
    }
    trainer = Trainer(
        model,
        recipe.loss(),
        optimizer,
        metrics=[Accuracy()],
        scheduler=recipe.schedule(optimizer, len(train_loader)),
        run_dir=directory.path,
        seed=options["seed"],
        monitor="val_loss",  # accuracy on few images ties early, long before the best
        checkpoint_every=float(options["checkpoint_every"]),
        config=config,
    )
    _introduce(directory, data, len(fit_part), len(held_out), config, say)
    validation = DataLoader(Subset(data.train, held_out), batch_size=256, transform=test_transform)
    try:
        trainer.fit(train_loader, recipe.epochs, validation=validation, resume=resume)
    except TrainingInterrupted as stop:
        raise say_how_to_go_on("image", directory, stop) from None
    return trainer


def _introduce(
    directory: RunDirectory,
    data: ImageData,
    training: int,
    validation: int,
    config: dict[str, Any],
    say: Any,
) -> None:
    height, width = data.image_size
    colour = "grey" if data.in_channels == 1 else "colour"
    threads = lepton.threads()
    for name, value in {
        "data": f"{data.name}: {training:,} training, {validation:,} validation and "
        f"{len(data.test_labels):,} test images, {height} x {width} {colour}, "
        f"{data.num_classes} classes",
        "model": f"{config['model']['class']}, {config['model']['parameters']:,} parameters",
        "threads": f"{threads['threads']} ({threads['why']}), {lepton.isa()}",
        "run": directory.path,
    }.items():
        print(f"{name:<8} {value}", file=say)
    say.flush()


def finish(directory: RunDirectory, trainer: Trainer, data: ImageData, form: str) -> None:
    """Test the best weights, write results and pictures, and print them."""
    trained = ImageRun.load(directory, "best")
    result = measure(trained, data, trainer.loss)
    directory.update_metrics(test=result)
    pictures(directory, trained, data)
    if form == "json":
        print_json({"run": str(directory.path), "history": trainer.history.rows, "test": result})
        return
    show(result, data.class_names)
    print(f"\nrun directory: {directory.path}")
    print(f"test_accuracy={result['accuracy']:.4f}")


def measure(trained: ImageRun, data: ImageData, loss: Any = None) -> dict[str, Any]:
    """Return accuracy, loss and confusion matrix on the test images."""
    scores = trained.scores(data.test_images)
    guesses = np.asarray(scores).argmax(axis=1)
    result: dict[str, Any] = {
        "accuracy": float((guesses == data.test_labels).mean()),
        "images": len(data.test_labels),
        "confusion_matrix": np.asarray(
            confusion_matrix(guesses, data.test_labels, num_classes=data.num_classes)
        ).tolist(),
    }
    if loss is not None:
        result["loss"] = float(loss(scores, lepton.asarray(data.test_labels)).item())
    return result


def show(result: dict[str, Any], classes: tuple[str, ...]) -> None:
    """Print the results on the test images."""
    print()
    print_confusion(np.array(result["confusion_matrix"]), classes)


def pictures(directory: RunDirectory, trained: ImageRun, data: ImageData) -> None:
    """Draw the confusion matrix, and the test images that the network is least sure of."""
    chances = probabilities(trained.scores(data.test_images))
    guesses = chances.argmax(axis=1)
    right = chances[np.arange(len(chances)), data.test_labels]
    hardest = np.argsort(right, kind="stable")[:32]
    matrix = confusion_matrix(guesses, data.test_labels, num_classes=data.num_classes)
    try:
        plot.confusion_matrix(matrix, data.class_names, directory.path / "confusion_matrix.png")
        plot.predictions(
            data.test_images[hardest],
            guesses[hardest],
            data.test_labels[hardest],
            data.class_names,
            chances.max(axis=1)[hardest],
            directory.path / "predictions.png",
            title="The hardest test images, hardest first",
        )
    except ImportError:
        print("no pictures: pip install matplotlib", file=sys.stderr)


def evaluate(directory: RunDirectory, args: argparse.Namespace) -> None:
    """Serve ``lepton evaluate`` for runs of this command."""
    trained = ImageRun.load(directory, args.checkpoint)
    options = directory.config["options"]
    if args.data is None:
        data = load_data(options["data"], options["image_size"], options["grey"])
    else:
        data = _other_data(args.data, trained)
    if list(data.class_names) != trained.classes:
        raise ValueError(
            f"{data.name}: the classes {list(data.class_names)} are not those of the run, "
            f"{trained.classes}"
        )
    result = measure(trained, data)
    if args.format == "json":
        print_json({"run": str(directory.path), "data": data.name, **result})
        return
    show(result, data.class_names)
    print(f"\n{result['images']:,} test images of {data.name}")
    print(f"test_accuracy={result['accuracy']:.4f}")


def _other_data(name: str, trained: ImageRun) -> ImageData:
    if name in datasets.names() or not Path(name).is_dir():
        return load_data(name, None, None)
    return load_data(name, trained.image_size, trained.channels == 1)


def predict(directory: RunDirectory, args: argparse.Namespace) -> None:
    """Serve ``lepton predict`` for runs of this command."""
    if args.output is not None:
        raise ValueError("--output is for tables, and this run is on pictures")
    trained = ImageRun.load(directory, args.checkpoint)
    images = np.stack([trained.read(path, args.invert) for path in args.inputs])
    chances = probabilities(trained.scores(images))
    found = []
    for path, row in zip(args.inputs, chances, strict=True):
        best = np.argsort(-row, kind="stable")[: args.top]
        top = [{"class": trained.classes[i], "probability": float(row[i])} for i in best]
        found.append({"file": path, "top": top})
    if args.format == "json":
        print_json({"run": str(directory.path), "predictions": found})
        return
    rows = [
        [entry["file"], guess["class"], f"{100 * guess['probability']:.1f} %"]
        for entry in found
        for guess in entry["top"]
    ]
    print_table(rows, ["file", "class", "probability"], left=2)
