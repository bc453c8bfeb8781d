"""Linear networks known by their symmetry: a chain of matrices, with GL on every space between."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import GeneralLinear
from isthmus.algebra.spaces import Factor
from isthmus.ground import BadInput
from isthmus.topology.linear.fibre import multiplied


def linear_layers(
    symmetry: Symmetry, model: nn.Module, example: Tensor
) -> dict[str, tuple[int, int]]:
    """The weights of a linear network in order, first layer first, with their shapes.

    They are found by the symmetry: all parameters are matrices, and every hidden space has the
    whole group GL, moves the rows of one of them and undoes that in the columns of the next. A
    symmetry does not show what is done to the inputs before and to the outputs after; so the model
    is run once, with random weights.

    Args:
        symmetry: As `isthmus.discover` finds it.
        model: The network.
        example: Some inputs, ``(samples, features)``.

    Raises:
        BadInput: The network is not linear, or has biases; says which parameter or space.
    """
    other = [name for name, rep in symmetry.reps.items() if len(rep.axes) != 2]
    if other:
        raise BadInput(
            f"{', '.join(other)}: no matrices, of which alone a linear network is made",
            "if they are biases, describe the weights alone, LinearMinimum({name: shape, ...}), "
            "with centred inputs and targets: all biases are free but the last, which follows",
        )
    ends = {name: (_side(symmetry, name, 0), _side(symmetry, name, 1)) for name in symmetry.reps}
    for name, space in symmetry.spaces.items():
        if not isinstance(space.group, GeneralLinear) or space.over:
            raise BadInput(
                f"the space {name} has {space.group}: the network is not a chain of matrices",
                "give a network of linear layers alone",
            )
    found = _chain(symmetry, ends)
    rng = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=rng, dtype=torch.float64) for shape in found.values()]
    inputs = torch.randn(example.shape, generator=rng, dtype=torch.float64)
    outputs = functional_call(model, dict(zip(found, drawn, strict=True)), (inputs,))
    expected = multiplied(drawn, inputs.mT).mT
    if outputs.shape != expected.shape or not torch.allclose(outputs, expected, rtol=1e-9):
        raise BadInput(
            "the outputs are not the product of the weights times the inputs",
            "take out what comes before the first weight and after the last",
        )
    return found


def _chain(
    symmetry: Symmetry, ends: dict[str, tuple[str | None, str | None]]
) -> dict[str, tuple[int, int]]:
    """From the weight whose columns nothing moves, each time to the one that reads its rows."""
    found: dict[str, tuple[int, int]] = {}
    space: str | None = None
    while len(found) < len(ends):
        following = [name for name, (_, into) in ends.items() if into == space]
        if len(following) != 1 or following[0] in found:
            after = f"the space {space}" if space else "the input"
            raise BadInput(
                f"{after} is read by {', '.join(following) or 'no weight'}, expected by one",
                "give a network whose layers are applied one after the other",
            )
        (name,) = following
        out, into = symmetry.reps[name].shape
        found[name] = (out, into)
        space = ends[name][0]
    return found


def _side(symmetry: Symmetry, name: str, axis: int) -> str | None:
    """The space of the rows (0) or columns (1) of a matrix; None where nothing moves them."""
    rep = symmetry.reps[name]
    factor = rep.axes[axis][0]
    if len(rep.axes[axis]) != 1 or not isinstance(factor, Factor):
        raise BadInput(f"{name} is no plain matrix", "give the weights of linear layers")
    return factor.space
