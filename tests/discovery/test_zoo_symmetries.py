"""Every network of the zoo: the group is the one derived by hand, and it keeps the function."""

from __future__ import annotations

import math
import warnings
from functools import cache
from typing import Literal

import pytest
import torch
from torch import nn

from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery import discover, verify
from isthmus.ground.certificates import Verdict
from isthmus.ground.params import params_of
from isthmus.testing.zoo import Entry, entry, peers15, randomise, zoo

EXPECTED = {
    # mathematics.md 4.1: the activation decides. 6-8-7-4, so ln|π0| = ln 8! 7! (and 15 ln 2)
    "mlp": ("M⁺(8) × M⁺(7)", 15),
    "mlp_gelu": ("S(8) × S(7)", 0),
    "mlp_silu": ("S(8) × S(7)", 0),
    "mlp_softplus": ("S(8) × S(7)", 0),
    "mlp_mish": ("S(8) × S(7)", 0),
    "mlp_tanh": ("B(8) × B(7)", 0),
    "mlp_erf": ("B(8) × B(7)", 0),
    "mlp_arctan": ("B(8) × B(7)", 0),
    "mlp_square": ("M(8) × M(7)", 15),
    "mlp_cube": ("M(8) × M(7)", 15),
    "mlp_gaussian": ("B(8) × B(7)", 0),
    "mlp_leaky_relu": ("M⁺(8) × M⁺(7)", 15),
    "mlp_relu_squared": ("M⁺(8) × M⁺(7)", 15),
    "mlp_abs": ("M(8) × M(7)", 15),
    "mlp_elu": ("S(8) × S(7)", 0),
    "mlp_selu": ("S(8) × S(7)", 0),
    "mlp_hardswish": ("S(8) × S(7)", 0),
    "mlp_hardtanh": ("B(8) × B(7)", 0),
    "mlp_softsign": ("B(8) × B(7)", 0),
    "mlp_sign": ("M(8) × M(7)", 15),
    "linear_net": ("GL(8) × GL(7)", 64 + 49),
    "prelu_net": ("M⁺(8) × M⁺(7)", 15),
    "prelu_net_shared_slope": ("M⁺(8) × M⁺(7)", 15),
    "maxout": ("M⁺(8) × S(3)≀", 8),
    "residual_mlp_plain": ("GL(8) × M⁺(10) × M⁺(12)", 64 + 10 + 12),
    # 4.2: (up, down) carries all scales; the gate only where its function is homogeneous or odd
    "gated_swiglu": ("GL(8) × M(10)", 64 + 10),
    "gated_geglu": ("GL(8) × M(10)", 64 + 10),
    "gated_reglu": ("GL(8) × M(10;2,1)", 64 + 20),
    "gated_bilinear": ("GL(8) × M(10;2,2)", 64 + 20),
    "gated_tanh": ("GL(8) × M(10;1,2)", 64 + 10),
    "gated_glu": ("GL(8) × M(10)", 64 + 10),
    "gated_fused": ("GL(8) × M(10)", 64 + 10),
    # 4.3: a gain trades with its readers; three layer norms read the stream
    "residual_mlp": ("M(8;3,3) × M⁺(10) × M⁺(12)", 24 + 10 + 12),
    # a channel before batch norm: its own scale and sign, and a scale after the ReLU
    "vgg": ("M(6;2,1) × M(8;2,1) × M⁺(10)", 12 + 16 + 10),
    "unet": ("M(6;2,1) × M(8;2,1) × GL(5) × M(7;2,1)", 12 + 16 + 25 + 14),
    "densenet": ("GL(6) × M(4;2,1) × M(4;2,1) × M(4;2,1) × M(8;2,1)", 36 + 24 + 16),
    "squeeze_excite": ("M(8;2,1) × M⁺(6)", 16 + 6),
    "instance_norm": ("M(6) × M(8)", 14),
    "pixel_shuffle": ("M⁺(6) × M⁺(5)", 11),
    # 4.5: a depthwise layer shares the channels of both neighbours; groups move as blocks
    "depthwise_grouped": ("M(8;4,2) × S(2) × M⁺(6)≀ × M(4;2,1)≀", 32 + 12 + 16),
    "layer_used_twice": ("M⁺(8)", 8),
    "tied_autoencoder": ("S(8)", 0),
    "lstm_classifier": ("B(8)", 0),
    "lstm_two_layers": ("B(8) × B(8)", 0),
    "lstm_bidirectional": ("B(8) × B(8)", 0),
    "gru_classifier": ("B(8)", 0),
    "gru_two_layers_bidirectional": ("B(8) × B(8) × B(8) × B(8)", 0),
    "rnn_tanh": ("B(8)", 0),
    "rnn_two_layers": ("B(8) × B(8)", 0),
    "text_classifier": ("GL(8)", 64),
    # 4.4: S(heads) and a GL(head) for queries with keys and one for values, in every head
    "attention_separate": ("GL(8) × S(2) × GL(4)≀ × GL(4)≀", 64 + 2 * 2 * 16),
    "attention_fused_qkv": ("GL(8) × S(2) × GL(4)≀ × GL(4)≀", 64 + 2 * 2 * 16),
    "attention_chunk": ("GL(8) × S(2) × GL(4)≀ × GL(4)≀", 64 + 2 * 2 * 16),
    "attention_einsum": ("GL(8) × S(2) × GL(4)≀ × GL(4)≀", 64 + 2 * 2 * 16),
    "attention_module": ("GL(8) × S(2) × GL(4)≀ × GL(4)≀", 64 + 2 * 2 * 16),
    "encoder_layer_relu": ("M(8) × S(2) × M⁺(12) × GL(4)≀ × GL(4)≀", 8 + 12 + 64),
    "encoder_layer_gelu": ("M(8) × S(2) × S(12) × GL(4)≀ × GL(4)≀", 8 + 64),
    "encoder_layer_relu_norm_first": (
        "M(8;2,2) × S(2) × M⁺(12) × GL(4)≀ × GL(4)≀",
        16 + 12 + 64,
    ),
    "encoder_layer_gelu_norm_first": ("M(8;2,2) × S(2) × S(12) × GL(4)≀ × GL(4)≀", 16 + 64),
    "gpt": ("M(6;3,3) × S(2) × S(8) × GL(3)≀ × GL(3)≀", 18 + 2 * 2 * 9),
    "hf_gpt2": (
        "M(16;4,4) × S(2) × S(64) × S(2) × S(64) × GL(8)≀ × GL(8)≀ × GL(8)≀ × GL(8)≀",
        4 * 16 + 2 * 2 * 2 * 64,
    ),
    "hf_llama": (
        "M(16;5,6) × S(2) × M(12) × S(2) × M(12)" + 2 * " × S(2)≀ × R*(2)≀ × GL(4)≀",
        5 * 16 + 2 * (2 * 2 + 2 * 16 + 12),
    ),
}

