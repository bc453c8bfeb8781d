"""Views, cuts, joins and copies: which coordinates are the same, and what varies with what."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Forward = Callable[[Any, Tensor], Tensor]


def heads(x: Tensor) -> Tensor:
    return x.view(2, 5, 2, 4).transpose(1, 2)


def joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def turned(x: Tensor) -> Tensor:
    """Rotary positions on interleaved pairs."""
    angle = torch.arange(10, dtype=x.dtype).view(5, 2)
    a, b = x[..., ::2], x[..., 1::2]
    mixed = [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()]
    return torch.stack(mixed, -1).flatten(-2)


FUSED: dict[str, Callable[[Tensor], Any]] = {
    "3 h d by view": lambda y: y.view(2, 5, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0),
    "3 h d by chunk": lambda y: [heads(part) for part in y.chunk(3, -1)],
    "3 h d by split": lambda y: [heads(part) for part in y.split(8, -1)],
    "3 h d by slices": lambda y: [heads(y[..., k : k + 8].contiguous()) for k in (0, 8, 16)],
    "3 h d by select": lambda y: [heads(y.view(2, 5, 3, 8)[:, :, k]) for k in range(3)],
    "h 3 d by unbind": lambda y: y.view(2, 5, 2, 3, 4).transpose(1, 2).unbind(3),
    "h 3 d by chunk": lambda y: y.view(2, 5, 2, 12).transpose(1, 2).chunk(3, -1),
    "h d 3 by unbind": lambda y: [t.transpose(1, 2) for t in y.view(2, 5, 2, 4, 3).unbind(-1)],
    "h d 3 by strides": lambda y: [heads(y[..., k::3]) for k in range(3)],
}  # fmt: skip


@pytest.mark.parametrize("layout", FUSED)
def test_fused_queries_keys_and_values_in_every_layout(layout: str, tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        q, k, v = FUSED[layout](m.a(x))
        return m.h(joined(F.scaled_dot_product_attention(q, k, v)))

    found = tools.groups(forward, tools.noise(2, 5, 6), a=(6, 24), h=(8, 4))
    assert found == "S(2) × GL(4)≀ × GL(4)≀"


def attend(m: Any, x: Tensor) -> Any:
    q, k, v = (heads(layer(x)) for layer in (m.q, m.k, m.v))
    return q, k, v


ATTENTION: dict[str, tuple[Forward, str]] = {
    "plain": (
        lambda m, x: m.o(joined(F.scaled_dot_product_attention(*attend(m, x)))),
        "S(2) × GL(4)≀ × GL(4)≀",
    ),
    "causal": (
        lambda m, x: m.o(joined(F.scaled_dot_product_attention(*attend(m, x), is_causal=True))),
        "S(2) × GL(4)≀ × GL(4)≀",
    ),
    "a trainable table of positions per head": (
        lambda m, x: m.o(joined(F.scaled_dot_product_attention(*attend(m, x), attn_mask=m.table))),
        "S(2) × GL(4)≀ × GL(4)≀",
    ),
    "a bias that heads share": (
        lambda m, x: m.o(
            joined(F.scaled_dot_product_attention(attend(m, x)[0] + m.shared, *attend(m, x)[1:]))
        ),
        "GL(4) × S(2) × GL(4)≀",
    ),
    "a norm that heads share": (
        lambda m, x: m.o(
            joined(F.scaled_dot_product_attention(m.norm(attend(m, x)[0]), *attend(m, x)[1:]))
        ),
        "B(2) × M(4;1,2) × GL(4)≀",
    ),
    "rotary positions": (
        lambda m, x: m.o(
            joined(F.scaled_dot_product_attention(*map(turned, attend(m, x)[:2]), attend(m, x)[2]))
        ),
        "S(2) × R*(2)≀ × GL(4)≀",
    ),
    "a feature map instead of softmax": (
        lambda m, x: m.o(
            joined(
                torch.einsum(
                    "bhsk,bhkv->bhsv",
                    F.elu(attend(m, x)[0]),
                    torch.einsum("bhsk,bhsv->bhkv", F.elu(attend(m, x)[1]), attend(m, x)[2]),
                )
            )
        ),
        "S(2) × S(4)≀ × GL(4)≀",
    ),
}


@pytest.mark.parametrize("kind", ATTENTION)
def test_attention(kind: str, tools: SimpleNamespace) -> None:
    forward, expected = ATTENTION[kind]
    extra: dict[str, Any] = {
        "a trainable table of positions per head": {"table": [2, 5, 5]},
        "a bias that heads share": {"shared": [4]},
        "a norm that heads share": {"norm": nn.RMSNorm(4)},
    }.get(kind, {})
    parts = {"q": (6, 8), "k": (6, 8), "v": (6, 8), "o": (8, 4)}
    found = tools.groups(forward, tools.noise(2, 5, 6), **parts, **extra)
    assert sorted(found.split(" × ")) == sorted(expected.split(" × "))


def test_grouped_queries_are_a_wreath_in_a_wreath(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        q = m.q(x).view(2, 5, 4, 4).transpose(1, 2)
        k, v = heads(m.k(x)), heads(m.v(x))
        return m.o(joined(F.scaled_dot_product_attention(q, k, v, enable_gqa=True)))

    parts = {"q": (6, 16), "k": (6, 8), "v": (6, 8), "o": (16, 4)}
    assert tools.groups(forward, tools.noise(2, 5, 6), **parts) == (
        "S(2) × S(2)≀ × GL(4)≀ × GL(4)≀"
    )


CUTS: dict[str, tuple[Forward, str]] = {
    "halves of one layer": (
        lambda m, x: m.r4(torch.relu(m.a8(x)[:, :4]) * torch.tanh(m.a8(x)[:, 4:])),
        "M(4)",
    ),
    "strided halves": (
        lambda m, x: m.r4(torch.relu(m.a8(x)[:, ::2]) * torch.tanh(m.a8(x)[:, 1::2])),
        "M(4)",
    ),
    "a stride that does not divide": (
        lambda m, x: m.r3(torch.relu(m.a8(x)[:, ::3])),
        "M⁺(3) × GL(5)",
    ),
    "overlapping slices": (
        lambda m, x: m.r5(torch.relu(m.a8(x)[:, :5])) + m.r5(torch.tanh(m.a8(x)[:, 3:])),
        "S(2)",
    ),
    "overlapping linear slices": (
        lambda m, x: m.r6(m.a8(x)[:, :6]) + m.r6(m.a8(x)[:, 2:]),
        "GL(2)",
    ),
    "what is left over stays linear": (
        lambda m, x: m.r8(torch.cat([m.a8(x)[:, :5], torch.tanh(m.a8(x)[:, -3:])], 1)),
        "GL(5) × B(3)",
    ),
    "concatenated, then split elsewhere": (
        lambda m, x: sum(
            m.r4(torch.relu(half)) for half in torch.cat([m.a3(x), m.a5(x)], 1).chunk(2, 1)
        ),
        "M⁺(3) × R⁺(1)",
    ),
    "concatenated both ways": (
        lambda m, x: m.r8(torch.relu(torch.cat([m.a4(x), m.b4(x)], 1)))
        + m.r8(torch.relu(torch.cat([m.b4(x), m.a4(x)], 1))),
        "M⁺(4)",
    ),
    "stacked and summed": (lambda m, x: m.r4(torch.stack([m.a4(x), m.b4(x)], 1).sum(1)), "GL(4)"),
    "stacked and viewed": (
        lambda m, x: m.r8(torch.relu(torch.stack([m.a4(x), m.b4(x)], -1).view(2, 8))),
        "M⁺(4)",
    ),
    "unbound and added across": (
        lambda m, x: m.r12(
            torch.relu(
                torch.cat(
                    [
                        m.a12(x).view(2, 3, 4)[:, 0] + m.a12(x).view(2, 3, 4)[:, 1],
                        *m.a12(x).view(2, 3, 4).unbind(1)[1:],
                    ],
                    1,
                )
            )
        ),
        "M⁺(4) × M⁺(4)",
    ),
    "a square added to its transpose": (
        lambda m, x: m.r16(
            torch.relu(m.a16(x).view(2, 4, 4) + m.a16(x).view(2, 4, 4).mT).flatten(1)
        ),
        "M⁺(4)",
    ),
    "a rectangle added to its transpose": (
        lambda m, x: m.r8(
            torch.relu(
                m.a8(x).view(2, 2, 4).flatten(1) + m.a8(x).view(2, 2, 4).mT.flatten(1)
            )
        ),
        "1",
    ),
    "two views that do not divide alike": (
        lambda m, x: m.r12(
            m.a12(x).view(2, 3, 4).softmax(-1).flatten(1)
            * m.a12(x).view(2, 4, 3).softmax(-1).flatten(1)
        ),
        "1",
    ),
    "copies end to end": (lambda m, x: m.r8(torch.relu(m.a4(x)).repeat(1, 2)), "M⁺(4) × S(2)≀"),
    "copies side by side": (
        lambda m, x: m.r8(torch.relu(m.a4(x)).repeat_interleave(2, 1)),
        "M⁺(4) × S(2)≀",
    ),
    "flipped": (lambda m, x: m.r8(m.a8(x).flip(1)), "1"),
    "rolled": (lambda m, x: m.r8(m.a8(x).roll(1, 1)), "1"),
    "rolled as a whole": (lambda m, x: m.r8(m.a8(x).roll(1)), "1"),
    "cumulated": (lambda m, x: m.r8(m.a8(x).cumsum(1)), "1"),
    "windows": (lambda m, x: m.r3(m.a8(x).unfold(1, 3, 1)), "1"),
    "chosen by constants": (lambda m, x: m.r3(m.a8(x)[:, [0, 3, 5]]), "1"),
    "expanded from one": (lambda m, x: m.r8(torch.relu(m.a8(x)) * m.a1(x).expand(2, 8)), "M⁺(8)"),
    "added to one": (lambda m, x: m.r8(torch.relu(m.a8(x)) + m.a1(x)), "S(8)"),
    "masked by a constant": (
        lambda m, x: m.r8(torch.relu(m.a8(x)).masked_fill(torch.arange(8) % 3 == 0, 0.0)),
        "R⁺(8)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CUTS)
def test_cuts_joins_and_copies(kind: str, tools: SimpleNamespace) -> None:
    forward, expected = CUTS[kind]
    used = {n for n in forward.__code__.co_names if n[0] in "arb" and n[1:].isdigit()}
    for constant in forward.__code__.co_consts:
        if hasattr(constant, "co_names"):
            used |= {n for n in constant.co_names if n[0] in "arb" and n[1:].isdigit()}
    parts = {n: (int(n[1:]), 4) if n[0] == "r" else (6, int(n[1:])) for n in sorted(used)}
    if kind in ("expanded from one", "added to one"):
        parts["a1"] = (6, 1)
    assert tools.groups(forward, **parts) == expected


def read_alone(m: Any, x: Tensor) -> Any:
    y = torch.relu(m.a(x).view(2, 3, 4))
    first = torch.tanh(y[:, 0])
    return m.h(torch.relu(m.m(y)).flatten(1)) + m.h(torch.cat([first] * 3, 1))


def cumulated(m: Any, x: Tensor) -> Any:
    y = m.a(x).view(2, 3, 4)
    first = torch.tanh(y[:, 0])
    return m.h(y.cumsum(1).flatten(1)) + m.h(torch.cat([first] * 3, 1))


FAMILIES: dict[str, tuple[Forward, dict[str, Any], str]] = {
    "softmax inside": (
        lambda m, x: m.h(m.a(x).view(2, 3, 4).softmax(2).flatten(1)),
        {"h": (12, 4)},
        "S(3) × S(4)≀",
    ),
    "softmax across: what is inside cannot vary": (
        lambda m, x: m.h(m.a(x).view(2, 3, 4).softmax(1).flatten(1)),
        {"h": (12, 4)},
        "S(4) × S(3)≀",
    ),
    "summed across": (
        lambda m, x: m.h((m.a(x).view(2, 3, 4).relu() * m.b(x).view(2, 3, 4)).sum(1)),
        {"b": (6, 12), "h": (4, 4)},
        "M(4) × M⁺(3)≀",
    ),
    "a layer across": (
        lambda m, x: m.h(m.m(m.a(x).view(2, 3, 4).relu().mT).relu().mT.flatten(1)),
        {"m": (3, 5), "h": (20, 4)},
        "M⁺(3) × S(4) × M⁺(5)",
    ),
    "a layer inside, the same for all": (
        lambda m, x: m.h(torch.relu(m.m(torch.relu(m.a(x).view(2, 3, 4)))).flatten(1)),
        {"m": (4, 4), "h": (12, 4)},
        "S(3) × M⁺(4) × M⁺(4)",
    ),
    "one of them read by itself": (read_alone, {"m": (4, 4), "h": (12, 4)}, "S(4)"),
    "cumulated across": (cumulated, {"h": (12, 4)}, "B(4)"),
    "end to end, then averaged": (
        lambda m, x: m.h(torch.cat([m.a(x).tanh(), m.b(x).tanh()], 1).view(2, 2, 12).mean(1)),
        {"b": (6, 12), "h": (12, 4)},
        "B(12)",
    ),
    "norms of parts": (
        lambda m, x: m.h(torch.linalg.vector_norm(m.a(x).view(2, 3, 4), dim=-1)),
        {"h": (3, 4)},
        "M⁺(3) × O(4)≀",
    ),
    "deviations of parts": (
        lambda m, x: m.h(m.a(x).view(2, 3, 4).std(-1)),
        {"h": (3, 4)},
        "M(3) × S(4)≀",
    ),
    "layer norm over two axes": (
        lambda m, x: m.h(torch.relu(m.n(m.a(x).view(2, 3, 4))).flatten(1)),
        {"n": nn.LayerNorm((3, 4)), "h": (12, 4)},
        "S(3) × M⁺(4)≀",
    ),
    "a norm over positions, without statistics": (
        lambda m, x: m.h(torch.relu(m.n(m.a(x).view(2, 3, 4).mT)).mT.flatten(1)),
        {"n": nn.BatchNorm1d(4, affine=False, track_running_stats=False), "h": (12, 4)},
        "S(4) × S(3)≀",
    ),
    "group norm": (
        lambda m, x: m.h(torch.relu(m.n(m.a(x).view(2, 4, 3))).flatten(1)),
        {"n": nn.GroupNorm(2, 4), "h": (12, 4)},
        "B(2) × M⁺(2)≀ × S(3)≀",
    ),
}


@pytest.mark.parametrize("kind", FAMILIES)
def test_families(kind: str, tools: SimpleNamespace) -> None:
    forward, parts, expected = FAMILIES[kind]
    assert tools.groups(forward, a=(6, 12), **parts) == expected


EXPERTS = {
    "of their own": ("bi,eih->beh", "beh,eho,be->bo", [3, 8, 4], "S(3) × M⁺(8)≀"),
    "that share their readers": ("bi,eih->beh", "beh,ho,be->bo", [8, 4], "S(3) × M⁺(8)"),
}


@pytest.mark.parametrize("kind", EXPERTS)
def test_experts(kind: str, tools: SimpleNamespace) -> None:
    first, second, shape, expected = EXPERTS[kind]

    def forward(m: Any, x: Tensor) -> Tensor:
        hidden = torch.relu(torch.einsum(first, x, m.w1))
        return torch.einsum(second, hidden, m.w2, m.route(x).softmax(-1))

    assert tools.groups(forward, w1=[3, 6, 8], w2=shape, route=(6, 3)) == expected


def test_experts_chosen_one_by_one(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return sum(torch.relu(x @ m.w1[e]) @ m.w2[(e + 1) % 3] * (e + 1) for e in range(3))

    assert tools.groups(forward, w1=[3, 6, 8], w2=[3, 8, 4]) == "M⁺(8) × M⁺(8) × M⁺(8)"


EINSUM: dict[str, tuple[Forward, dict[str, Any], str]] = {
    "implicit output": (
        lambda m, x: m.h(torch.einsum("bi,oi", x, m.w)),
        {"w": [8, 6], "h": (8, 4)},
        "GL(8)",
    ),
    "dots on both sides": (
        lambda m, x: m.h(
            torch.einsum("...i,...i->...", m.a(x).view(2, 3, 4), m.b(x).view(2, 3, 4))
        ),
        {"a": (6, 12), "b": (6, 12), "h": (3, 4)},
        "M(3) × GL(4)≀",
    ),
    "dots aligned from the right": (
        lambda m, x: m.h(torch.einsum("...i,...i->...", m.a(x).view(2, 3, 4), m.w)),
        {"a": (6, 12), "w": [3, 4], "h": (3, 4)},
        "M(3) × GL(4)≀",
    ),
    "a diagonal": (
        lambda m, x: m.h(torch.einsum("bii->bi", m.a(x).view(2, 4, 4))),
        {"a": (6, 16), "h": (4, 4)},
        "M(4;2,2)",
    ),
    "a trace": (
        lambda m, x: m.h(torch.einsum("bii->b", m.a(x).view(2, 4, 4))[:, None]),
        {"a": (6, 16), "h": (1, 4)},
        "S(4)",
    ),
    "three operands summed at once": (
        lambda m, x: m.h(torch.einsum("bi,bi,i->b", m.a(x), m.b(x), m.w)[:, None]),
        {"a": (6, 8), "b": (6, 8), "w": [8], "h": (1, 4)},
        "M(8;2,2)",
    ),
    "an outer product": (
        lambda m, x: m.h(torch.einsum("bi,bj->bij", m.a(x), m.b(x)).flatten(1)),
        {"a": (6, 3), "b": (6, 4), "h": (12, 4)},
        "GL(3) × GL(4)",
    ),
}


@pytest.mark.parametrize("kind", EINSUM)
def test_einsum(kind: str, tools: SimpleNamespace) -> None:
    forward, parts, expected = EINSUM[kind]
    assert tools.groups(forward, **parts) == expected


TIED: dict[str, tuple[Forward, dict[str, Any], str]] = {
    "a weight and its transpose, in a row": (
        lambda m, x: m.h(torch.relu(F.linear(torch.relu(F.linear(m.a(x), m.w)), m.w.T))),
        {"w": [8, 8], "a": (6, 8), "h": (8, 4)},
        "S(8) × M⁺(8)",
    ),
    "a linear tied autoencoder turns": (
        lambda m, x: F.linear(F.linear(x, m.w), m.w.T),
        {"w": [8, 6]},
        "O(8)",
    ),
    "a symmetric weight": (
        lambda m, x: m.h(m.a(x) @ (m.w + m.w.T)),
        {"w": [8, 8], "a": (6, 8), "h": (8, 4)},
        "GL(8)",
    ),
    "a Gram matrix": (
        lambda m, x: m.h((m.a(x).view(2, 3, 5) @ m.a(x).view(2, 3, 5).mT).flatten(1)),
        {"a": (6, 15), "h": (9, 4)},
        "GL(3) × O(5)",
    ),
    "an outer square": (
        lambda m, x: m.h((m.a(x)[:, :, None] * m.a(x)[:, None, :]).flatten(1)),
        {"a": (6, 8), "h": (64, 4)},
        "GL(8)",
    ),
    "a diagonal": (
        lambda m, x: m.h(m.a(x) * m.w.diagonal()),
        {"w": [8, 8], "a": (6, 8), "h": (8, 4)},
        "M(8;3,3)",
    ),
    "a low-rank update": (
        lambda m, x: m.h(torch.relu(F.linear(x, m.w + m.b @ m.c))),
        {"w": [8, 6], "b": [8, 3], "c": [3, 6], "h": (8, 4)},
        "M⁺(8) × GL(3)",
    ),
    "a weight made by a layer": (
        lambda m, x: m.h(torch.relu(F.linear(x, m.a(m.e).view(8, 6)))),
        {"e": [3], "a": (3, 48), "h": (8, 4)},
        "GL(3) × M⁺(8)",
    ),
    "slices of one weight": (
        lambda m, x: m.h(torch.tanh(x @ m.w[:4].T) * torch.relu(x @ m.w[4:8].T) + x @ m.w[8:].T),
        {"w": [12, 6], "h": (4, 4)},
        "M(4)",
    ),
    "a lower triangle": (
        lambda m, x: m.h(m.a(x) @ m.w.tril()),
        {"w": [8, 8], "a": (6, 8), "h": (8, 4)},
        "1",
    ),
}


@pytest.mark.parametrize("kind", TIED)
def test_weights_used_more_than_once(kind: str, tools: SimpleNamespace) -> None:
    forward, parts, expected = TIED[kind]
    assert tools.groups(forward, **parts) == expected


def test_one_parameter_under_two_names(tools: SimpleNamespace) -> None:
    model = tools.written(
        lambda m, x: m.h(torch.relu(m.b(torch.relu(m.a(x))))), a=(8, 8), b=(8, 8), h=(8, 4)
    )
    model.b.weight = model.a.weight
    from isthmus.discovery import discover, verify

    symmetry = discover(model, tools.noise(2, 8))
    assert symmetry.aliases == {"b.weight": "a.weight"}
    assert "b.weight" not in symmetry.reps
    # the input of `a` is fixed, so nothing may act on the columns of the one weight
    assert tools.headline(symmetry) == "1"
    assert verify(symmetry, model, tools.noise(2, 8)).verdict.name == "TESTED"


CONVOLUTION: dict[str, tuple[nn.Module, tuple[int, ...], str]] = {
    "no batch": (
        nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Conv1d(4, 2, 3)),
        (3, 9),
        "M⁺(4)",
    ),
    "transposed with groups": (
        nn.Sequential(
            nn.Conv1d(3, 4, 3), nn.ReLU(), nn.ConvTranspose1d(4, 6, 3, groups=2), nn.ReLU(),
            nn.Conv1d(6, 2, 1),
        ),
        (2, 3, 9),
        "S(2) × M⁺(2)≀ × M⁺(3)≀",
    ),
    "circular padding": (
        nn.Sequential(
            nn.Conv1d(3, 4, 3, padding=1, padding_mode="circular"), nn.Tanh(), nn.Conv1d(4, 2, 1)
        ),
        (2, 3, 9),
        "B(4)",
    ),
    "shuffled groups": (
        nn.Sequential(
            nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1, groups=2), nn.ReLU(),
            nn.ChannelShuffle(2), nn.Conv2d(8, 8, 1, groups=2), nn.ReLU(), nn.Conv2d(8, 2, 1),
        ),
        (2, 3, 4, 4),
        "S(2) × S(2) × M⁺(4)≀ × M⁺(4)≀ × M⁺(2)≀",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONVOLUTION)
def test_convolutions(kind: str, tools: SimpleNamespace) -> None:
    model, shape, expected = CONVOLUTION[kind]
    assert tools.groups(lambda m, x: m.net(x), tools.noise(*shape), net=model) == expected


RECURRENT: dict[str, tuple[Forward, nn.Module, dict[str, Any], str]] = {
    "steps are in order": (
        lambda m, x: m.h(m.l(m.t(x.mT).mT)[0].mean(1)),
        nn.LSTM(6, 8, batch_first=True),
        {"t": (5, 5), "h": (8, 4)},
        "B(8)",
    ),
    "a batch may be permuted": (
        lambda m, x: m.h(m.l(m.t(x.mT).mT)[0].mean(1)),
        nn.LSTM(6, 8),
        {"t": (5, 7), "h": (8, 4)},
        "S(7) × B(8)",
    ),
    "a trained first state": (
        lambda m, x: m.h(m.l(x, m.z.expand(1, 2, 8).contiguous())[0]),
        nn.GRU(6, 8, batch_first=True),
        {"z": [1, 1, 8], "h": (8, 4)},
        "B(8)",
    ),
    "last states of both directions, averaged": (
        lambda m, x: m.h(m.l(x)[1][0].mean(0)),
        nn.LSTM(6, 8, batch_first=True, bidirectional=True),
        {"h": (8, 4)},
        "B(8)",
    ),
    "last states of both directions, side by side": (
        lambda m, x: m.h(m.l(x)[1][0].transpose(0, 1).reshape(2, 16)),
        nn.LSTM(6, 8, batch_first=True, bidirectional=True),
        {"h": (16, 4)},
        "B(8) × B(8)",
    ),
    "a ReLU network": (
        lambda m, x: m.h(m.l(x)[0]),
        nn.RNN(6, 8, batch_first=True, nonlinearity="relu"),
        {"h": (8, 4)},
        "M⁺(8)",
    ),
    "projections": (
        lambda m, x: m.h(m.l(x)[0]),
        nn.LSTM(6, 8, batch_first=True, proj_size=3),
        {"h": (3, 4)},
        "GL(3) × B(8)",
    ),
}


@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_layers(kind: str, tools: SimpleNamespace) -> None:
    forward, layer, parts, expected = RECURRENT[kind]
    assert tools.groups(forward, tools.noise(2, 5, 6), **parts, l=layer) == expected
