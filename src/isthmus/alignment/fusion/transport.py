"""TransportFusion: models of different widths brought into one (Singh & Jaggi 2020, OTFusion)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.fusion.carrier import Carrier
from isthmus.alignment.fusion.correspondence import check_correspondence
from isthmus.alignment.fusion.plans import Plan, entropic, exact
from isthmus.ground.errors import BadInput

Activations = Mapping[str, Tensor]
"""By the name of a space, ``(samples, size)``."""


@dataclass(frozen=True)
class TransportFusion:
    """The mean of models whose units are carried onto those of the first by transport plans.

    It is no symmetry: where a plan is not a permutation, units are averaged and the function
    changes. Space after space, units are compared by their incoming weights, those of the other
    model being carried by the plans found before. Between equal widths with uniform masses every
    plan is a permutation, that of one-sided weight matching (Birkhoff). Plans move units: signs,
    scales and rotations of models of equal width are to be aligned before. A space that indexes
    others (heads) must have one size in all models, and stays in its order. What the architecture
    divides by a width, as attention does its scores, is divided as in the reference.

    Args:
        shares: of each model in the mean; None takes them equal.
        epsilon: of entropic plans, relative to the mean cost; None finds exact ones.
        importance: gives each unit a mass in proportion to the norm of its incoming weights, not
            the same to all.
        conserve: shares out the weights that read a unit among those that replace it, so that
            what a layer receives keeps its size between models of different widths. False averages
            them, as in the paper; the two agree for equal widths and uniform masses.
    """

    shares: tuple[float, ...] | None = None
    epsilon: float | None = None
    importance: bool = False
    conserve: bool = True

    def __call__(
        self,
        models: Sequence[Mapping[str, Tensor]],
        symmetries: Sequence[Symmetry],
        activations: Sequence[Activations] | None = None,
    ) -> Params:
        """The fused model, in the shapes and dtypes of the first.

        Args:
            models: the first is the reference.
            symmetries: one for each model, of its own width, discovered in the same way.
            activations: for each model, values of spaces on the same inputs, ``(samples, size)``;
                where both models have them they are compared in place of weights.

        Raises:
            BadInput: not one symmetry (or share) for each model, or the architectures differ.
            MissingExtra: an exact plan needs the extra ``transport``.
            UnknownName, ShapeMismatch: parameters are not those of their symmetry.
        """
        shares = self._shares(len(models), len(symmetries))
        for params, symmetry in zip(models, symmetries, strict=True):
            symmetry.check(params)
        first, given = symmetries[0], activations or [{}] * len(models)
        reference = _wide(first.coordinates(models[0]))
        mean = {name: shares[0] * t for name, t in reference.items()}
        for params, symmetry, share, seen in zip(
            models[1:], symmetries[1:], shares[1:], given[1:], strict=True
        ):
            check_correspondence(first, symmetry)
            other = _wide(symmetry.coordinates(params))
            carrier = Carrier(self, (first, symmetry), (reference, other))
            for name, tensor in carrier.carry(given[0], seen).items():
                mean[name] = mean[name] + share * tensor
        # The function does not depend on what is free: that is the reference's.
        essential = {n: mean[n] for n in reference if n in first.essential.reps}
        whole = {**first.coordinates(models[0]), **reference, **essential}
        out = first.linearised(whole, back=True)
        return {name: out[name].to(held.dtype) for name, held in models[0].items()}

    def _shares(self, models: int, symmetries: int) -> Sequence[float]:
        if not models or models != symmetries:
            raise BadInput(
                f"{models} models and {symmetries} symmetries",
                "give one symmetry for each model, and at least one of each",
            )
        shares = self.shares or (1 / models,) * models
        if len(shares) != models:
            raise BadInput(
                f"{len(shares)} shares for {models} models", "give one share for each model"
            )
        return shares

    def plan(self, cost: Tensor, target: Tensor, source: Tensor) -> Plan:
        """One plan for each entry of the batch.

        Args:
            cost: of each pair, ``(*batch, n, m)``.
            target: importance of the reference's units, ``(*batch, n)``.
            source: importance of the other's, ``(*batch, m)``.
        """
        n, m = cost.shape[-2:]
        flat = zip(
            cost.reshape(-1, n, m), target.reshape(-1, n), source.reshape(-1, m), strict=True
        )
        return Plan(torch.stack([self._one(*parts) for parts in flat]).reshape(cost.shape))

    def _one(self, cost: Tensor, target: Tensor, source: Tensor) -> Tensor:
        masses = [m if self.importance else torch.ones_like(m) for m in (target, source)]
        one, two = (m.clamp_min(1e-12) / m.clamp_min(1e-12).sum() for m in masses)
        if self.epsilon is None:
            return exact(cost, one, two)
        return entropic(cost, one, two, self.epsilon)


def _wide(params: Mapping[str, Tensor]) -> Params:
    return {n: t.double() for n, t in params.items() if t.is_floating_point()}
