"""asymmetric: a copy of a model whose hidden units cannot change places."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from isthmus.discovery.asymmetry.fixed_entries import FixedEntries
from isthmus.ground import BadInput, UnknownName, aliases, closest

LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Modules of which every row of the weight makes one unit or channel."""


def asymmetric(
    model: nn.Module,
    *,
    fixed: float = 0.1,
    spread: float = 1.0,
    layers: Sequence[str] | None = None,
    masks: Mapping[str, Tensor] | None = None,
    seed: int = 0,
) -> nn.Module:
    """A copy of ``model`` with some entries of every row of its weights held constant.

    Lim et al. 2024: ``W' = M * W + (1 - M) * F`` (`FixedEntries`). No permutation of hidden units
    and no scale of one is a symmetry of the copy. Biases, norms and embeddings stay free, so shifts
    between biases may be left: `discover` says what it finds, `completeness` what there is.

    Two networks can be compared, interpolated and merged where their constants are the same, that
    is made with the same seed. The copy is a torch module as any other (a parametrization stands
    in for each weight), and its state dict holds the free entries, which begin as those of
    ``model``.

    Args:
        model: Any module; it is kept as it is.
        fixed: The share of the entries of every row that are constants, one at least.
        spread: Their standard deviation (the source's κ): large, against those of free entries.
        layers: Names of modules, linear or convolutional; None takes all such.
        masks: Where entries are free, by layer; the others' masks are drawn at random.
        seed: Of the masks and of the constants. It alone decides them, with the shapes.

    Raises:
        BadInput: There is no such layer in the model, or one has a weight that is tied to another
            or is parametrized already; or rows cannot have masks of their own (`FixedEntries`).
        UnknownName: The model has no linear or convolutional module of a name.
    """
    chosen = _chosen(model, layers)
    given = masks or {}
    for name in given:
        if name not in chosen:
            raise UnknownName(f"there is a mask for {name!r}", "give masks for chosen layers")
    generator = torch.Generator().manual_seed(seed)
    out = copy.deepcopy(model)
    for name in chosen:
        module = out.get_submodule(name)
        weight: Tensor = module.weight  # type: ignore[assignment]
        entries = max(1, round(fixed * weight[0].numel()))
        made = _made(given.get(name), weight.shape, entries, spread, generator)
        parametrize.register_parametrization(module, "weight", made.to(weight), unsafe=True)
    return out


def _made(
    mask: Tensor | None,
    shape: torch.Size,
    entries: int,
    spread: float,
    generator: torch.Generator,
) -> FixedEntries:
    if mask is None:
        return FixedEntries.drawn(shape, entries, spread, generator)
    return FixedEntries(mask, spread * torch.randn(shape, generator=generator))


def _chosen(model: nn.Module, layers: Sequence[str] | None) -> list[str]:
    every = [name for name, module in model.named_modules() if isinstance(module, LINEAR)]
    for name in layers or ():
        if name not in every:
            near = closest(name, every)
            raise UnknownName(
                f"no linear or convolutional module is called {name!r}",
                f"did you mean {near!r}?" if near else "use names of model.named_modules()",
            )
    chosen = every if layers is None else list(layers)
    if not chosen:
        raise BadInput(
            f"{type(model).__name__} has no linear or convolutional module",
            "give a model with nn.Linear or nn.Conv layers",
        )
    _check_untied(model, chosen)
    return chosen


def _check_untied(model: nn.Module, chosen: Sequence[str]) -> None:
    tied = aliases(model)
    names = {*tied, *tied.values()}
    for name in chosen:
        weight = f"{name}.weight" if name else "weight"
        if weight in names:
            raise BadInput(
                f"{weight!r} is tied to another tensor",
                "untie the two in the model, or name the other layers (layers)",
            )
        if parametrize.is_parametrized(model.get_submodule(name), "weight"):
            raise BadInput(f"{weight!r} is parametrized already", "give the model as it is without")
