"""ConnectivityFineTuning: a loss that takes a model away from the mechanisms it began with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from isthmus.ground import BadInput, UnknownName, closest
from isthmus.landscape.running import run

Batch = tuple[Tensor, Tensor]


@final
@dataclass(frozen=True, eq=False)
class ConnectivityFineTuning:
    """Connectivity-based fine-tuning (CBFT) of Lubana et al. 2023, a loss for a training loop.

    ``CE(clean) + E_t |λ_B - CE(cued; path(t))| + (1/K) Σ_k ‖mean f(cued, k) - mean f(clean, k)‖²``:
    right on inputs without the cue, behind a barrier of height λ_B from the model that uses the
    cue, and with features whose class means do not feel it. The path is the line from the
    anchor to the model.

    Args:
        model: What is trained.
        anchor: Params of the model that uses the cue; they stay. Names as those of ``model``.
        features: The module whose outputs f are compared, by name.
        barrier: λ_B, the height that is wanted; 1 in the source.
        spread: Of t, normal around 1/2 and kept in [0, 1]. The source's is not known; this is ours.
        criterion: The cross entropy.

    Raises:
        UnknownName: The model has no such module, or no parameter of a name.

    Example:
        >>> loss = ConnectivityFineTuning(model, params_of(model), features="2")  # doctest: +SKIP
        >>> loss((x, y), (with_cue(x), y), generator).backward()  # doctest: +SKIP
    """

    model: nn.Module
    anchor: Mapping[str, Tensor]
    features: str
    barrier: float = 1.0
    spread: float = 0.25
    criterion: Callable[[Tensor, Tensor], Tensor] = cross_entropy

    def __post_init__(self) -> None:
        modules = dict(self.model.named_modules())
        if self.features not in modules:
            near = closest(self.features, modules)
            raise UnknownName(
                f"unknown module {self.features!r}",
                f"did you mean {near!r}?" if near else "use names of model.named_modules()",
            )
        for name, _ in self.model.named_parameters():
            if name not in self.anchor:
                raise UnknownName(
                    f"the anchor has no parameter {name!r}", "give params of the same architecture"
                )

    def __call__(self, clean: Batch, cued: Batch, generator: torch.Generator) -> Tensor:
        """The sum of `parts`, a scalar with a gradient. Raises as that."""
        found = self.parts(clean, cued, generator)
        return torch.stack(list(found.values())).sum()

    def parts(self, clean: Batch, cued: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """The three terms, ``clean``, ``barrier`` and ``invariance``, each with its gradient.

        Args:
            clean: Inputs without the cue, and their classes.
            cued: Inputs with the cue, and their classes.
            generator: From which t is drawn, once: its mean over steps is that of the loss.

        Raises:
            BadInput: No class is among both, or the data do not fit the model.
        """
        own = dict(self.model.named_parameters())
        outputs, means = self._run(own, clean)
        _, cued_means = self._run(own, cued)
        t = self._draw(generator)
        between = {n: torch.lerp(self.anchor[n].detach().to(p), p, t) for n, p in own.items()}
        height = self.criterion(run(self.model, between, cued[0]), cued[1])
        return {
            "clean": self.criterion(outputs, clean[1]),
            "barrier": (self.barrier - height).abs(),
            "invariance": _apart(means, cued_means),
        }

    def _draw(self, generator: torch.Generator) -> float:
        """From the normal distribution, cut off at 0 and at 1."""
        while True:
            t = 0.5 + self.spread * float(torch.randn((), generator=generator))
            if 0 <= t <= 1:
                return t

    def _run(self, own: Mapping[str, Tensor], batch: Batch) -> tuple[Tensor, dict[int, Tensor]]:
        """Outputs, and the mean feature of every class."""
        held: list[Any] = []
        module = self.model.get_submodule(self.features)
        handle = module.register_forward_hook(lambda _, __, output: held.append(output))
        try:
            outputs: Tensor = run(self.model, own, batch[0])
        finally:
            handle.remove()
        classes = batch[1]
        rows = held[0].flatten(1)
        return outputs, {k: rows[classes == k].mean(0) for k in set(classes.tolist())}


def _apart(one: Mapping[int, Tensor], two: Mapping[int, Tensor]) -> Tensor:
    shared = [k for k in one if k in two]
    if not shared:
        raise BadInput(
            "no class is in both batches, clean and cued", "draw both from the same classes"
        )
    return torch.stack([(one[k] - two[k]).square().sum() for k in shared]).mean()