every_entry = pytest.mark.parametrize("one", zoo(), ids=str)


@cache
def found(
    one: Entry, gauge: Literal["folded", "asis"] = "folded"
) -> tuple[nn.Module, Symmetry, tuple[str, ...]]:
    """The randomised model, its symmetry, and what discovery warned of."""
    if one.needs == "hf":
        pytest.importorskip("transformers")
    model = randomise(one.build(), seed=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        symmetry = discover(model, one.example(), gauge=gauge)
    said = tuple(str(w.message) for w in caught if "LeafSpec" not in str(w.message))
    return model, symmetry, said


@every_entry
def test_ten_random_elements_of_the_whole_group_keep_the_function(one: Entry) -> None:
    model, symmetry, said = found(one)
    assert said == symmetry.warnings == ()
    certificate = verify(symmetry, model, one.example(), samples=10, seed=1)
    assert certificate.verdict is Verdict.TESTED, str(certificate)
    assert certificate.evidence["relative_error"] <= 1e-9
    assert certificate.evidence["samples"] == 10
    assert certificate.evidence["culprits"] == []


@every_entry
def test_the_group_is_not_vacuous(one: Entry) -> None:
    model, symmetry, _ = found(one)
    params = params_of(model)
    moved = symmetry.act(symmetry.sample(seed=5), params)
    assert set(moved) == set(params) == set(symmetry.shapes)
    away = [n for n in params if not torch.equal(params[n], moved[n])]
    assert away
    for name, space in symmetry.spaces.items():
        assert space.group.motions or any(name in s.over for s in symmetry.spaces.values()), name


@pytest.mark.parametrize("name", EXPECTED)
def test_the_group_is_the_one_derived_by_hand(name: str) -> None:
    _, symmetry, _ = found(entry(name), "asis")
    groups, dimension = EXPECTED[name]
    shown = (f"{s.group}{'≀' if s.over else ''}" for s in symmetry.spaces.values())
    assert " × ".join(shown) == groups
    assert symmetry.lie_dim == dimension


def test_all_fifteen_networks_of_the_peers_are_right_and_not_vacuous() -> None:
    right = 0
    for one in peers15():
        model, symmetry, _ = found(one)
        certificate = verify(symmetry, model, one.example(), samples=10)
        right += certificate.verdict is Verdict.TESTED and symmetry.log_components > 0
    assert right == len(peers15()) == 15


def factorial(n: int) -> float:
    return math.lgamma(n + 1)


def test_components_are_counted_as_in_the_table() -> None:
    def components(name: str) -> float:
        return found(entry(name), "asis")[1].log_components

    swaps = factorial(8) + factorial(7)
    assert components("mlp") == pytest.approx(swaps)
    assert components("mlp_tanh") == pytest.approx(swaps + 15 * math.log(2))
    assert components("mlp_square") == pytest.approx(swaps + 15 * math.log(2))
    assert components("linear_net") == pytest.approx(2 * math.log(2))
    assert components("gated_tanh") == pytest.approx(
        math.log(2) + factorial(10) + 2 * 10 * math.log(2)
    )
    # S(2) ⋉ (GL(4) × GL(4))² beside the GL(8) of the stream: 2! 4² 2
    assert components("attention_separate") == pytest.approx(math.log(2 * 4**2 * 2))
    # (3!)⁸ 8!: pieces inside every unit
    assert components("maxout") == pytest.approx(8 * math.log(6) + factorial(8))


def test_the_dimension_of_the_table_s_example() -> None:
    layers = (nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    symmetry = discover(nn.Sequential(*layers), torch.zeros(1, 784))
    assert symmetry.lie_dim == 1024
    assert symmetry.log_components == pytest.approx(2 * factorial(512))


def test_discovery_needs_no_weights() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4096, 8192), nn.ReLU(), nn.Linear(8192, 10))
        symmetry = discover(model, torch.zeros(1, 4096))
    assert symmetry.lie_dim == 8192


