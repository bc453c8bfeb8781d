"""An element of the next larger group breaks the function, and `verify` names it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.algebra.groups import (
    Character,
    GeneralLinear,
    Group,
    Monomial,
    Orthogonal,
    Permutation,
    SignedPermutation,
)
from isthmus.algebra.reps import Rep
from isthmus.algebra.spaces import Axis, Factor, Space, Sum
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery import discover, verify
from isthmus.ground.certificates import Verdict
from isthmus.testing.zoo import entry, randomise

PLAIN = Character()


def refuted(symmetry: Symmetry, name: str, *culprits: str) -> None:
    """The claim about a network of the zoo is caught, with a large error and the right names."""
    one = entry(name)
    model = randomise(one.build(), seed=3)
    assert verify(discover(model, one.example()), model, one.example()).verdict is Verdict.TESTED
    caught(symmetry, model, one.example(), *culprits)


def caught(symmetry: Symmetry, model: nn.Module, example: object, *culprits: str) -> None:
    certificate = verify(symmetry, model, example)  # type: ignore[arg-type]
    assert certificate.verdict is Verdict.REFUTED
    assert not certificate
    assert certificate.evidence["relative_error"] > 1e-3
    assert certificate.margin < 0
    assert set(culprits) <= set(certificate.evidence["culprits"])


def enlarged(
    symmetry: Symmetry, space: str, group: Group, *, feel: bool = True, over: bool = True
) -> Symmetry:
    """The same types, with another group on one space, felt wherever the space acts."""
    one = symmetry.spaces[space]
    changed = replace(one, group=group, over=one.over if over else ())

    def character(factor: Factor) -> Character:
        if factor.space != space:
            return factor.character
        natural = group.natural
        if not feel:
            return replace(natural, dual=factor.character.dual)
        return natural.inverse() if factor.character.dual else natural

    reps = {n: rep.recharacter(character) for n, rep in symmetry.reps.items()}
    return replace(symmetry, spaces={**symmetry.spaces, space: changed}, reps=reps)


def of(name: str) -> Symmetry:
    one = entry(name)
    return discover(one.build(), one.example(), gauge="asis")


@pytest.mark.parametrize(
    ("name", "space", "group"),
    [
        ("mlp_gelu", "fc1", Monomial(8)),  # scaling a GELU unit
        ("mlp_gelu", "fc1", SignedPermutation(8)),
        ("mlp_silu", "fc2", Monomial(7)),
        ("mlp", "fc1", SignedPermutation(8)),  # flipping a ReLU unit
        ("mlp", "fc1", Orthogonal(8)),
        ("mlp", "fc1", GeneralLinear(8)),
        ("mlp_tanh", "fc1", Monomial(8)),  # scaling a tanh unit
        ("mlp_tanh", "fc2", Orthogonal(7)),
        ("mlp_elu", "fc1", SignedPermutation(8)),
        ("mlp_hardtanh", "fc1", Monomial(8)),
        ("layer_used_twice", "embed", GeneralLinear(8)),
        ("tied_autoencoder", "weight", Monomial(8)),  # the transpose does not divide
        ("tied_autoencoder", "weight", SignedPermutation(8)),
        ("gated_swiglu", "gate", Monomial(10)),  # the gate scaled with its unit
        ("lstm_classifier", "recurrent", Monomial(8)),
        ("gru_classifier", "recurrent", Monomial(8)),
        ("text_classifier", "embed", None),
        ("instance_norm", "0", Orthogonal(6)),
        ("vgg", "9", SignedPermutation(10)),
        ("residual_mlp", "0", Orthogonal(8)),  # layer norm keeps permutations, not rotations
        ("gpt", "position", Orthogonal(6)),
    ],
    ids=lambda value: str(value),
)
def test_the_next_larger_group_is_caught(name: str, space: str, group: Group | None) -> None:
    symmetry = of(name)
    if group is None:  # a dual read as plain
        reps = {n: r.recharacter(lambda f: PLAIN) for n, r in symmetry.reps.items()}
        refuted(replace(symmetry, reps=reps), name, space)
        return
    refuted(enlarged(symmetry, space, group), name, space)


def test_swapping_channels_across_the_groups_of_a_convolution_is_caught() -> None:
    symmetry = of("depthwise_grouped")
    across = Space("across", 12, Permutation(12))

    def rewritten(rep: Rep) -> Rep:
        axes = tuple(
            (Factor(12, "across", PLAIN),)
            if [f.space for f in axis if isinstance(f, Factor)] == ["2.group", "2.inner"]
            else axis
            for axis in rep.axes
        )
        return replace(rep, axes=axes)

    spaces = {n: s for n, s in symmetry.spaces.items() if n == "0.0"} | {"across": across}
    reps = {n: rewritten(rep) for n, rep in symmetry.reps.items()}
    reps = {n: rep.without(set(rep.spaces) - set(spaces)) for n, rep in reps.items()}
    # Inside a group the reader's columns would follow; across groups nothing can.
    assert reps["2.weight"].spaces[0] == "across"
    refuted(Symmetry(spaces, reps), "depthwise_grouped", "across")


def test_groups_may_move_only_as_blocks() -> None:
    """Inner permutations may differ between groups, but not ignore them in the next layer."""
    symmetry = of("depthwise_grouped")
    inner = symmetry.spaces["2.inner"]
    alone = replace(symmetry, reps={**symmetry.reps, "4.0.weight": Rep.of(
        [((Factor(8)),), ((Factor(6)),), ((Factor(3)),), ((Factor(3)),)]
    )})  # fmt: skip
    assert inner.over == ("2.group",)
    refuted(alone, "depthwise_grouped", "2.inner")


@pytest.mark.parametrize("kind", ["key", "value"])
def test_mixing_heads_is_caught(kind: str) -> None:
    """One GL over all heads at once, instead of one for each."""
    one = entry("attention_fused_qkv")
    symmetry = discover(one.build(), one.example(), gauge="asis")
    inner, mixed = f"attention.{kind}", f"attention.mixed_{kind}"

    def across(axis: Axis) -> Axis:
        last = axis[-1]
        if len(axis) == 2 and isinstance(last, Factor):
            return (Factor(8, mixed, last.character) if last.space == inner else Factor(8),)
        return tuple(
            replace(term, parts=tuple(map(across, term.parts))) if isinstance(term, Sum) else term
            for term in axis
        )

    reps = {n: replace(rep, axes=tuple(map(across, rep.axes))) for n, rep in symmetry.reps.items()}
    spaces = {"embed": symmetry.spaces["embed"], mixed: Space(mixed, 8, GeneralLinear(8))}
    refuted(Symmetry(spaces, reps), "attention_fused_qkv", mixed)


def test_permuting_the_queries_of_a_head_without_its_keys_is_caught() -> None:
    symmetry = of("attention_separate")
    inner = next(n for n in symmetry.reps["attention.q.weight"].spaces if n.endswith("inner"))
    without = replace(
        symmetry,
        spaces={**symmetry.spaces, inner: replace(symmetry.spaces[inner], group=Permutation(4))},
        reps={
            n: rep.without({inner}) if n.startswith("attention.k") else rep
            for n, rep in symmetry.reps.items()
        },
    )
    refuted(without, "attention_separate", inner)


def test_a_key_that_moves_like_its_query_is_caught() -> None:
    symmetry = of("attention_separate")
    inner = next(n for n in symmetry.reps["attention.q.weight"].spaces if n.endswith("inner"))
    reps = {
        n: rep.recharacter(lambda f: PLAIN if f.space == inner else f.character)
        for n, rep in symmetry.reps.items()
    }
    refuted(replace(symmetry, reps=reps), "attention_separate", inner)


@pytest.mark.parametrize("buffer", ["1.running_var", "1.running_mean", "1.weight", "1.bias"])
def test_a_batch_norm_left_behind_is_caught(buffer: str) -> None:
    symmetry = of("vgg")
    rep = symmetry.reps[buffer]
    left = {**symmetry.reps, buffer: rep.without(set(rep.spaces))}
    refuted(replace(symmetry, reps=left), "vgg", "0")


def test_a_variance_without_its_epsilon_is_caught() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, eps=0.1), nn.ReLU(), nn.Linear(8, 4))
    model, example = randomise(model, seed=3), torch.randn(3, 6)
    symmetry = discover(model, example, gauge="asis")
    assert symmetry.reps["1.running_var"].offset == 0.1
    forgotten = replace(symmetry.reps["1.running_var"], offset=0.0)
    reps = {**symmetry.reps, "1.running_var": forgotten}
    caught(replace(symmetry, reps=reps), model, example, "0")


def test_scaling_the_stream_of_a_layer_norm_is_caught() -> None:
    """Its epsilon breaks the scale; here a large one, so that it shows."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(6, 8)
            self.norm = nn.LayerNorm(8, eps=0.5)
            self.head = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.norm(self.embed(x)))
            return out

    model, example = randomise(Net(), seed=3), torch.randn(3, 6)
    symmetry = discover(model, example, gauge="asis")
    group = symmetry.spaces["embed"].group
    assert isinstance(group, Monomial)
    assert symmetry.reps["embed.weight"].blocks[0].factors[0].character.scales == (0,)

    def grown(factor: Factor) -> Character:
        return replace(factor.character, scales=(1,))

    reps = {**symmetry.reps}
    for name in ("embed.weight", "embed.bias"):
        reps[name] = symmetry.reps[name].recharacter(grown)
    caught(replace(symmetry, reps=reps), model, example, "embed")


