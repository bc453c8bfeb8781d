"""ConnectivityPenalty: the loss on the lines from a model in training to others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, ShapeMismatch, UnknownName
from isthmus.landscape.evaluation.metrics import Criterion
from isthmus.landscape.running import Batch, run


@final
@dataclass(frozen=True, eq=False)
class ConnectivityPenalty:
    """``β/N Σⱼ E_α L(α θ + (1-α) anchorⱼ)``, α uniform in [0, 1] (Li et al. 2024, FedGuCci).

    A term for any training loop, beside the loss of the model itself, with which the model stays
    linearly connected to its N anchors::

        penalty = ConnectivityPenalty(anchors, beta=0.5)
        loss = criterion(model(x), y) + penalty(model, (x, y), criterion)
        loss.backward()

    The model is run in the mode it is in; statistics that a BatchNorm gathers on the lines are
    thrown away. Anchors are brought to the dtypes and the device of the model.

    Args:
        anchors: Params with all names of the model's parameters, as `params_of` gives them.
        beta: β, 0 or more.
        draws: Of α, for each anchor and call.

    Raises:
        BadInput: There are no anchors, or ``beta`` is negative, or ``draws`` is not positive.
    """

    anchors: Sequence[Mapping[str, Tensor]] = field(repr=False)
    beta: float = 1.0
    draws: int = 1

    def __post_init__(self) -> None:
        if not self.anchors:
            raise BadInput(
                "no anchors to stay connected to", "give the Params of one model or more"
            )
        if not 0 <= self.beta < math.inf or self.draws < 1:
            raise BadInput(
                f"beta is {self.beta} and draws is {self.draws}, "
                "expected a finite number of 0 or more and at least 1",
                "give 1.0 and 1, say",
            )

    def __call__(
        self,
        model: nn.Module,
        batch: Batch,
        criterion: Criterion,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The penalty on a batch, with its gradient by the model's parameters.

        Args:
            model: Where it stands; left as it is.
            batch: Inputs and targets.
            criterion: Outputs and targets to their mean loss.
            generator: For α, on the CPU; None takes torch's random state.

        Raises:
            UnknownName: An anchor lacks a parameter of the model.
            ShapeMismatch: A tensor has another shape there.
            BadInput: The model cannot take the batch.
        """
        inputs, targets = batch
        values = []
        for number, anchor in enumerate(self.anchors):
            for _ in range(self.draws):
                share = float(torch.rand((), generator=generator))
                there = _between(model, anchor, share, f"anchor {number}")
                values.append(criterion(run(model, there, inputs), targets))
        return self.beta * torch.stack(values).mean()


def _between(
    model: nn.Module, anchor: Mapping[str, Tensor], share: float, source: str
) -> dict[str, Tensor]:
    """``share`` of the way from the anchor to the model; its buffers, to be written to."""
    found = {name: buffer.clone() for name, buffer in model.named_buffers()}
    for name, tensor in model.named_parameters():
        if name not in anchor:
            raise UnknownName(
                f"{source}: {name!r} is missing", "give params_of a model of this architecture"
            )
        if anchor[name].shape != tensor.shape:
            raise ShapeMismatch(
                f"{source}: {name!r} has shape {tuple(anchor[name].shape)}, "
                f"expected {tuple(tensor.shape)}",
                "give params_of a model of this architecture and width",
            )
        found[name] = torch.lerp(anchor[name].detach().to(tensor), tensor, share)
    return found
