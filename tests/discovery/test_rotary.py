"""Rotary positions in all spellings: one complex number per plane, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus import discover
from isthmus.algebra.groups import PlaneRotation
from isthmus.algebra.groups.base import Motion
from isthmus.discovery.completeness import completeness
from isthmus.discovery.evaluation import double_inputs, run
from isthmus.discovery.verify import relative_change, verify
from isthmus.ground.certificates import Verdict
from isthmus.ground.params import params_of

Turn = Callable[[Tensor, Tensor, Tensor], Tensor]
Tables = Callable[[], tuple[Tensor, Tensor]]


def halves(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Pairs (i, i + half), as in GPT-NeoX."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def rotate_half(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The same by tables twice as wide, as in transformers."""
    a, b = x.chunk(2, -1)
    wide, turned = torch.cat([cos, cos], -1), torch.cat([-b, a], -1)
    return x * wide + turned * torch.cat([sin, sin], -1)


def neighbours(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Pairs (2i, 2i + 1), as in GPT-J."""
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)


def neighbours_apart(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Pairs (2i, 2i + 1) that come out as (i, i + half), as in DeepSeek."""
    a, b = x[..., ::2], x[..., 1::2]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def complex_numbers(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The same by complex numbers, as in Llama's first code."""
    z = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(z * torch.complex(cos, sin)).flatten(-2)


def untouched(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return x


def partial(turn: Turn) -> Turn:
    """Two of four coordinates."""
    return lambda x, c, s: torch.cat([turn(x[..., :2], c[..., :1], s[..., :1]), x[..., 2:]], -1)


def axial(turn: Turn) -> Turn:
    """Half of the coordinates by rows, half by columns."""

    def both(x: Tensor, c: Tensor, s: Tensor) -> Tensor:
        one, two = x[..., :2], x[..., 2:]
        return torch.cat([turn(one, c[..., :1], s[..., :1]),
                          turn(two, c[..., :1].flip(0), s[..., :1].flip(0))], -1)  # fmt: skip

    return both


SPELLINGS = [halves, rotate_half, neighbours, neighbours_apart, complex_numbers]


def tables(base: float = 3.0) -> tuple[Tensor, Tensor]:
    angles = torch.outer(torch.arange(5).double(), base ** -torch.arange(2).double())
    return angles.cos(), angles.sin()


def attention(
    query: Turn, key: Turn | None = None, given: Tables = tables, normed: bool = False
) -> Callable[..., Tensor]:
    """Two heads of size four."""

    def forward(m: Any, x: Tensor) -> Tensor:
        q, k, v = (f(x).view(2, 5, 2, 4).transpose(1, 2) for f in (m.q, m.k, m.v))
        cos, sin = (t.to(x.dtype) for t in given())
        q, k = (m.qn(q), m.kn(k)) if normed else (q, k)
        q, k = query(q, cos, sin), (key or query)(k, cos, sin)
        out: Tensor = m.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return out

    return forward


def found(tools: SimpleNamespace, forward: Callable[..., Tensor], **parts: Any) -> Any:
    """Symmetry, completeness; all that is claimed is true."""
    sizes = {"q": (6, 8), "k": (6, 8), "v": (6, 8), "o": (8, 4), **parts}
    model, example = tools.written(forward, **sizes), tools.noise(2, 5, 6)
    symmetry = discover(model, example)
    certificate = verify(symmetry, model, example)
    assert certificate.verdict is Verdict.TESTED, f"{certificate}\n{symmetry}"
    counted = completeness(symmetry, model, example)
    assert counted.sound, str(counted)
    assert counted.explained <= counted.nullity
    return symmetry, counted


@pytest.mark.parametrize("turn", SPELLINGS)
def test_a_complex_number_per_plane(tools: SimpleNamespace, turn: Turn) -> None:
    """2 heads × (2 planes × 2 + GL(4)) and the value's bias: 8 + 32 + 8."""
    symmetry, counted = found(tools, attention(turn))
    assert (symmetry.lie_dim, counted.nullity, counted.explained) == (48, 48, 48)
    planes = [s for s in symmetry.spaces.values() if isinstance(s.group, PlaneRotation)]
    assert len(planes) == 1


@pytest.mark.parametrize("turn", SPELLINGS)
def test_what_is_not_turned_keeps_its_linear_group(tools: SimpleNamespace, turn: Turn) -> None:
    """2 × (2 + GL(2) + GL(4)), the value's bias, and the key's bias where it is not turned."""
    symmetry, counted = found(tools, attention(partial(turn)))
    assert (symmetry.lie_dim, counted.nullity) == (56, 56)


def test_only_queries_turned(tools: SimpleNamespace) -> None:
    symmetry, counted = found(tools, attention(halves, untouched))
    assert (symmetry.lie_dim, counted.nullity) == (56, 56)  # the key's bias is free again


def test_two_conventions_leave_what_both_allow(tools: SimpleNamespace) -> None:
    """Queries in halves, keys in neighbours."""
    symmetry, counted = found(tools, attention(halves, neighbours))
    assert (symmetry.lie_dim, counted.nullity) == (42, 42)


def shared(turn: Turn) -> Callable[..., Tensor]:
    """Two heads of queries with one key and one value."""

    def forward(m: Any, x: Tensor) -> Tensor:
        q = m.q(x).view(2, 5, 2, 4).transpose(1, 2)
        k, v = (f(x)[:, None] for f in (m.k, m.v))
        cos, sin = (t.to(x.dtype) for t in tables())
        q, k = turn(q, cos, sin), turn(k, cos, sin).expand(2, 2, 5, 4)
        mixed = F.scaled_dot_product_attention(q, k, v.expand(2, 2, 5, 4))
        out: Tensor = m.o(mixed.transpose(1, 2).flatten(2))
        return out

    return forward


def test_one_plane_that_heads_share_has_a_scale(tools: SimpleNamespace) -> None:
    """No head and no other plane has a coordinate that could hold it."""
    _, counted = found(tools, shared(partial(halves)), k=(6, 4), v=(6, 4))
    assert counted.complete, str(counted)


@pytest.mark.parametrize("key", [axial(rotate_half), partial(rotate_half)], ids=["same", "part"])
def test_axial_tables(tools: SimpleNamespace, key: Turn) -> None:
    found(tools, attention(axial(rotate_half), key))


def test_equal_frequencies_are_sound(tools: SimpleNamespace) -> None:
    found(tools, attention(halves, given=lambda: tables(1.0)))


def test_no_position_at_all(tools: SimpleNamespace) -> None:
    found(tools, attention(halves, given=lambda: (torch.ones(5, 2), torch.zeros(5, 2))))


@pytest.mark.parametrize("norm", [nn.RMSNorm, nn.LayerNorm])
def test_behind_norms_of_queries_and_keys(
    tools: SimpleNamespace, norm: Callable[[int], nn.Module]
) -> None:
    found(tools, attention(rotate_half, normed=True), qn=norm(4), kn=norm(4))


def test_heads_with_speeds_of_their_own_are_not_exchanged(tools: SimpleNamespace) -> None:
    def own() -> tuple[Tensor, Tensor]:
        angles = torch.arange(1, 3.0)[:, None, None] * torch.outer(
            torch.arange(5.0), torch.tensor([1.0, 0.3])
        )
        return angles.cos(), angles.sin()

    symmetry, _ = found(tools, attention(halves, given=own))
    heads = {o for s in symmetry.spaces.values() if s.over for o in s.over}
    assert heads
    assert all(Motion.SWAP not in symmetry.spaces[o].group.motions for o in heads)


LOOKALIKES: dict[str, Turn] = {
    "a reflection": lambda x, c, s: torch.cat(
        [x[..., :2] * c - x[..., 2:] * s, -x[..., 2:] * c - x[..., :2] * s], -1
    ),
    "a shear": lambda x, c, s: torch.cat(
        [x[..., :2] * c - x[..., 2:] * s, x[..., 2:] * c], -1
    ),
    "a turn but for rounding": lambda x, c, s: torch.cat(
        [x[..., :2] * c - x[..., 2:] * s, x[..., 2:] * (c + 3e-6) + x[..., :2] * s], -1
    ),
    "positions exchanged": lambda x, c, s: torch.cat(
        [x[..., :2] * c - x[..., 2:].roll(1, -2) * s, x[..., 2:] * c + x[..., :2] * s], -1
    ),
    "a constant added": lambda x, c, s: halves(x, c, s) + torch.cat([c, s], -1),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_only_looks_like_a_turn(tools: SimpleNamespace, name: str) -> None:
    found(tools, attention(LOOKALIKES[name]))


def test_tables_that_are_saved_are_parameters() -> None:
    class Saved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(6, 8) for _ in range(3))
            self.o = nn.Linear(8, 4)
            for name, table in zip(("cos", "sin"), tables(), strict=True):
                self.register_buffer(name, table.float())

        def forward(self, x: Tensor) -> Tensor:
            return attention(halves, given=lambda: (self.cos, self.sin))(self, x)

    model, example = Saved().eval(), torch.randn(2, 5, 6)
    assert verify(discover(model, example), model, example).verdict is Verdict.TESTED


# Moves by hand that are no symmetries: what the next larger group would hold.
TURN = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)
MIRROR = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))


