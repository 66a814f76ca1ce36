"""Prediction for one sample: what a server or a device waits for."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from bench import sides
from bench.case import Case, Work, flops, sum_tolerance
from bench.models import NETWORKS, Network

TITLE = "Prediction, batch 1"


def framework(network: Network) -> Callable[[Any], Work]:
    def build(fw: Any) -> Work:
        model = fw.module(network.make(fw.nn)).eval()
        array = network.data(1)[0]
        x = fw.image(array) if network.image else fw.tensor(array)
        quiet = fw.no_grad if fw.is_lepton else fw.lib.inference_mode

        def run() -> Any:
            with quiet():
                return model(x)

        return Work(run, lambda: [fw.numpy(run())])

    return build


def onnxruntime(network: Network) -> Callable[[Any], Work]:
    """The PyTorch model exported to ONNX."""

    def build(side: Any) -> Work:
        import torch

        fw = sides.Framework("torch-default", side.threads)
        model = fw.module(network.make(fw.nn)).eval()
        array = network.data(1)[0]
        file = io.BytesIO()
        torch.onnx.export(model, (fw.tensor(array),), file, dynamo=False, input_names=["x"])
        options = side.lib.SessionOptions()
        options.intra_op_num_threads = side.threads
        # Idle threads sleep, as everyone's do here.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = side.lib.InferenceSession(
            file.getvalue(), options, providers=["CPUExecutionProvider"]
        )
        return Work(
            lambda: session.run(None, {"x": array}), lambda: session.run(None, {"x": array})
        )

    return build


def cases(quick: bool) -> Iterator[Case]:
    for network in NETWORKS:
        yield Case(
            f"{network.name}, batch 1",
            {"framework": framework(network), "onnxruntime": onnxruntime(network)},
            targets={"torch": 2.0},
            ceiling=flops(network.operations),
            # Twenty layers of sums of up to 4608 products.
            tolerance=20 * sum_tolerance(4608),
        )
