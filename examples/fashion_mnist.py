"""Fashion-MNIST with a small CNN: 91 % test accuracy within five epochs.

    sudo apt-get install dataset-fashion-mnist
    python examples/fashion_mnist.py [--data FOLDER] [--epochs 5] [--output runs/fashion-mnist]

The command line does the same: ``lepton train image --data fashion-mnist``.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse

import numpy as np

import lepton
from lepton import Trainer, plot
from lepton.data import DataLoader, datasets
from lepton.metrics import Accuracy, confusion_matrix
from lepton.vision import ImageRecipe, SmallCNN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the four IDX files (default: Debian's package)")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="runs/fashion-mnist", help="the run directory")
    options = parser.parse_args()

    data = datasets.load_fashion_mnist(*filter(None, [options.data]))
    recipe = ImageRecipe(epochs=options.epochs)
    train = DataLoader(
        data.train,
        batch_size=recipe.batch_size,
        shuffle=True,
        seed=options.seed,
        transform=recipe.train_transform(data),
    )
    test = DataLoader(data.test, batch_size=256, transform=recipe.test_transform(data))

    lepton.manual_seed(options.seed)
    model = SmallCNN(
        num_classes=data.num_classes, in_channels=data.in_channels, image_size=data.image_size
    )
    print(model.summary((data.in_channels, *data.image_size)))
    optimizer = recipe.optimizer(model)
    trainer = Trainer(
        model,
        recipe.loss(),
        optimizer,
        metrics=[Accuracy()],
        scheduler=recipe.schedule(optimizer, len(train)),
        run_dir=options.output,
        seed=options.seed,
    )
    trainer.fit(train, epochs=recipe.epochs)

    guesses = np.asarray(trainer.predict(test)).argmax(axis=1)
    matrix = confusion_matrix(guesses, data.test_labels, num_classes=data.num_classes)
    plot.confusion_matrix(matrix, data.class_names, f"{options.output}/confusion_matrix.png")
    print(f"test_accuracy={np.mean(guesses == data.test_labels):.4f}")


if __name__ == "__main__":
    main()
