"""CommonUnits: the hidden units of several models expressed in one set of units, space by space."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.groups.base import spread
from isthmus.algebra.reps import Block, Rep
from isthmus.algebra.spaces import Axis, Choice, Factor, leaves
from isthmus.alignment.fusion.carrier import carried
from isthmus.ground import BadInput, Params, double, is_real_valued


@dataclass(frozen=True, eq=False)
class Passage:
    """How the units of one model become common units; all by the names of spaces.

    Attributes:
        natural: Merge matrices, of what units compute, ``(*over, m, n)``: m common units of n.
        dual: Unmerge matrices, of what reads units, ``(*over, m, n)``: a reader of the model
            takes ``dual.mT`` times the common units for its own.
        counts: For how many units of the model each common one stands, ``(*over, m)``: what
            is carried by ``natural`` is a sum over so many.
    """

    natural: Mapping[str, Tensor]
    dual: Mapping[str, Tensor]
    counts: Mapping[str, Tensor]

    @property
    def maps(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Both matrices of each space."""
        return {name: (tensor, self.dual[name]) for name, tensor in self.natural.items()}

    @property
    def squared(self) -> Passage:
        """For variances: that of a mixture of units that vary each for itself."""
        return replace(self, natural={n: one.square() for n, one in self.natural.items()})

    def only(self, names: Container[str]) -> Passage:
        """Of these spaces; the units of others stay."""
        parts = (self.natural, self.dual, self.counts)
        return Passage(*({n: t for n, t in part.items() if n in names} for part in parts))


@dataclass(frozen=True, eq=False)
class CommonUnits:
    """Models with the passages that lead to one set of units, which may be of another width.

    A parameter of the merged model is ``Σₖ Mₖ Wₖ Uₖ / Σₖ nₖ``: merge matrices on natural axes,
    unmerge matrices on dual ones, divided by the numbers of units that are summed up. So what a
    unit computes is a mean, and what reads units is a sum, whatever the architecture.

    Attributes:
        models: As they were compared: the second has been aligned to the first.
        symmetries: Of each model.
        passages: Of each model.
        target: Symmetry of the merged model: that of the first where widths stay.
        like: Params in shapes and dtypes of the merged model, from which all is taken that its
            function does not depend on, and integer tensors.
    """

    models: Sequence[Mapping[str, Tensor]]
    symmetries: Sequence[Symmetry]
    passages: Sequence[Passage]
    target: Symmetry
    like: Mapping[str, Tensor]

    def merged(self) -> Params:
        """The merged Params, in the order and dtypes of ``like``."""
        given = self.coordinates()
        essential = {n: t for n, t in self.like.items() if n in self.target.essential.reps}
        return self._whole(
            {
                name: self._parameter(name, [one[name] for one in given])
                for name, held in essential.items()
                if is_real_valued(held)
            }
        )

    def settled(self, params: Mapping[str, Tensor]) -> Params:
        """The same function, all that it does not depend on taken from ``like``."""
        found = double(self.target.coordinates(params))
        return self._whole({n: t for n, t in found.items() if n in self.target.essential.reps})

    def _whole(self, essential: Mapping[str, Tensor]) -> Params:
        whole = double(self.target.coordinates(self.like)) | dict(essential)
        return self.target.parameters(whole, self.like)

    def alone(self) -> list[Params]:
        """Each of the models by itself, in common units.

        It computes what it did where its matrices are in the group of the symmetry: permutations,
        say. By how much it computes something else, such Params show.

        Raises:
            BadInput: Some common units hold no unit of a model, so that it has not all of them.
        """
        if any(bool((n == 0).any()) for one in self.passages for n in one.counts.values()):
            raise BadInput(
                "some common units hold units of one model alone",
                "ask for merged, or merge no units within a model",
            )
        each = zip(self.models, self.symmetries, self.passages, strict=True)
        return [
            replace(self, models=(m,), symmetries=(s,), passages=(p,)).merged() for m, s, p in each
        ]

    def coordinates(self) -> list[Params]:
        """Of each model those on which its symmetry acts linearly, in float64."""
        pairs = zip(self.symmetries, self.models, strict=True)
        return [double(symmetry.coordinates(params)) for symmetry, params in pairs]

    def canonical(self) -> list[Params]:
        """The models in the gauge, where what units show on data is carried as they are."""
        pairs = zip(self.symmetries, self.models, strict=True)
        return [symmetry.canonical(params) for symmetry, params in pairs]

    def _parameter(self, name: str, tensors: Sequence[Tensor]) -> Tensor:
        rep = self.target.essential.reps[name]
        total, count = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for symmetry, passage, tensor in zip(self.symmetries, self.passages, tensors, strict=True):
            passage = passage.squared if name.endswith("running_var") else passage
            part, units = self._carried(rep, symmetry.essential.reps[name], passage, tensor)
            total, count = total + part, count + units
        # Where no model has both units of a pair, there is nothing between them.
        return torch.where(count > 0, total / count.clamp_min(1), 0.0)

    def channels(self, name: str, model: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """What a parameter's first axis indexes, of one model, carried to common units.

        Args:
            name: Of the parameter that gives the channels.
            model: Its number, from 0.
            rows: ``(channels, samples)``.

        Returns:
            Sums over the model's units, ``(common channels, samples)``, and over how many,
            ``(common channels, 1)``. Where nothing acts on the channels they stay.
        """
        of = (self.target, self.symmetries[model])
        reps = [symmetry.essential.reps.get(name) for symmetry in of]
        axes = [rep.axes[0] for rep in reps if rep is not None and rep.axes]
        if len(axes) < 2 or not self._stands_alone(axes[0]):
            return rows.double(), torch.ones(len(rows), 1, dtype=torch.float64)
        target, other = (Rep.of([axis, (Factor(rows.shape[1]),)]) for axis in axes)
        total, count = self._carried(target, other, self.passages[model], rows.double())
        return total, count[:, :1]

    def _stands_alone(self, axis: Axis) -> bool:
        """Whether an axis means the same without the others."""
        here = {factor.space for factor in leaves(axis)}
        spaces = self.target.essential.spaces
        known = all(here.issuperset(spaces[n].over) for n in here if n is not None)
        return known and not any(isinstance(term, Choice) for term in axis)

    def _carried(
        self, rep: Rep, other: Rep, passage: Passage, tensor: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Sums over the units of one model, in common units, and over how many."""
        count = torch.zeros(rep.shape, dtype=torch.float64)
        total = torch.zeros(rep.shape, dtype=tensor.dtype)
        spaces = self.target.essential.spaces
        for mine, theirs in zip(rep.blocks, other.blocks, strict=True):
            moved = carried(spaces, mine, theirs.read(tensor), passage.maps)
            mine.write(total, moved.contiguous())
            mine.write(count, self._count(mine, passage).expand(mine.shape).contiguous())
        return total, count

    def _count(self, block: Block, passage: Passage) -> Tensor:
        """The product over all natural places of a block."""
        at = {f.space: d for d, f in enumerate(block.factors) if f.space is not None}
        out = torch.ones([1] * len(block.factors), dtype=torch.float64)
        for dim, factor in enumerate(block.factors):
            counts = passage.counts.get(str(factor.space))
            if counts is not None and not factor.character.dual:
                over = [at[outer] for outer in self.target.essential.spaces[str(factor.space)].over]
                out = out * spread(counts, [*over, dim], len(block.factors))
        return out
