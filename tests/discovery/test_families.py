"""Families of architectures: norms written out, stored offsets, experts, partial rotary."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus import discover, verify
from isthmus.discovery.capture import capture
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.labels import Moves, along, moved
from isthmus.testing.zoo import entry, randomise

WIDTH, EPS = 6, 1e-5


def _plain(x: Tensor) -> Tensor:
    c = x - x.mean(-1, keepdim=True)
    return c * torch.rsqrt(c.pow(2).mean(-1, keepdim=True) + EPS)


def _twice(x: Tensor) -> Tensor:
    mean = x.mean(-1, keepdim=True)
    variance = (x - mean).square().mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + EPS)


def _cast(x: Tensor) -> Tensor:
    dtype = x.dtype
    x = x.to(torch.float64)
    variance = x.var(-1, keepdim=True, unbiased=False)
    return ((x - x.mean(-1, keepdim=True)) / (variance + EPS) ** 0.5).to(dtype)


def _both(x: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, -1, correction=0, keepdim=True)
    return (x - mean) * (1 / (variance + EPS).sqrt())


def _reciprocal(x: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, -1, correction=0, keepdim=True)
    return (x - mean) * (variance + EPS).sqrt().reciprocal()


class Stream(nn.Module):
    """Tokens, one gated block behind a norm with a gain, a head behind another."""

    def __init__(self, norm: Callable[[Tensor], Tensor], start: float = 1.0) -> None:
        super().__init__()
        self.norm, self.offset = norm, 1.0 - start
        self.table = nn.Embedding(9, WIDTH)
        self.gains = nn.ParameterList(nn.Parameter(torch.full((WIDTH,), start)) for _ in range(2))
        self.gate = nn.Linear(WIDTH, 4, bias=False)
        self.up = nn.Linear(WIDTH, 4, bias=False)
        self.down = nn.Linear(4, WIDTH, bias=False)
        self.head = nn.Linear(WIDTH, 5, bias=False)

    def _normed(self, x: Tensor, k: int) -> Tensor:
        gain = self.gains[k]
        return self.norm(x) * (gain if self.offset == 0 else self.offset + gain)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.table(ids)
        h = self._normed(x, 0)
        x = x + self.down(F.silu(self.gate(h)) * self.up(h))
        out: Tensor = self.head(self._normed(x, 1))
        return out


IDS = torch.arange(8).reshape(2, 4)


def _groups(symmetry: object) -> set[str]:
    return {str(space.group) for space in symmetry.spaces.values()}  # type: ignore[attr-defined]


def _exact(model: nn.Module, example: object) -> object:
    symmetry = discover(model, example)  # type: ignore[arg-type]
    for scale in (0.1, 1.0):
        found = verify(symmetry, model, example, samples=4, scale=scale)  # type: ignore[arg-type]
        assert found.evidence["relative_error"] < 1e-9
    return symmetry


@pytest.mark.parametrize("norm", [_plain, _twice, _cast, _both, _reciprocal])
def test_a_layer_norm_that_is_written_out_is_one(norm: Callable[[Tensor], Tensor]) -> None:
    found = _exact(Stream(norm), IDS)
    same = _exact(Stream(lambda x: F.layer_norm(x, (WIDTH,), eps=EPS)), IDS)
    assert f"O({WIDTH}|1)" in _groups(found)
    assert found.lie_dim == same.lie_dim  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "norm",
    [
        lambda x: (x - x.mean(-1, keepdim=True)) * (x.var(1, keepdim=True) + EPS).rsqrt(),
        lambda x: (x - x.mean(1, keepdim=True)) * (x.var(-1, keepdim=True) + EPS).rsqrt(),
        lambda x: (x - x.mean(-1, keepdim=True)) * (x.abs().var(-1, keepdim=True) + EPS).rsqrt(),
        lambda x: (x - torch.var_mean(x, -1, correction=0, keepdim=True)[0]) / 2.0,
    ],
)
def test_what_only_looks_like_a_layer_norm_is_none(norm: Callable[[Tensor], Tensor]) -> None:
    assert f"O({WIDTH}|1)" not in _groups(_exact(Stream(norm), IDS))


def test_gains_stored_as_their_difference_from_one_fold() -> None:
    def rms(x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS)

    stored, plain = _exact(Stream(rms, start=0.0), IDS), _exact(Stream(rms), IDS)
    assert f"O({WIDTH})" in _groups(stored)
    assert stored.lie_dim == plain.lie_dim  # type: ignore[attr-defined]


class Experts(nn.Module):
    """The two best of three experts, whose weights are chosen by an index; a softmax over both."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(WIDTH))
        self.table = nn.Embedding(9, WIDTH)
        self.router = nn.Linear(WIDTH, 3, bias=bias)
        self.up = nn.Parameter(torch.randn(3, WIDTH, 4))
        self.down = nn.Parameter(torch.randn(3, 5, 4))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.table(ids.flatten())
        x = F.rms_norm(x, (WIDTH,), self.gain, EPS)
        scores, chosen = torch.topk(self.router(x), 2, dim=-1)
        weights = scores.softmax(-1)
        hidden = F.silu(x[:, None, None, :] @ self.up[chosen])
        out: Tensor = (self.down[chosen] @ hidden.mT).squeeze(-1)
        return (out * weights[..., None]).sum(1)