def placed(two: Tensor, pair: tuple[int, int]) -> Tensor:
    """A matrix of one head: ``two`` in a plane of it."""
    matrix = torch.eye(4, dtype=torch.float64)
    for a in range(2):
        for b in range(2):
            matrix[pair[a], pair[b]] = two[a, b]
    return matrix


SWAP = torch.eye(4, dtype=torch.float64)[[1, 0, 3, 2]]
MOVES = {
    "the other convention": (halves, placed(TURN, (0, 1)), False),
    "the other convention, neighbours": (neighbours, placed(TURN, (0, 2)), False),
    "the right one": (halves, placed(TURN, (0, 2)), True),
    "the right one, neighbours": (neighbours, placed(TURN, (2, 3)), True),
    "conjugation": (halves, placed(MIRROR, (0, 2)), False),
    "frequencies exchanged": (halves, SWAP, False),
    "turned with the rest": (partial(halves), placed(TURN, (1, 2)), False),
    "the rest alone": (partial(halves), placed(TURN, (2, 3)), True),
    "a plane of one scale": (halves, placed(2 * torch.eye(2).double(), (1, 3)), True),
    "a plane of two scales": (halves, placed(torch.diag(torch.tensor([2.0, 3.0]).double()), (1, 3)),
                              False),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVES)
def test_moves_by_hand(tools: SimpleNamespace, name: str) -> None:
    turn, matrix, good = MOVES[name]
    model = tools.written(attention(turn), q=(6, 8), k=(6, 8), v=(6, 8), o=(8, 4)).double()
    params = params_of(model)
    inputs = double_inputs(2 * tools.noise(2, 5, 6), torch.Generator().manual_seed(0))
    moved = dict(params)
    for layer, move in (("q", matrix), ("k", torch.linalg.inv(matrix).T)):
        both = torch.block_diag(move, torch.eye(4, dtype=torch.float64))
        for part in ("weight", "bias"):
            moved[f"{layer}.{part}"] = both @ (5 * params[f"{layer}.{part}"])
            params[f"{layer}.{part}"] = 5 * params[f"{layer}.{part}"]
    change = relative_change(run(model, params, inputs), run(model, moved, inputs))
    assert change < 1e-9 if good else change > 1e-3
