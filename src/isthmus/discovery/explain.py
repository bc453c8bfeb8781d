"""explain: why a space got its group, and not a larger one."""

from __future__ import annotations

from isthmus.algebra.symmetry import Symmetry
from isthmus.ground.errors import UnknownName, closest


def explain(symmetry: Symmetry, space: str) -> str:
    """Which operators, at which source lines, forbade what; and where the space acts.

    Raises:
        UnknownName: the symmetry has no such space.
    """
    if space not in symmetry.spaces:
        near = closest(space, symmetry.spaces)
        hint = f"did you mean {near!r}?" if near else "print the symmetry to see its spaces"
        raise UnknownName(f"no space is called {space!r}", hint)
    found = symmetry.spaces[space]
    head = f"{found}: {found.size} coordinates"
    if found.over:
        head += f", one element for each of {' × '.join(found.over)}"
    acts = [
        f"  acts on {name} : {rep.text(symmetry.spaces)}"
        for name, rep in symmetry.reps.items()
        if space in rep.spaces
    ]
    why = [f"  {reason}" for reason in found.why] or ["  nothing forbids anything: all is linear"]
    return "\n".join([head, *acts, *why])
