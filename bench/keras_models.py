"""The networks of the training steps in Keras's layers, for TensorFlow and JAX.

Images come last-channel, as Keras wants them; `fit`'s compiled step is what is timed.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.models import Network


def mlp(layers: Any, x: Any, hidden: tuple[int, ...]) -> Any:
    for width in hidden:
        x = layers.Dense(width, activation="relu")(x)
    return x


def lenet(layers: Any, x: Any) -> Any:
    for width in (32, 64):
        x = layers.Conv2D(width, 5, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    return layers.Dense(128, activation="relu")(layers.Flatten()(x))


def resnet18(layers: Any, x: Any) -> Any:
    def conv_bn(x: Any, width: int, kernel: int, stride: int) -> Any:
        x = layers.Conv2D(width, kernel, strides=stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    x = layers.ReLU()(conv_bn(x, 64, 3, 1))
    for width in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if block == 0 and width > 64 else 1
            y = layers.ReLU()(conv_bn(x, width, 3, stride))
            y = conv_bn(y, width, 3, 1)
            shortcut = conv_bn(x, width, 1, stride) if stride > 1 else x
            x = layers.ReLU()(layers.Add()([y, shortcut]))
    return layers.GlobalAveragePooling2D()(x)


def lstm_classifier(layers: Any, x: Any) -> Any:
    return layers.LSTM(256)(x)


def transformer(layers: Any, x: Any) -> Any:
    for _ in range(4):
        y = layers.MultiHeadAttention(4, 64, dropout=0.1)(x, x)
        x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, layers.Dropout(0.1)(y)]))
        y = layers.Dropout(0.1)(layers.Dense(1024, activation="relu")(x))
        y = layers.Dropout(0.1)(layers.Dense(256)(y))
        x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, y]))
    return layers.GlobalAveragePooling1D()(x)


BODIES: dict[str, Callable[[Any, Any], Any]] = {
    "MLP 30-64-64-2": lambda layers, x: mlp(layers, x, (64, 64)),
    "MLP 784-512-256-10": lambda layers, x: mlp(layers, x, (512, 256)),
    "LeNet": lenet,
    "ResNet-18 CIFAR": resnet18,
    "LSTM classifier": lstm_classifier,
    "transformer encoder": transformer,
}


def step(keras: Any, network: Network, batch: int) -> Callable[[], Any]:
    """A function that trains on one batch."""
    x, y = network.data(batch)
    if network.image:
        x = x.transpose(0, 2, 3, 1).copy()
    inputs = keras.Input(x.shape[1:])
    outputs = keras.layers.Dense(network.classes)(BODIES[network.name](keras.layers, inputs))
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return lambda: model.train_on_batch(x, y)