def test_a_stage_of_a_residual_network_shares_one_space() -> None:
    _, symmetry, _ = found(entry("resnet20"), "asis")
    streams = [n for n, s in symmetry.spaces.items() if str(s.group).endswith(";5,4)")]
    assert [symmetry.spaces[n].size for n in streams] == [4, 8, 16]
    first, second, third = streams
    for k, stream in enumerate((first, first, first, second, second, second, third, third, third)):
        assert stream in symmetry.reps[f"blocks.{k}.conv2.weight"].spaces
    assert symmetry.reps["blocks.3.shortcut.0.weight"].spaces == (second, first)
    assert len(symmetry.spaces) == 3 + 9


def test_a_flattened_channel_is_a_block_of_columns() -> None:
    _, symmetry, _ = found(entry("vgg"), "asis")
    assert "(4*^(a-1;) 16)" in symmetry.reps["9.weight"].text(symmetry.spaces)


def test_grouped_queries_share_the_key_of_their_group() -> None:
    _, symmetry, _ = found(entry("llama_four_heads"), "asis")
    over = {s.over for s in symmetry.spaces.values() if s.over}
    assert over == {("blocks.0.attention.head",), ("blocks.1.attention.head",)}


def test_the_symmetry_of_an_mlp_reads_as_a_type() -> None:
    _, symmetry, _ = found(entry("mlp"), "asis")
    assert str(symmetry).splitlines() == [
        "M⁺(8)[fc1] × M⁺(7)[fc2]",
        "  fc1.weight  : fc1 ⊗ 6",
        "  fc1.bias    : fc1",
        "  fc2.weight  : fc2 ⊗ fc1*",
        "  fc2.bias    : fc2",
        "  head.weight : 4 ⊗ fc2*",
        "  head.bias   : 4",
    ]


def test_a_gate_is_blind_to_the_scale_of_its_unit() -> None:
    _, symmetry, _ = found(entry("gated_swiglu"), "asis")
    assert str(symmetry).splitlines() == [
        "GL(8)[embed] × M(10)[gate]",
        "  embed.weight : embed ⊗ 8",
        "  embed.bias   : embed",
        "  gate.weight  : gate^(;) ⊗ embed*",
        "  gate.bias    : gate^(;)",
        "  up.weight    : gate ⊗ embed*",
        "  up.bias      : gate",
        "  down.weight  : 8 ⊗ gate*",
        "  down.bias    : 8",
    ]


def test_fused_queries_keys_and_values_are_told_apart() -> None:
    _, symmetry, _ = found(entry("attention_fused_qkv"), "asis")
    head, key, value = (f"attention.{name}" for name in ("head", "key", "value"))
    qkv = f"(({head} {key}) + a:(({head} {key}*) + ({head} {value})))"
    assert str(symmetry).splitlines() == [
        f"GL(8)[embed] × S(2)[{head}] × GL(4)[{key}]({head}) × GL(4)[{value}]({head})",
        "  embed.weight         : embed ⊗ 8",
        "  embed.bias           : embed",
        f"  attention.qkv.weight : {qkv} ⊗ embed*",
        f"  attention.qkv.bias   : {qkv}",
        f"  attention.o.weight   : embed ⊗ ({head}* {value}*)",
        "  attention.o.bias     : embed",
        "  head.weight          : 8 ⊗ embed*",
        "  head.bias            : 8",
    ]


def test_only_the_cell_gate_of_an_lstm_feels_signs() -> None:
    _, symmetry, _ = found(entry("lstm_classifier"), "asis")
    gates = "(recurrent^(;) + recurrent^(;) + recurrent + recurrent^(;))"
    assert symmetry.reps["recurrent.weight_hh_l0"].text(symmetry.spaces) == f"{gates} ⊗ recurrent*"


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(one, marks=[pytest.mark.slow] if "hf" in one.tags else [])
        for one in zoo()
        if not one.name.startswith("mlp_")
    ],
    ids=str,
)
def test_a_model_made_functional_has_the_same_symmetry(
    one: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views that see writes are decomposed a little: every such operator needs the same type."""
    model, symmetry, _ = found(one, "asis")
    monkeypatch.setattr("isthmus.discovery.exporting.rebind", lambda graphs: False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        assert str(discover(model, one.example(), gauge="asis")) == str(symmetry)
