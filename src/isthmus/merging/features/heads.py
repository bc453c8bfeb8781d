"""Partial zipping: a merged trunk, and behind it the rest of each model as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from isthmus.algebra import Symmetry
from isthmus.alignment.fusion.carrier import carried
from isthmus.ground import BadInput, Params, double, is_real_valued
from isthmus.merging.features.common import CommonUnits
from isthmus.merging.partial import names_of


def heads_of(common: CommonUnits, shared: Sequence[str]) -> tuple[Params, ...]:
    """Of each model Params with the merged trunk; see `ZipIt.heads`."""
    target = common.target
    if any(target.shapes != symmetry.shapes for symmetry in common.symmetries):
        raise BadInput(
            "the merged trunk is wider than the models whose heads it should get",
            "leave `into` out",
        )
    trunk = {name for prefix in shared for name in names_of(prefix, common.like)}
    moved = set(common.passages[0].natural)
    given = _written(target, trunk) & moved
    _require_cut(target, trunk, given, moved)
    passages = [passage.only(given) for passage in common.passages]
    merged = replace(common, passages=passages).merged()
    whole = double(target.coordinates(merged))
    found = []
    for passage, symmetry, own in zip(
        passages, common.symmetries, common.coordinates(), strict=True
    ):
        mine = dict(whole)
        for name, rep in symmetry.essential.reps.items():
            if name in trunk or not is_real_valued(own[name]):
                continue
            mine[name] = own[name].clone()
            for block in rep.blocks:
                part = carried(
                    symmetry.essential.spaces, block, block.read(own[name]), passage.maps
                )
                block.write(mine[name], part.contiguous())
        found.append(target.parameters(mine, merged))
    return tuple(found)


def _written(symmetry: Symmetry, names: set[str]) -> set[str]:
    """The spaces whose units these parameters give."""
    reps = symmetry.essential.reps
    factors = [f for n in names if n in reps for block in reps[n].blocks for f in block.factors]
    return {str(f.space) for f in factors if f.space is not None and not f.character.dual}


def _require_cut(symmetry: Symmetry, trunk: set[str], given: set[str], moved: set[str]) -> None:
    """Raise unless what is shared gives its spaces alone, and reads no others that move."""
    for name, rep in symmetry.essential.reps.items():
        for block in rep.blocks:
            for factor in block.factors:
                if factor.space not in moved:
                    continue
                own = factor.space in given
                if name in trunk and not own:
                    raise BadInput(
                        f"{name} is shared and reads {factor.space}, which is not",
                        "share all layers in front of it too",
                    )
                if name not in trunk and own and not factor.character.dual:
                    raise BadInput(
                        f"{name} is not shared and gives units of {factor.space}, as layers do "
                        "that are",
                        "share it too: a trunk ends where nothing is added to its units later",
                    )
