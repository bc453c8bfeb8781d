"""LayerInputs: what a task's samples never show to a layer is free in its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params
from isthmus.landscape.loss import Loss
from isthmus.landscape.running import evaluation_mode, pair, place, run, weights_for
from isthmus.landscape.tuning.draws import trained
from isthmus.landscape.tuning.flat import FlatDirections
from isthmus.landscape.tuning.readers import Inputs, Place, Readers


@final
@dataclass(frozen=True, eq=False)
class LayerInputs(FlatDirections):
    """Gradient projection memory (GPM; Saha, Garg and Roy 2021), with biases and embeddings.

    A weight matrix W with bias b computes ``W x + b``. A change orthogonal to the span of all
    ``(x, 1)`` that a task's samples show to it leaves its outputs as they are, hence the inputs of
    all later layers: where all layers move so, the function on these samples stays the same
    however far they move, not only to first order. Each group of a convolution does so with its
    patches, an embedding with its rows: those of symbols that were seen rest. What is not read as
    a layer's weight (gains, positions) rests as well. All this is of the model in evaluation mode:
    BatchNorm's own statistics, where they are gathered anew, move whatever the weights do.

    Attributes:
        spans: For each layer, the orthonormal directions of its inputs that are held.
        places: Where the matrices of these layers lie in the parameters.
        seen: For each embedding, which of its rows rest.
        shapes: Of the parameters that the task uses; those in no place, and no embedding, rest.
        share: How much of the inputs' squared length is held.
    """

    spans: tuple[Tensor, ...] = field(repr=False, metadata={"json": False})
    places: tuple[Place, ...] = field(repr=False, metadata={"json": False})
    seen: Params = field(repr=False, metadata={"json": False})
    shapes: Mapping[str, torch.Size] = field(repr=False, metadata={"json": False})
    share: float

    @classmethod
    def of(cls, loss: Loss, params: Mapping[str, Tensor], share: float = 0.99) -> LayerInputs:
        """From all samples of a task.

        Args:
            loss: The task; only its inputs count.
            params: Where it was learned.
            share: Of the inputs' squared length in each layer: the principal directions that have
                it are held. With 1, all are, and the task's function on its samples stays.

        Raises:
            BadInput: ``share`` is not above 0 and at most 1, or the data do not fit the model.
        """
        if not 0 < share <= 1:
            raise BadInput(f"share is {share}", "give a number above 0 and at most 1")
        weights = weights_for(loss.model, params, loss.dtype, loss.device)
        device = next(iter(weights.values())).device
        readers = Readers({n: weights[n] for n in trained(loss, params)})
        with evaluation_mode(loss.model), torch.no_grad():
            for index, batch in enumerate(loss.batches):
                inputs = place(pair(batch, index)[0], device, loss.dtype)
                with readers:
                    run(loss.model, weights, inputs)
        found = readers.found()
        spans = [_principal(inputs, share).to(next(iter(weights.values()))) for inputs in found]
        shapes = {n: weights[n].shape for n in readers.met}
        seen = {n: _most(count, share) for n, count in readers.looked_up().items()}
        return cls(tuple(spans), tuple(one.place for one in found), seen, shapes, share)

    @property
    def free(self) -> int:
        """What is not held of the inputs of every layer, for each of its outputs."""
        layers = sum(
            one.rows * (one.columns - span.shape[1])
            for one, span in zip(self.places, self.spans, strict=True)
        )
        return layers + sum(
            int((~rests).sum()) * self.shapes[n][1:].numel() for n, rests in self.seen.items()
        )

    @property
    def width(self) -> int:
        """The number of parameters that the task uses."""
        return sum(shape.numel() for shape in self.shapes.values())

    def project(self, vector: Mapping[str, Tensor]) -> Params:
        """Every layer's matrix without its parts along the inputs; what rests is zero."""
        moving = {name for one in self.places for name in one.names} | self.seen.keys()
        out = {
            n: torch.zeros_like(t) if n in self.shapes and n not in moving else t.clone()
            for n, t in vector.items()
        }
        for one, span in zip(self.places, self.spans, strict=True):
            if one.weight not in out:
                one.rest(out)
                continue
            if one.bias is not None and one.bias not in out:
                one, span = replace(one, bias=None), torch.linalg.qr(span[:-1]).Q
            matrix = one.read(out)
            one.write(out, matrix - (matrix @ span.to(matrix)) @ span.to(matrix).T)
        for name, rests in self.seen.items():
            if name in out:
                out[name][rests.to(out[name].device)] = 0
        return out


def _principal(inputs: Inputs, share: float) -> Tensor:
    """An orthonormal basis ``(columns, held)`` of what is held."""
    sizes: Tensor
    turned: Tensor
    _, sizes, turned = torch.linalg.svd(inputs.triangle)
    if not len(sizes) or not float(sizes[0]):
        return turned[:0].T
    if share == 1:
        held = int((sizes > 1e-12 * sizes[0]).sum())
    else:
        lengths = sizes.square().cumsum(0) / sizes.square().sum()
        held = int((lengths < share).sum()) + 1
    return turned[:held].T


def _most(counts: Tensor, share: float) -> Tensor:
    """The rows of an embedding that are looked up most: of all look-ups, so large a share."""
    if share == 1:
        return counts > 0
    sizes, order = counts.sort(descending=True)
    held = int((sizes.cumsum(0) < share * sizes.sum()).sum()) + 1
    return torch.zeros_like(counts, dtype=torch.bool).index_fill(0, order[:held], True)
