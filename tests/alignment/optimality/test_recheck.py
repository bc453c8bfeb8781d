"""A stored certificate holds for its models, and for nothing else."""

from __future__ import annotations

import copy
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from isthmus import Verdict, align
from isthmus.alignment.optimality import element_from_json, recheck
from isthmus.alignment.optimality.stored import seal
from isthmus.ground.assignment import assignment
from isthmus.ground.errors import BadInput, NotAMember


@pytest.fixture(scope="module", params=["mlp", "mlp_tanh", "gpt"])
def made(request: pytest.FixtureRequest, tools: SimpleNamespace) -> SimpleNamespace:
    """Two models, their alignment, and its certificate after a round through JSON."""
    symmetry = tools.symmetry_of(request.param)
    a, b = tools.params(request.param), tools.params(request.param, seed=4)
    fit = align(b, to=a, symmetry=symmetry).certify(b, to=a)
    data = json.loads(json.dumps(fit.certificate.to_json(), allow_nan=False))
    return SimpleNamespace(symmetry=symmetry, a=a, b=b, fit=fit, data=data)


def sealed(data: dict[str, Any]) -> dict[str, Any]:
    """What a forger who knows of the digest would write."""
    evidence = data["evidence"]
    evidence["digests"].pop("certificate")
    said = {key: data[key] for key in ("claim", "verdict", "margin", "evidence")}
    evidence["digests"]["certificate"] = seal(said)
    return data


def faults(made: SimpleNamespace, data: dict[str, Any]) -> tuple[str, ...]:
    return recheck(data, made.symmetry, made.a, made.b).faults


def test_what_was_written_holds(made: SimpleNamespace) -> None:
    again = recheck(made.data, made.symmetry, made.a, made.b)
    assert again.holds, again
    assert str(again) == f"holds: {again.verdict}: {again.claim}"
    around = {"before": made.fit.before, "after": made.fit.after, "moved": made.fit.element.moved}
    assert recheck({**around, "certificate": made.data}, made.symmetry, made.a, made.b).holds
    wrong = recheck({"after": 0.5, "certificate": made.data}, made.symmetry, made.a, made.b)
    assert "after is 0.5" in wrong.faults[0]


def test_no_assignment_is_solved_again(
    made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("an assignment was solved")

    named = [m for m in list(sys.modules.values()) if vars(m).get("assignment") is assignment]
    assert len(named) > 1
    for module in named:
        monkeypatch.setattr(module, "assignment", never)
    assert recheck(made.data, made.symmetry, made.a, made.b).holds


def numbers(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all numbers in plain data."""
    if isinstance(data, dict | list):
        items = data.items() if isinstance(data, dict) else enumerate(data)
        return [p for key, value in items for p in numbers(value, (*path, key))]
    return [path] if isinstance(data, int | float) and not isinstance(data, bool) else []


def changed(data: dict[str, Any], path: tuple[Any, ...], by: float) -> dict[str, Any]:
    out = copy.deepcopy(data)
    at = out
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] += by
    return out


def test_every_changed_number_is_found_by_the_digest(made: SimpleNamespace) -> None:
    for path in numbers(made.data)[:: max(1, len(numbers(made.data)) // 10)]:
        found = faults(made, changed(made.data, path, 1e-3))
        assert any("not as it was written (SHA-256)" in fault for fault in found), path


def test_a_forger_who_knows_the_digest_is_found_by_the_numbers(made: SimpleNamespace) -> None:
    evidence = made.data["evidence"]
    looked = [("margin",), ("evidence", "distance"), ("evidence", "lower_bound")]
    paths = [("evidence", *p) for p in numbers({k: evidence[k] for k in ("spaces", "orbit")})]
    looked += [p for p in paths if p[-1] in ("value", "bound", "gap")]
    duals = [p for p in paths if "u" in p or "v" in p]
    for k, path in enumerate(looked[::3] + duals[:: max(1, len(duals) // 5)]):
        by = 1e-3 * (-1) ** k
        assert faults(made, sealed(changed(made.data, path, by))), (path, by)


def test_a_forged_element_or_verdict_is_found(made: SimpleNamespace) -> None:
    other = copy.deepcopy(made.data)
    other["evidence"]["element"] = made.symmetry.sample(seed=5).to_json()
    assert any("distance is" in fault for fault in faults(made, sealed(other)))
    for verdict in Verdict:
        if verdict.name != made.data["verdict"]:
            other = {**copy.deepcopy(made.data), "verdict": verdict.name}
            assert any("verdict is" in fault for fault in faults(made, sealed(other)))
    other = {**copy.deepcopy(made.data), "claim": "the best there is"}
    assert any("claim is" in fault for fault in faults(made, sealed(other)))
    other = copy.deepcopy(made.data)
    other["evidence"]["orbit"] *= 2
    assert any("given twice" in fault for fault in faults(made, sealed(other)))


def test_one_weight_of_either_model_counts(made: SimpleNamespace) -> None:
    name = next(n for n, t in made.a.items() if t.dim() > 1)
    for which in ("a", "b"):
        params = {n: t.clone() for n, t in getattr(made, which).items()}
        params[name][0, 0] = torch.nextafter(params[name][0, 0], torch.tensor(9.0))
        models = {"a": made.a, "b": made.b, which: params}
        found = recheck(made.data, made.symmetry, models["a"], models["b"])
        assert any(f"parameters of {which} are not those" in fault for fault in found.faults)


def test_other_data_are_refused(made: SimpleNamespace) -> None:
    plain = align(made.b, to=made.a, symmetry=made.symmetry).certificate.to_json()
    for data in ({}, [], None, {"certificate": 3}, plain):
        with pytest.raises(BadInput, match="no certificate of optimality in the data; give what"):
            recheck(data, made.symmetry, made.a, made.b)
    broken = copy.deepcopy(made.data)
    del broken["evidence"]["orbit"]
    assert any("the evidence is not whole" in fault for fault in faults(made, sealed(broken)))


def test_elements_there_and_back(made: SimpleNamespace) -> None:
    symmetry, g = made.symmetry, made.symmetry.sample(seed=3)
    back = element_from_json(symmetry, json.loads(json.dumps(g.to_json())))
    assert back.to_json() == g.to_json()
    assert (back @ ~g).is_identity
    with pytest.raises(BadInput, match="does not say what it does in each space"):
        element_from_json(symmetry, {})


def test_values_that_are_not_in_the_group(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp_tanh")
    good = symmetry.identity().to_json()
    for part, value, said in (
        ("perm", [0, 0, 2, 3, 4, 5, 6, 7], "in fc1 is not in B(8): not a permutation"),
        ("signs", [[0.5] + [1.0] * 7], "a sign other than 1 and -1"),
    ):
        with pytest.raises(NotAMember) as caught:
            element_from_json(symmetry, {**good, "fc1": {**good["fc1"], part: value}})
        assert said in str(caught.value)
    with pytest.raises(BadInput, match=r"in fc1 has the shape \(2,\), expected \(8,\)"):
        element_from_json(symmetry, {**good, "fc1": {"perm": [0, 1]}})
    with pytest.raises(BadInput, match="in fc1 is not made of numbers"):
        element_from_json(symmetry, {**good, "fc1": {"perm": "x"}})
    symmetry = tools.symmetry_of("gpt")
    good = symmetry.identity().to_json()
    with pytest.raises(NotAMember, match="in position is not in O"):
        element_from_json(symmetry, {**good, "position": [[2.0] * 6] * 6})