def test_scales_that_a_residual_stream_must_share_are_caught() -> None:
    symmetry = of("resnet20")
    rep = symmetry.reps["blocks.1.norm2.weight"]
    left = {**symmetry.reps, "blocks.1.norm2.weight": rep.without(set(rep.spaces))}
    refuted(replace(symmetry, reps=left), "resnet20", rep.spaces[0])


def test_only_the_guilty_space_is_named() -> None:
    one = entry("mlp")
    symmetry = enlarged(of("mlp"), "fc2", SignedPermutation(7))
    certificate = verify(symmetry, randomise(one.build(), seed=3), one.example())
    assert certificate.evidence["culprits"] == ["fc2"]


def test_fixed_slopes_tell_heads_apart() -> None:
    """With ALiBi's slopes heads may not be permuted, and a claim that they may is caught."""

    class Alibi(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(6, 8) for _ in range(3))
            self.o = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = (f(x).view(2, 5, 2, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
            far = torch.arange(5, dtype=x.dtype) * torch.tensor([[1.0], [0.5]], dtype=x.dtype)
            mask = far[:, None].expand(2, 5, 5)
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            out: Tensor = self.o(mixed.transpose(1, 2).flatten(2))
            return out

    model, example = randomise(Alibi(), seed=3), torch.randn(2, 5, 6)
    symmetry = discover(model, example, gauge="asis")
    (outer,) = {o for s in symmetry.spaces.values() for o in s.over}
    assert not symmetry.spaces[outer].group.motions
    assert verify(symmetry, model, example).verdict is Verdict.TESTED
    caught(enlarged(symmetry, outer, Permutation(2)), model, example, outer)