def test_gains_go_into_every_expert() -> None:
    torch.manual_seed(0)
    symmetry = _exact(Experts(), IDS)
    assert f"O({WIDTH})" in _groups(symmetry)


def test_routers_may_be_shifted() -> None:
    torch.manual_seed(0)
    symmetry = _exact(Experts(), IDS)
    assert {"router.weight.mean", "router.bias.mean"} <= set(symmetry.reps)  # type: ignore[attr-defined]


class Partly(nn.Module):
    """Attention whose first four of eight features are turned by rotary positions."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(5, 8, bias=False) for _ in range(3))
        self.out = nn.Linear(8, 3)
        angles = torch.outer(torch.arange(4.0), torch.tensor([1.0, 0.3])).repeat(1, 2)
        self.register_buffer("angles", angles, persistent=False)

    def _turned(self, x: Tensor) -> Tensor:
        turned, rest = x[..., :4], x[..., 4:]
        half = torch.cat([-turned[..., 2:], turned[..., :2]], -1)
        angles = self.get_buffer("angles")
        return torch.cat([turned * angles.cos() + half * angles.sin(), rest], -1)

    def forward(self, x: Tensor) -> Tensor:
        q, k = self._turned(self.q(x)), self._turned(self.k(x))
        out: Tensor = self.out(F.scaled_dot_product_attention(q, k, self.v(x)))
        return out


def test_partial_rotary_positions_with_several_planes() -> None:
    symmetry = _exact(Partly(), torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)))
    # Two planes with a complex number each, four plain features, eight of the values.
    assert {"SO(2)", "GL(4)", "GL(8)"} <= _groups(symmetry)
    assert symmetry.lie_dim >= 2 * 2 + 4 * 4 + 8 * 8  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "group"),
    [("hf_mixtral", "O(16)"), ("hf_qwen3_moe", "O(16)"), ("hf_gpt_oss", "O(16)")],
)
def test_streams_of_mixtures_turn(name: str, group: str) -> None:
    pytest.importorskip("transformers")
    one = entry(name)
    assert group in _groups(_exact(randomise(one.build(), 3), one.example()))


def test_labels_are_sent_through_equal_operators_once() -> None:
    class Twice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            one = x.transpose(1, 2).reshape(2, -1)
            return one + x.transpose(1, 2).reshape(2, -1)

    graph, moves = Graph(capture(Twice(), torch.zeros(2, 3, 4))), Moves()
    made = []
    for op in graph:
        if op.target == "transpose":
            name = next(op.refs()).name
            labels = along((2, 3, 4), 1)
            first = moves.moved(op, name, labels)
            assert first is not None
            direct = moved(op, name, labels)
            assert direct is not None
            assert torch.equal(first[op.outputs[0]], direct[op.outputs[0]])
            made.append(first[op.outputs[0]])
    assert len(made) == 2
    assert made[0] is made[1]


def test_readers_stay_in_the_order_of_the_program() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.layer_norm(x, (3,)) + x

    graph = Graph(capture(Two(), torch.zeros(2, 3)))
    norm, total = graph.readers("x")
    graph.change(norm, {"eps": 1e-3})
    assert [op.target for op in graph.readers("x")] == ["layer_norm", "add"]
    inserted = graph.insert_after(norm, "neg", {"self": norm.outputs[0]}, "after")
    nearer = graph.insert_after(norm, "neg", {"self": norm.outputs[0]}, "nearer")
    assert [op.outputs[0] for op in graph] == [
        norm.outputs[0], nearer.outputs[0], inserted.outputs[0], total.outputs[0]
    ]  # fmt: skip
