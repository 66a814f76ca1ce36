# SPDX-License-Identifier: Apache-2.0
"""What `fit` is given besides data, and hands on to splitters and scorers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn import get_config
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from lepton.regression.linear_model import LinearModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CrossValidated", "routing_enabled"]


def routing_enabled() -> bool:
    """Whether scikit-learn's metadata routing is on."""
    return bool(get_config()["enable_metadata_routing"])


class CrossValidated(LinearModel):
    """A linear model that chooses a parameter by cross-validation."""

    cv: Any

    def get_metadata_routing(self) -> MetadataRouter:
        """Which parameters of `fit` go to the splitter, and to the scorer if there is one.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        split = MethodMapping().add(caller="fit", callee="split")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(splitter=self.cv, method_mapping=split)

    def _route(self, weight: NDArray[Any] | None, params: dict[str, Any]) -> Any:
        """Parameters by receiver and method: ``.splitter.split`` and ``.scorer.score``."""
        own = {} if weight is None else {"sample_weight": weight}
        if routing_enabled():
            return process_routing(self, "fit", **own, **params)
        if params:
            raise ValueError(
                f"{self._name}: fit takes {', '.join(map(repr, params))} only with "
                "sklearn.set_config(enable_metadata_routing=True)"
            )
        return Bunch(splitter=Bunch(split={}), scorer=Bunch(score=own))
