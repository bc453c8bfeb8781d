"""recheck: a stored certificate of optimality held against the models, without solving again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.gauged import gauged_distance
from isthmus.alignment.optimality.certificate import State, again
from isthmus.alignment.optimality.stored import (
    REMEDY,
    digest,
    element_from_json,
    seal,
    symmetry_digest,
)
from isthmus.ground.errors import BadInput, IsthmusError
from isthmus.ground.results import Result

_RELATIVE = 1e-9
"""Numbers may differ by this, relative to the squared norm of ``a``: sums round."""


@dataclass(frozen=True)
class Recheck(Result):
    """Whether a stored certificate holds.

    Attributes:
        claim: what it says.
        verdict: how sure it says it is.
        faults: what in it is not so; none where it holds.
    """

    claim: str
    verdict: str
    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def __str__(self) -> str:
        if self.holds:
            return f"holds: {self.verdict}: {self.claim}"
        return "\n".join([f"refuted: {self.claim}", *(f"  {fault}" for fault in self.faults)])


def recheck(
    data: object,
    symmetry: Symmetry,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    *,
    limit: int = 50_000,
) -> Recheck:
    """Hold a certificate of `optimality` against the two models it is about.

    The digests, the element's membership, the distance, and every bound: duals are compared with
    the costs of all pairs, which are computed anew; no assignment is solved. Where all
    elements of a small group were tried, they are tried again.

    Args:
        data: what `Certificate.to_json` gave, or what ``isthmus align --certify --json`` or
            ``isthmus connect --certify`` wrote.
        symmetry: of the models.
        a: the model that stayed.
        b: the model that was moved, as it was before.
        limit: the most elements that are tried again.

    Raises:
        BadInput: the data are not a certificate of optimality, or rest on more elements tried.
        UnknownName, ShapeMismatch: parameters are not those of the symmetry.
    """
    certificate, around = _certificate(data)
    for params in (a, b):
        symmetry.check(params)
    evidence = certificate["evidence"]
    _refuse_many(evidence, limit)
    faults = list(_digests(certificate, symmetry, a, b))
    try:
        element = element_from_json(symmetry, evidence["element"])
        state = State.of(symmetry, a, b, element)
        slack = _RELATIVE * state.problem.objective_size
        found = again(state, evidence)
        stored = {key: certificate.get(key) for key in found}
        stored["evidence"] = {key: evidence[key] for key in found["evidence"]}
        faults += _differences(stored, found, "", slack)
        moved = symmetry.act(element, b)
        numbers = {"before": gauged_distance(symmetry, a, b)}
        numbers |= {"after": gauged_distance(symmetry, a, moved)}
        told = {**numbers, "moved": element.moved}
        told = {key: value for key, value in told.items() if key in around}
        faults += _differences({key: around[key] for key in told}, told, "", slack)
    except IsthmusError as error:
        faults.append(str(error))
    except (KeyError, TypeError, ValueError, IndexError, StopIteration) as error:
        faults.append(f"the evidence is not whole: {type(error).__name__} {error}")
    return Recheck(str(certificate["claim"]), str(certificate["verdict"]), tuple(faults))


def _certificate(data: object) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The certificate in a result, and what stands around it."""
    around: Mapping[str, Any] = {}
    if isinstance(data, Mapping) and "alignment" in data:
        data = data["alignment"]
    if isinstance(data, Mapping) and isinstance(data.get("certificate"), Mapping):
        around, data = data, data["certificate"]
    if isinstance(data, Mapping) and {"claim", "verdict", "evidence"} <= set(data):
        evidence = data["evidence"]
        if isinstance(evidence, Mapping) and isinstance(evidence.get("digests"), Mapping):
            return data, around
    raise BadInput("no certificate of optimality in the data", REMEDY)


def _refuse_many(evidence: Mapping[str, Any], limit: int) -> None:
    tried = evidence.get("tried")
    count = tried.get("elements") if isinstance(tried, Mapping) else None
    if isinstance(count, int) and count > limit:
        raise BadInput(
            f"the proof is that {count:,} elements were tried, and the limit is {limit:,}",
            "raise recheck(limit=...): all are tried again",
        )


def _digests(
    certificate: Mapping[str, Any],
    symmetry: Symmetry,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
) -> Iterator[str]:
    about = dict(certificate["evidence"]["digests"])
    stated = about.pop("certificate", None)
    said = {key: certificate.get(key) for key in ("claim", "verdict", "margin")}
    said["evidence"] = {**certificate["evidence"], "digests": about}
    if stated != seal(said):
        yield "the certificate is not as it was written (SHA-256)"
    found = {"a": digest(a), "b": digest(b), "symmetry": symmetry_digest(symmetry)}
    for name, value in found.items():
        if about.get(name) != value:
            what = "the symmetry" if name == "symmetry" else f"the parameters of {name}"
            yield f"{what} are not those that the certificate is about (SHA-256)"


def _differences(stored: Any, found: Any, where: str, slack: float) -> Iterator[str]:
    """Where two pieces of plain data differ by more than rounding."""
    if isinstance(found, Mapping):
        there = stored if isinstance(stored, Mapping) else {}
        for key in {**there, **found}:
            inside = f"{where}.{key}".lstrip(".")
            if key not in there or key not in found:
                yield f"{inside} is {'missing' if key not in there else 'not known'}"
            else:
                yield from _differences(there[key], found[key], inside, slack)
    elif isinstance(found, list):
        entries = stored if isinstance(stored, list) else []
        if len(entries) != len(found):
            yield f"{where} has {len(entries)} entries, expected {len(found)}"
            return
        for k, (one, two) in enumerate(zip(entries, found, strict=True)):
            yield from _differences(one, two, f"{where}[{k}]", slack)
    elif isinstance(found, float) and not isinstance(stored, bool | str):
        if stored is None or abs(stored - found) > slack + 1e-6 * abs(found):
            yield f"{where} is {stored!r}, found {found!r}"
    elif stored != found:
        yield f"{where} is {stored!r}, found {found!r}"
