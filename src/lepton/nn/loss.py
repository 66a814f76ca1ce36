# SPDX-License-Identifier: Apache-2.0
"""Losses as modules; shapes that differ raise, nothing is broadcast."""

from __future__ import annotations

from lepton._check import check_choice, check_int, check_number
from lepton.array import Tensor
from lepton.nn import functional
from lepton.nn.module import Module

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
]


class _Loss(Module):
    """A function of (input, target), reduced over all elements.

    Parameters
    ----------
    reduction : 'mean', 'sum' or 'none'
        What is done with the losses of the elements.
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = check_choice(
            type(self).__name__, "reduction", reduction, ["mean", "sum", "none"]
        )

    def _register_weight(self, name: str, weight: Tensor | None, ndim: int | None = None) -> None:
        self.register_buffer(name, weight)
        if weight is not None and ndim is not None and weight.ndim != ndim:
            raise ValueError(
                f"{type(self).__name__}: {name} expects one value per class, "
                f"got shape {list(weight.shape)}"
            )


class MSELoss(_Loss):
    """``(input - target)**2``, the squared error.

    Parameters
    ----------
    reduction : 'mean', 'sum' or 'none'
        What is done with the losses of the elements.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.MSELoss()(lepton.tensor([1.0, 2.0]), lepton.tensor([1.0, 4.0])).item()
    2.0
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of `input` against `target`, both of one shape."""
        return functional.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """``abs(input - target)``, the absolute error.

    Parameters
    ----------
    reduction : 'mean', 'sum' or 'none'
        What is done with the losses of the elements.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.L1Loss()(lepton.tensor([1.0, 2.0]), lepton.tensor([1.5, 4.5])).item()
    1.5
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of `input` against `target`, both of one shape."""
        return functional.l1_loss(input, target, reduction=self.reduction)


class HuberLoss(_Loss):
    """Squared near zero, straight beyond `delta`.

    With ``e = input - target``: ``e**2 / 2`` where ``abs(e) <= delta``, else
    ``delta * (abs(e) - delta / 2)``.

    Parameters
    ----------
    reduction : 'mean', 'sum' or 'none'
        What is done with the losses of the elements.
    delta : float
        Error at which the straight part begins; positive.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> nn.HuberLoss()(lepton.tensor([1.0, 2.0]), lepton.tensor([2.0, 4.0])).item()
    1.0
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = check_number("HuberLoss", "delta", delta, 0, open_minimum=True)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of `input` against `target`, both of one shape."""
        return functional.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class CrossEntropyLoss(_Loss):
    """Cross-entropy of class scores: ``-log(softmax(input)[target])``.

    Parameters
    ----------
    weight : Tensor, optional
        One factor per class; the mean then divides by the factors of the targets.
    ignore_index : int
        Target whose elements count nothing.
    reduction : 'mean', 'sum' or 'none'
        What is done with the losses of the elements.
    label_smoothing : float
        Share of the target that is spread evenly over all classes, from 0 to 1.

    Shapes: input ``(N, C)`` or ``(N, C, ...)``; target class indices ``(N,)`` or ``(N, ...)``,
    or probabilities of input's shape.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> loss = nn.CrossEntropyLoss()
    >>> round(loss(lepton.zeros((2, 4)), lepton.tensor([1, 3])).item(), 4)
    1.3863
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self._register_weight("weight", weight, 1)
        self.ignore_index = check_int("CrossEntropyLoss", "ignore_index", ignore_index)
        self.label_smoothing = check_number(
            "CrossEntropyLoss", "label_smoothing", label_smoothing, 0, 1
        )

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of the scores `input` against `target`."""
        return functional.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """Negative log-likelihood of log-probabilities: ``-input[target]``.

    Parameters
    ----------
    weight : Tensor, optional
        One factor per class; the mean then divides by the factors of the targets.
    ignore_index : int
        Target whose elements count nothing.
    reduction : 'mean', 'sum' or 'none'
        What is done with the losses of the elements.

    Shapes: input ``(N, C)`` or ``(N, C, ...)``; target ``(N,)`` or ``(N, ...)``.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> log_probabilities = nn.LogSoftmax(1)(lepton.zeros((2, 4)))
    >>> round(nn.NLLLoss()(log_probabilities, lepton.tensor([1, 3])).item(), 4)
    1.3863
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self._register_weight("weight", weight, 1)
        self.ignore_index = check_int("NLLLoss", "ignore_index", ignore_index)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of the log-probabilities `input` against `target`."""
        return functional.nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of scores.

    ``-(pos_weight * target * log(p) + (1 - target) * log(1 - p)) * weight`` with
    ``p = sigmoid(input)``.

    Parameters
    ----------
    weight : Tensor, optional
        Factor of each element's loss.
    reduction : 'mean', 'sum' or 'none'
        What is done with the losses of the elements.
    pos_weight : Tensor, optional
        Factor of the positive part, one per class.

    Shapes: input and target have one shape; the two weights broadcast to it.

    Examples
    --------
    >>> import lepton
    >>> from lepton import nn
    >>> loss = nn.BCEWithLogitsLoss()
    >>> round(loss(lepton.zeros((3,)), lepton.tensor([0.0, 1.0, 1.0])).item(), 4)
    0.6931
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(reduction)
        self._register_weight("weight", weight)
        self._register_weight("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of the scores `input` against `target`."""
        return functional.binary_cross_entropy_with_logits(
            input,
            target,
            weight=self.weight,
            reduction=self.reduction,
            pos_weight=self.pos_weight,
        )
