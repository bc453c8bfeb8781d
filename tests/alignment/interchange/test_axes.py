"""The field's forms, there and back."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from isthmus import Permutation, align, discover, params_of, verify
from isthmus.alignment.interchange.axes import (
    from_axes,
    from_permutations,
    to_axes,
    to_permutations,
)
from isthmus.alignment.interchange.files import (
    load_axes,
    load_permutations,
    save_axes,
    save_permutations,
)
from isthmus.ground.errors import BadInput, OutputExists, ShapeMismatch, UnknownName
from isthmus.testing.zoo import entry

BY_HAND = {
    "0.weight": ("P_0", None),
    "0.bias": ("P_0",),
    "2.weight": ("P_1", "P_0"),
    "2.bias": ("P_1",),
    "4.weight": ("P_2", "P_1"),
    "4.bias": ("P_2",),
    "6.weight": (None, "P_2"),
    "6.bias": (None,),
}


def mlp() -> nn.Module:
    """The shape of the field's multilayer perceptron, 784-512-512-512-10, made small."""
    sizes = (7, 5, 5, 5, 3)
    layers: list[nn.Module] = []
    for wide, narrow in itertools.pairwise(sizes):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Image(nn.Module):
    """A convolution before a linear layer, and a batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.head = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.norm(self.conv(x))).flatten(1))


def renamed(mapping: dict) -> dict:
    """With permutations named by their first appearance."""
    names: dict[str, str] = {}
    for axes in mapping.values():
        for perm in axes:
            if perm is not None:
                names.setdefault(perm, f"P_{len(names)}")
    return {n: tuple(None if p is None else names[p] for p in axes) for n, axes in mapping.items()}


def test_what_discover_finds_is_the_mapping_that_one_writes_by_hand() -> None:
    symmetry = discover(mlp(), torch.zeros(2, 7))
    found = to_axes(symmetry)
    assert renamed(found.mapping) == BY_HAND
    assert not found.unsaid
    shapes = {name: tuple(tensor.shape) for name, tensor in params_of(mlp()).items()}
    read = from_axes(BY_HAND, shapes)
    assert to_axes(read).mapping == BY_HAND
    assert verify(read, mlp(), torch.zeros(2, 7)).evidence["relative_error"] < 1e-12
    swaps = symmetry.restrict(Permutation)
    assert read.log_components == pytest.approx(swaps.log_components)
    names = [[n for n in s.spaces if s.spaces[n].group.motions] for s in (swaps, read)]
    perms = dict(zip(names[1], to_permutations(swaps.sample(seed=1)).values(), strict=True))
    a = params_of(mlp())
    one = read.act(from_permutations(read, perms), a)
    two = swaps.act(swaps.sample(seed=1), a)
    assert all(torch.equal(one[n], two[n]) for n in a)


def test_permutations_are_applied_as_the_field_applies_them() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in params_of(mlp()).items()}
    symmetry = from_axes(BY_HAND, shapes)
    a = params_of(mlp())
    g = symmetry.sample(seed=4)
    perms = to_permutations(g)
    assert sorted(perms) == ["P_0", "P_1", "P_2"]
    moved = symmetry.act(g, a)
    for name, axes in BY_HAND.items():
        expected = a[name]
        for axis, perm in enumerate(axes):
            if perm is not None:
                expected = torch.index_select(expected, axis, perms[perm])
        assert torch.equal(moved[name], expected)
    assert from_permutations(symmetry, perms).to_json() == g.to_json()
    fit = align(moved, to=a, symmetry=symmetry)
    assert fit.after == 0
    assert to_permutations(fit.element) == {n: pytest.approx(p.argsort()) for n, p in perms.items()}


def test_what_the_form_cannot_say() -> None:
    model, example = Image().eval(), torch.zeros(1, 1, 4, 4)
    with pytest.raises(BadInput, match='acts on folded coordinates.*gauge="asis"'):
        to_axes(discover(model, example))
    symmetry = discover(model, example, gauge="asis")
    found = to_axes(symmetry)
    (space,) = found.unsaid
    assert (
        found.unsaid[space]
        == f"axis 1 of head.weight is a product of which {space} permutes a part"
    )
    assert set(found.mapping["conv.weight"]) == {None}
    assert "left out: " in str(found)


def test_flattened_images_are_read_when_told() -> None:
    model, example = Image().eval(), torch.zeros(1, 1, 4, 4)
    shapes = {name: tuple(tensor.shape) for name, tensor in params_of(model).items()}
    vectors = ("conv.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var")
    mapping = {
        "conv.weight": ("P", None, None, None),
        **dict.fromkeys(vectors, ("P",)),
        "head.weight": (None, "P"),
    }
    with pytest.raises(ShapeMismatch) as caught:
        from_axes(mapping, shapes)
    assert str(caught.value) == (
        "P permutes 4, and 16 in head.weight; pass flattened=True to read it as (P 4)"
    )
    symmetry = from_axes(mapping, shapes, flattened=True)
    assert symmetry.reps["head.weight"].text(symmetry.spaces) == "2 ⊗ (P 4)"
    assert symmetry.reps["head.bias"].fixed
    assert verify(symmetry, model, example).evidence["relative_error"] < 1e-12
    assert (
        verify(from_axes({"conv.bias": ("P",)}, shapes), model, example).verdict.name == "REFUTED"
    )


def test_heads_are_named_and_their_elements_refused(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("attention_separate")
    one = entry("attention_separate")
    asis = discover(one.build(), one.example(), gauge="asis")
    assert any("a product of which" in why for why in to_axes(asis).unsaid.values())
    swaps = asis.restrict(Permutation)
    with pytest.raises(
        BadInput, match="which is not one permutation; align with symmetry.restrict"
    ):
        to_permutations(swaps.sample(seed=2))
    with pytest.raises(BadInput, match="which is not one permutation"):
        to_permutations(symmetry.sample(seed=2))


def test_mappings_that_do_not_fit() -> None:
    shapes = {"w": (3, 2), "v": (5,)}
    with pytest.raises(UnknownName, match="the mapping has 'ww', which has no shape; did you mean"):
        from_axes({"ww": ("P", None)}, shapes)
    with pytest.raises(ShapeMismatch, match="w has 2 axes, and the mapping 1; map each axis"):
        from_axes({"w": ("P",)}, shapes)
    with pytest.raises(ShapeMismatch, match="P permutes 3, and 5 in v; give permutations of"):
        from_axes({"w": ("P", None), "v": ("P",)}, shapes, flattened=True)


def test_arrays_that_are_no_permutations() -> None:
    symmetry = from_axes({"w": ("P", None)}, {"w": (3, 2)})
    assert from_permutations(symmetry, {"P": [2, 0, 1]}).moved
    with pytest.raises(UnknownName, match="no space is called 'Q'; use P"):
        from_permutations(symmetry, {"Q": [0]})
    for wrong in ([0.0, 2.0, 1.0], [[2, 0, 1]], "201", [True, False, True]):
        with pytest.raises(BadInput, match="the array of P is not a list of indices; give"):
            from_permutations(symmetry, {"P": wrong})
    for wrong in ([0, 0, 1], [0, 1], [0, 1, 3]):
        with pytest.raises(BadInput, match="the array of P is not a permutation of 0 to 2; give"):
            from_permutations(symmetry, {"P": wrong})


@pytest.mark.parametrize("suffix", [".json", ".npz", ".safetensors"])
def test_permutations_in_files(suffix: str, tmp_path: Path) -> None:
    perms = {"P_0": torch.tensor([2, 0, 1]), "layer/P": torch.tensor([1, 0])}
    path = tmp_path / f"perms{suffix}"
    save_permutations(perms, path)
    back = load_permutations(path)
    assert back.keys() == perms.keys()
    assert all(torch.equal(back[n], perms[n]) for n in perms)
    assert all(t.dtype is torch.int64 for t in back.values())


def test_files_that_hold_something_else(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown suffix '.pkl'; end it in .json, .npz or"):
        save_permutations({}, tmp_path / "p.pkl")
    with pytest.raises(BadInput, match="unknown suffix '.pkl'"):
        load_permutations(tmp_path / "p.pkl")
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        load_permutations(tmp_path / "p.json")
    path = tmp_path / "p.npz"
    np.savez(path, P=np.array([{"a": 1}], dtype=object))
    with pytest.raises(BadInput, match="cannot be read: Object arrays cannot be loaded"):
        load_permutations(path)
    for content in (b"", b"PK\x03\x04 cut"):
        path.write_bytes(content)
        with pytest.raises(BadInput, match="p.npz cannot be read"):
            load_permutations(path)
    (tmp_path / "q.json").write_text('{"P": [0.5]}')
    with pytest.raises(BadInput, match="P is not a list of indices; give for each new place"):
        load_permutations(tmp_path / "q.json")


def test_mappings_in_files(tmp_path: Path) -> None:
    path = tmp_path / "axes.json"
    save_axes(BY_HAND, path)
    assert load_axes(path) == BY_HAND
    with pytest.raises(OutputExists):
        save_axes(BY_HAND, path)
    save_axes({"w": ("P", None)}, path, force=True)
    assert load_axes(path) == {"w": ("P", None)}
    path.write_text('{"w": "P"}')
    with pytest.raises(BadInput, match="w is 'P', expected a list with one entry for each axis"):
        load_axes(path)
    path.write_text("[1]")
    with pytest.raises(BadInput, match="holds a list; give a JSON object"):
        load_axes(path)
