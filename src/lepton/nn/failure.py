# SPDX-License-Identifier: Apache-2.0
"""The path of the layer that failed, put into the message of its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lepton.nn.module import Module


class _Failure(NamedTuple):
    """Where an error came from: kept on the exception while it rises through the modules."""

    message: str  # as it was raised
    layer: str  # class name of the module whose forward raised
    path: str  # of that module, seen from `seen_from`
    seen_from: Module


def name_layer(error: Exception, module: Module) -> None:
    """Put the failing layer's path, seen from `module`, before the message of `error`."""
    if len(error.args) != 1 or not isinstance(error.args[0], str) or isinstance(error, KeyError):
        return
    failure: _Failure | None = getattr(error, "_lepton_failure", None)
    if failure is None:
        failure = _Failure(error.args[0], type(module).__name__, "", module)
    else:
        below = failure.seen_from
        name = next((name for name, child in module.named_modules() if child is below), "")
        path = ".".join(filter(None, (name, failure.path)))
        failure = failure._replace(path=path, seen_from=module)
        if path:
            layer = "" if failure.message.startswith(f"{failure.layer}:") else f"{failure.layer}: "
            error.args = (f"{path}: {layer}{failure.message}",)
    error._lepton_failure = failure  # type: ignore[attr-defined]
