"""Printing: small symmetries whole, large ones on one screen, nothing told wrong."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.algebra import Rep, Space, Symmetry
from isthmus.algebra.folding import Entry, body_of, fold, name_of, ranges, short_names
from isthmus.algebra.groups import GeneralLinear, Monomial, Permutation
from isthmus.algebra.printing import SCREEN, folded_rows, folded_spaces, folded_warnings


def transformer(layers: int, experts: int = 0) -> Symmetry:
    """What discovery finds for a decoder: a stream with scales for each norm, heads, an MLP."""
    spaces = {"model.embed": Space("model.embed", 8, Monomial(8, layers + 1, layers + 1))}
    texts = {"model.embed.weight": "50 ⊗ model.embed^(;)"}
    for k in range(layers):
        block = f"model.layers.{k}"
        letter = _letter(k)
        head, key = f"{block}.attention.head", f"{block}.attention.key"
        spaces[head] = Space(head, 2, Permutation(2))
        spaces[key] = Space(key, 4, GeneralLinear(4), (head,))
        seen = f"model.embed*^({letter}-1;{letter})"
        texts[f"{block}.norm.weight"] = f"model.embed^({letter};{letter})"
        texts[f"{block}.norm.bias"] = f"model.embed^({letter};{letter})"
        texts[f"{block}.attention.q.weight"] = f"({head} {key}) ⊗ {seen}"
        texts[f"{block}.attention.k.weight"] = f"({head} {key}*) ⊗ {seen}"
        for e in range(max(1, experts)):
            up = f"{block}.experts.{e}.up" if experts else f"{block}.mlp.up"
            spaces[up] = Space(up, 16, Permutation(16))
            texts[f"{up}.weight"] = f"{up} ⊗ {seen}"
            texts[f"{up.removesuffix('up')}down.weight"] = f"model.embed^(;) ⊗ {up}*"
    reps = {name: Rep.parse(text, spaces) for name, text in texts.items()}
    return Symmetry(spaces, reps)


def _letter(k: int) -> str:
    return (_letter(k // 26) if k >= 26 else "") + chr(ord("a") + k % 26)


def test_a_deep_transformer_fits_one_screen():
    lines = str(transformer(32)).splitlines()
    assert lines[0].startswith(
        "M(8;33,33)[model.embed] × 32 × S(2)[model.layers.{0…31}.attention.head]"
    )
    rows = [line for line in lines if line.startswith("  ")]
    assert [re.sub(" +:", " :", row) for row in rows] == [
        "  model.embed.weight : 50 ⊗ embed^(;)",
        "  model.layers.{0…31}.norm.weight, bias : embed^(aᵢ;aᵢ)",
        "  model.layers.{0…31}.attention.q.weight : (head key) ⊗ embed*^(aᵢ-1;aᵢ)",
        "  model.layers.{0…31}.attention.k.weight : (head key*) ⊗ embed*^(aᵢ-1;aᵢ)",
        "  model.layers.{0…31}.mlp.up.weight : up ⊗ embed*^(aᵢ-1;aᵢ)",
        "  model.layers.{0…31}.mlp.down.weight : embed^(;) ⊗ up*",
    ]
    assert len(lines) < SCREEN
    assert max(map(len, lines)) <= 110
    assert "97 spaces, 193 parameters" in lines[-1]


def test_experts_fold_over_two_numbers():
    factors = folded_spaces(transformer(4, experts=8))
    assert factors[-1] == "32 × S(16)[model.layers.{0…3}.experts.{0…7}.up]"
    symmetry = transformer(4, experts=8)
    assert (
        "model.layers.{0…3}.experts.{0…7}.down.weight",
        "model.embed^(;) ⊗ model.layers.i.experts.j.up*",
    ) in folded_rows(symmetry, list(symmetry.reps))


def test_the_whole_table_is_still_there():
    symmetry = transformer(32)
    for whole in (symmetry.table(), f"{symmetry:full}"):
        lines = whole.splitlines()
        assert len(lines) == 1 + len(symmetry.reps)
        for line, (name, rep) in zip(lines[1:], symmetry.reps.items(), strict=True):
            assert line.split(" : ") == [
                f"  {name:<{len(line.split(' : ')[0]) - 2}}",
                rep.text(symmetry.spaces),
            ]
    assert f"{symmetry}" == str(symmetry)
    assert f"{symmetry:>9}"


def test_small_symmetries_print_whole():
    symmetry = transformer(2)
    assert str(symmetry) == symmetry.table()
    assert str(Symmetry({}, {})) == "1 (no symmetry)"


def test_notebooks_see_both():
    markup = transformer(32)._repr_html_()
    assert markup.count("<pre>") == 2
    assert "all 193 parameters" in markup
    hostile = Symmetry({}, {"<b>": Rep.of([])})
    assert "<b>" not in hostile._repr_html_()


def test_eighty_layers_print_at_once():
    symmetry = transformer(80)
    assert len(str(symmetry).splitlines()) < SCREEN
    spent = []
    for _ in range(3):
        start = time.process_time()
        str(symmetry)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.2


def listed(*lines: tuple[str, str]) -> list[tuple[str, str]]:
    known = {name for name, _ in lines} | {"0", "1", "4", "stem", "x.0", "x.1", "x.2", "x.3", "x.4"}
    runs = fold(Entry.of(name, body, known.__contains__) for name, body in lines)
    return [(name_of(run), body_of(run)) for run in runs]


FOLDED = [
    # a chain: each layer reads the one before it
    (
        [(f"x.{k}", f"x.{k} ⊗ x.{k - 1}*") for k in range(1, 5)],
        [("x.{1…4}", "x.i ⊗ x.{i-1}*")],
    ),
    # all read one that happens to have a number
    (
        [(f"x.{k}", "4 ⊗ x.0*") for k in range(4)],
        [("x.{0…3}", "4 ⊗ x.0*")],
    ),
    # sizes are no names: they must agree
    (
        [("x.0", "4"), ("x.1", "5"), ("x.2", "4")],
        [("x.{0,2}", "4"), ("x.1", "5")],
    ),
    # a number that goes backwards goes along with nothing
    (
        [("x.0", "x.2"), ("x.1", "x.1"), ("x.2", "x.0")],
        [("x.0", "x.2"), ("x.1", "x.1"), ("x.2", "x.0")],
    ),
    # two kinds of blocks take turns
    (
        [(f"x.{k}", "stem" if k % 3 else "stem*") for k in range(6)],
        [("x.{0,3}", "stem*"), ("x.{1,2,4,5}", "stem")],
    ),
    # powers are no letters, and must agree
    (
        [("x.0", "stem^(a2;)"), ("x.1", "stem^(b2;)"), ("x.2", "stem^(c;)")],
        [("x.{0,1}", "stem^(aᵢ2;)"), ("x.2", "stem^(c;)")],
    ),
    # nn.Sequential
    (
        [("0", "`0`"), ("2", "`2` ⊗ `0`*"), ("4", "`4` ⊗ `2`*"), ("6", "`6` ⊗ `4`*")],
        [("0", "0"), ("{2,4,6}", "i ⊗ {i-2}*")],
    ),
    # a size is no name, even where a space is called so
    (
        [("x.0", "4 ⊗ 0*"), ("x.1", "4 ⊗ 1*")],
        [("x.{0,1}", "4 ⊗ i*")],
    ),
    # not all combinations of two numbers
    (
        [("x.0.y.0", "1"), ("x.0.y.1", "1"), ("x.1.y.0", "1")],
        [("x.0.y.{0,1}", "1"), ("x.1.y.0", "1")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), FOLDED)
def test_what_folds(lines, expected):
    assert listed(*lines) == expected


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.sampled_from("ab*")),
        unique_by=lambda t: t[:2],
        max_size=12,
    )
)
def test_folded_lines_unfold_to_what_was_there(found):
    """Every line is in exactly one run, and filling in its numbers gives it back."""
    lines = [(f"x.{a}.y.{b}", f"x.{a}.y.{c}{kind}") for a, b, c, kind in found]
    known = {f"x.{a}.y.{b}" for a in range(4) for b in range(4)}
    runs = fold(
        Entry.of(name, body, lambda word: word.strip("ab*") in known) for name, body in lines
    )
    back = []
    for run in runs:
        name, body = name_of(run), body_of(run)
        braces = re.findall(r"\{([^}]*)\}", name)
        values = [[e.numbers[k] for e in run.entries] for k in range(2)]
        varying = [k for k in range(2) if len(set(values[k])) > 1]
        assert len(braces) == len(varying)
        for entry in run.entries:
            text = body
            for letter, place in zip("ij", varying, strict=False):
                number = entry.numbers[place]
                text = re.sub(
                    rf"\{{{letter}([+-]\d+)\}}", lambda m, n=number: str(n + int(m[1])), text
                )
                text = re.sub(rf"(?<=\.){letter}(?=\.|[ab*]|$)", str(number), text)
            back.append((entry.name, text))
    assert sorted(back) == sorted(lines)


def test_ranges():
    cases = {
        (0,): "0", (0, 1): "0,1", (0, 1, 2): "0…2", (0, 2, 4, 6): "0,2…6",
        (0, 1, 2, 5): "0…2,5", (1, 3, 5): "1,3,5",
        tuple(k for k in range(30) if k % 4): "1…3,5…7,9…11,…,29",
    }  # fmt: skip
    for numbers, text in cases.items():
        assert ranges(list(numbers)) == text


def test_short_names_are_unique_ends():
    names = ["a.i.head", "b.i.head", "a.i.up", "a.stem", "0.i"]
    assert short_names(names) == {
        "a.i.head": "a.i.head", "b.i.head": "b.i.head", "a.i.up": "up", "a.stem": "stem",
        "0.i": "0.i",
    }  # fmt: skip


def test_warnings_of_repeated_blocks_are_one():
    warnings = [
        f"no typing rule for foo in blocks.{k}.mixer (model.py:3): pinned" for k in range(9)
    ]
    assert folded_warnings(warnings) == [warnings[0] + " (and 8 more like it)"]
    assert folded_warnings(["one", "two"]) == ["one", "two"]
