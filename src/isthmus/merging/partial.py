"""PartialMerge: some layers stay as one model has them, the others are merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from isthmus.discovery import parameter_order
from isthmus.discovery.capture import Example
from isthmus.ground import BadInput, Params, UnknownName, closest
from isthmus.merging.average import Average
from isthmus.merging.mergers import AbstractMerger

_AVERAGE = Average()


@final
@dataclass(frozen=True)
class PartialMerge(AbstractMerger):
    """Layers that are named stay those of one model; all others are merged.

    Preserve-first merging (Qu and Horvath 2025, PFM) keeps the first layers, so that their features
    do not vanish: ``PartialMerge(early_layers(model, example, 0.5))``. The features on which the
    merged layers then run are those of one model, near the others' only where all are aligned.
    `Trunks` keeps the first layers of every model.

    Args:
        keep: Names of modules or of single parameters.
        then: How the others are merged.
        of: The number of the model whose layers are kept, from 0.

    Raises:
        BadInput: On a call: there is no model of that number.
        UnknownName: On a call: no parameter has such a name.
    """

    keep: Sequence[str]
    then: AbstractMerger = _AVERAGE
    of: int = 0

    def __call__(self, models: Sequence[Mapping[str, Tensor]]) -> Params:
        """The merged Params."""
        if not 0 <= self.of < len(models):
            raise BadInput(
                f"layers of model {self.of} are to stay, of {len(models)} models",
                "count from 0, the first model",
            )
        kept = models[self.of]
        names = {name for prefix in self.keep for name in names_of(prefix, kept)}
        merged = self.then(models)
        return {n: kept[n].clone() if n in names else tensor for n, tensor in merged.items()}


def early_layers(model: nn.Module, example: Example, share: float) -> tuple[str, ...]:
    """The modules that run first, of those that hold parameters.

    Args:
        model: The module; traced on the example, so that the order is that of the operators.
        example: Inputs of it.
        share: Of the number of these modules, from 0 (none) to 1 (all); rounded.

    Raises:
        BadInput: The share is not in [0, 1].
        CaptureFailed: The model cannot be traced.
    """
    if not 0 <= share <= 1:
        raise BadInput(f"share is {share}, expected a number in [0, 1]", "give 0.5, say")
    owners = dict.fromkeys(n.rpartition(".")[0] or n for n in parameter_order(model, example))
    return tuple(owners)[: round(share * len(owners))]


def names_of(prefix: str, params: Mapping[str, Tensor]) -> list[str]:
    """The names of a module's tensors; a name of its own counts too."""
    found = [name for name in params if name == prefix or name.startswith(f"{prefix}.")]
    if not found:
        owners = [n.rpartition(".")[0] for n in params]
        near = closest(prefix, [*params, *owners])
        raise UnknownName(
            f"no parameter is {prefix!r}, or lies in a module of that name",
            f"did you mean {near!r}?" if near else "give names of modules or parameters",
        )
    return found
