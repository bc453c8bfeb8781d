"""Integers that name coordinates: chosen, sorted, gathered, scattered, compared, counted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.discovery.precision import grouped_product

TOKENS, EXPERTS, HIDDEN, WIDTH, CHOSEN = 5, 4, 5, 6, 2
PARTS: dict[str, Any] = {
    "route": (WIDTH, EXPERTS), "up": [EXPERTS, HIDDEN, WIDTH], "down": [EXPERTS, WIDTH, HIDDEN],
    "out": (WIDTH, 3),
}  # fmt: skip
WREATH = "S(4) × GL(6) × M⁺(5)≀"
PINNED = "1(4) × GL(6) × M⁺(5)≀"
TIED = "M⁺(5) × GL(6)"


def sparse(m: Any, x: Tensor, ids: Tensor, weights: Tensor) -> Any:
    """Each token through its own experts, whose weights are gathered."""
    hidden = torch.relu(torch.einsum("tkfd,td->tkf", m.up[ids], x))
    return m.out((torch.einsum("tkdf,tkf->tkd", m.down[ids], hidden) * weights[..., None]).sum(1))


def dense(m: Any, x: Tensor, gate: Tensor) -> Any:
    """Each token through all experts, weighted."""
    hidden = torch.relu(torch.einsum("efd,td->tef", m.up, x))
    return m.out(torch.einsum("edf,tef,te->td", m.down, hidden, gate))


def chosen(m: Any, x: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    weights, ids = m.route(x).topk(CHOSEN, -1, **options)
    return weights.softmax(-1), ids


def renormalised(m: Any, x: Tensor) -> Any:
    weights, ids = m.route(x).softmax(-1).topk(CHOSEN, -1)
    return sparse(m, x, ids, weights / weights.sum(-1, keepdim=True))


def gathered_scores(m: Any, x: Tensor) -> Any:
    scores = m.route(x).sigmoid()
    ids = scores.topk(CHOSEN, -1, sorted=False)[1]
    return sparse(m, x, ids, scores.gather(1, ids))


def masked_logits(m: Any, x: Tensor) -> Any:
    scores = m.route(x)
    mask = torch.zeros_like(scores).scatter(1, scores.topk(CHOSEN, -1)[1], 1.0)
    return dense(m, x, scores.masked_fill(mask == 0, float("-inf")).softmax(-1))


def scattered(m: Any, x: Tensor, **options: Any) -> Any:
    weights, ids = chosen(m, x, **options)
    return dense(m, x, torch.zeros(TOKENS, EXPERTS).scatter(1, ids, weights))


def added(m: Any, x: Tensor) -> Any:
    weights, ids = chosen(m, x, sorted=False)
    return dense(m, x, torch.zeros(TOKENS, EXPERTS).scatter_add(1, ids, weights))


def one_hot(m: Any, x: Tensor) -> Any:
    weights, ids = chosen(m, x)
    return dense(m, x, (F.one_hot(ids, EXPERTS) * weights[..., None]).sum(1))


def compared(m: Any, x: Tensor, first: int = 0) -> Any:
    weights, ids = chosen(m, x)
    mask = ids[..., None] == torch.arange(first, first + EXPERTS)
    return dense(m, x, (mask * weights[..., None]).sum(1))


def single(m: Any, x: Tensor, way: str) -> Any:
    scores = m.route(x).softmax(-1)
    if way == "argmax":
        weight, ids = scores.amax(-1), scores.argmax(-1)
    elif way == "max":
        weight, ids = scores.max(-1)
    else:
        weight, ids = (t[:, 1] for t in scores.topk(CHOSEN, -1))
    hidden = torch.relu(torch.einsum("tfd,td->tf", m.up[ids], x))
    return m.out(torch.einsum("tdf,tf->td", m.down[ids], hidden) * weight[:, None])


def of_all(m: Any, x: Tensor, way: str) -> Any:
    weights, ids = chosen(m, x)
    hidden = torch.relu(torch.einsum("efd,td->tef", m.up, x))
    if way == "gather":
        hidden = hidden.gather(1, ids[..., None].expand(-1, -1, HIDDEN))
    elif way == "take_along_dim":
        hidden = hidden.take_along_dim(ids[..., None], 1)
    else:
        hidden = hidden[torch.arange(TOKENS)[:, None], ids]
    return m.out((torch.einsum("tkdf,tkf->tkd", m.down[ids], hidden) * weights[..., None]).sum(1))


def batched(m: Any, x: Tensor) -> Any:
    weights, ids = chosen(m, x)
    ids, rows = ids.reshape(-1), x.repeat_interleave(CHOSEN, 0)
    hidden = torch.relu(torch.bmm(m.up[ids], rows[..., None]).squeeze(-1))
    made = torch.bmm(m.down[ids], hidden[..., None]).squeeze(-1) * weights.reshape(-1, 1)
    return m.out(made.view(-1, CHOSEN, WIDTH).sum(1))


def sorted_rows(m: Any, x: Tensor, back: str) -> Any:
    weights, ids = chosen(m, x)
    ids = ids.reshape(-1)
    order = ids.argsort()
    token, expert = order // CHOSEN, ids[order]
    hidden = torch.relu(torch.einsum("nfd,nd->nf", m.up[expert], x[token]))
    made = torch.einsum("ndf,nf->nd", m.down[expert], hidden) * weights.reshape(-1)[order][:, None]
    if back == "index_add":
        return m.out(torch.zeros(TOKENS, WIDTH).index_add(0, token, made))
    if back == "constant tokens":
        token = torch.arange(TOKENS).repeat_interleave(CHOSEN)[order]
        return m.out(torch.zeros(TOKENS, WIDTH).index_add(0, token, made))
    inverse = order.argsort()
    if back == "index_put":
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(order.shape[0])
    return m.out(made[inverse].view(TOKENS, CHOSEN, WIDTH).sum(1))


def capacity(m: Any, x: Tensor) -> Any:
    """Top-1 with a limited number of tokens for each expert."""
    scores = m.route(x).softmax(-1)
    mask = F.one_hot(scores.argmax(-1), EXPERTS)
    place = (mask.cumsum(0) - 1) * mask
    send = ((mask * (place < 3))[..., None] * F.one_hot(place, 8)).float()
    hidden = torch.relu(torch.einsum("ecd,efd->ecf", torch.einsum("tec,td->ecd", send, x), m.up))
    made = torch.einsum("ecf,edf->ecd", hidden, m.down)
    return m.out(torch.einsum("ecd,tec,te->td", made, send, scores))


def experts_choose(m: Any, x: Tensor) -> Any:
    """Each expert takes its three best tokens."""
    weights, token = m.route(x).softmax(-1).T.topk(3, -1)
    hidden = torch.relu(torch.einsum("ecd,efd->ecf", x[token], m.up))
    made = torch.einsum("ecf,edf->ecd", hidden, m.down) * weights[..., None]
    return m.out(torch.zeros_like(x).index_add(0, token.reshape(-1), made.reshape(-1, WIDTH)))


def loads(m: Any, x: Tensor, cumulated: bool) -> Any:
    weights, ids = chosen(m, x)
    counts = torch.histc(ids.float(), bins=EXPERTS, min=0, max=EXPERTS - 1)
    counts = counts.cumsum(0) if cumulated else counts
    gate = torch.zeros(TOKENS, EXPERTS).scatter(1, ids, weights)
    return dense(m, x, gate / (1 + counts))


FORMS: dict[str, Any] = {
    "top-k, then softmax": lambda m, x: sparse(m, x, *reversed(chosen(m, x))),
    "in any order": lambda m, x: sparse(m, x, *reversed(chosen(m, x, sorted=False))),
    "softmax, top-k, renormalised": renormalised,
    "sigmoid scores, gathered": gathered_scores,
    "mask of the logits": masked_logits,
    "scattered weights": scattered,
    "scattered weights in any order": lambda m, x: scattered(m, x, sorted=False),
    "added weights": added,
    "one-hot": one_hot,
    "compared with 0, 1, 2": compared,
    "argmax": lambda m, x: single(m, x, "argmax"),
    "max with its index": lambda m, x: single(m, x, "max"),
    "the second best": lambda m, x: single(m, x, "second"),
    "hidden units gathered": lambda m, x: of_all(m, x, "gather"),
    "hidden units taken": lambda m, x: of_all(m, x, "take_along_dim"),
    "hidden units indexed": lambda m, x: of_all(m, x, "index"),
    "batched products": batched,
    "sorted, added to tokens": lambda m, x: sorted_rows(m, x, "index_add"),
    "sorted, added to constant tokens": lambda m, x: sorted_rows(m, x, "constant tokens"),
    "sorted, and back by a second sort": lambda m, x: sorted_rows(m, x, "argsort"),
    "sorted, and back by an inverse": lambda m, x: sorted_rows(m, x, "index_put"),
    "limited capacity": capacity,
    "experts choose tokens": experts_choose,
    "divided by loads": lambda m, x: loads(m, x, cumulated=False),
}


@pytest.mark.parametrize("form", FORMS)
def test_experts_are_permuted_each_with_hidden_units_of_its_own(form: str, tools: Any) -> None:
    assert tools.groups(FORMS[form], tools.noise(TOKENS, WIDTH), **PARTS) == WREATH


def other_weights(m: Any, x: Tensor, factor: Any) -> Any:
    weights, ids = chosen(m, x)
    return sparse(m, x, ids, weights * factor(ids))


def in_place(m: Any, x: Tensor, way: str) -> Any:
    """The selected hidden units, moved along the tokens or the experts before they are read."""
    weights, ids = chosen(m, x)
    hidden = torch.relu(torch.einsum("tkfd,td->tkf", m.up[ids], x))
    mixing = (x @ x.T).softmax(-1)
    if way == "einsum":
        hidden = torch.einsum("st,tkf->skf", mixing, hidden)
    elif way == "matmul":
        hidden = (mixing @ hidden.flatten(1)).view(hidden.shape)
    elif way == "roll":
        hidden = hidden.roll(1, 0)
    elif way == "shift":
        hidden = torch.cat([torch.zeros_like(hidden[:1]), hidden[:-1]])
    else:
        hidden = hidden[torch.tensor([1, 0, 3, 2, 4])]
    made = torch.einsum("tkdf,tkf->tkd", m.down[ids], hidden)
    return m.out((made * weights[..., None]).sum(1))


def flat_order(m: Any, x: Tensor) -> Any:
    """What is not sorted is read by place."""
    _, ids = chosen(m, x, sorted=False)
    hidden = torch.relu(torch.einsum("tkfd,td->tkf", m.up[ids], x))
    made = torch.einsum("tkdf,tkf->tkd", m.down[ids], hidden)
    return m.out((made * torch.tensor([1.0, 2.0])[:, None]).sum(1))


def second_for_first(m: Any, x: Tensor) -> Any:
    """One expert's hidden units read by another."""
    weights, ids = chosen(m, x)
    hidden = torch.relu(torch.einsum("tkfd,td->tkf", m.up[ids], x))
    made = torch.einsum("tkdf,tkf->tkd", m.down[ids.flip(-1)], hidden)
    return m.out((made * weights[..., None]).sum(1))


def across(m: Any, x: Tensor) -> Any:
    """Hidden units of two choices, multiplied and summed."""
    _, ids = chosen(m, x)
    first = torch.einsum("tkfd,td->tkf", m.up[ids], x)
    second = torch.einsum("tkdf,td->tkf", m.down[ids], x)
    return m.out(torch.relu(torch.einsum("tkf,tjf->tkj", first, second)).sum((1, 2))[:, None] + x)


def tied(m: Any, x: Tensor, make: Any) -> Any:
    weights, ids = make(m.route(x)).topk(CHOSEN, -1)
    return sparse(m, x, ids, weights + 1)


NEGATIVE: dict[str, tuple[Any, str]] = {
    "numbers used as weights": (lambda m, x: other_weights(m, x, lambda i: i), PINNED),
    "numbers compared": (lambda m, x: other_weights(m, x, lambda i: i < 2), PINNED),
    "compared with 1, 2, 3": (lambda m, x: compared(m, x, first=1), PINNED),
    "numbers returned": (
        lambda m, x: (sparse(m, x, *reversed(chosen(m, x))), chosen(m, x)[1]),
        PINNED,
    ),
    "a constant read by number": (
        lambda m, x: other_weights(m, x, lambda i: torch.arange(1.0, 5.0)[i]),
        PINNED,
    ),
    "the next expert instead": (
        lambda m, x: sparse(m, x, (chosen(m, x)[1] + 1) % EXPERTS, chosen(m, x)[0]),
        TIED,
    ),
    "another expert reads": (second_for_first, TIED),
    "units of two experts summed": (across, "S(4) × GL(5)"),
    "order that is used": (flat_order, PINNED),
    "cumulated loads": (lambda m, x: loads(m, x, cumulated=True), PINNED),
    "tokens mixed by einsum": (lambda m, x: in_place(m, x, "einsum"), "S(4) × " + TIED),
    "tokens mixed by matmul": (lambda m, x: in_place(m, x, "matmul"), "S(4) × " + TIED),
    "tokens rolled": (lambda m, x: in_place(m, x, "roll"), "S(4) × " + TIED),
    "tokens shifted": (lambda m, x: in_place(m, x, "shift"), "S(4) × " + TIED),
    "tokens exchanged": (lambda m, x: in_place(m, x, "constant"), "S(4) × " + TIED),
    "equal values: ReLU": (lambda m, x: tied(m, x, torch.relu), PINNED),
    "equal values: rounding": (lambda m, x: tied(m, x, torch.round), PINNED),
    "equal values: copies": (
        lambda m, x: tied(m, x, lambda s: s.sum(-1, keepdim=True).expand(-1, 4)),
        "1(4) × GL(6) × S(4) × M⁺(5)≀",
    ),
}


@pytest.mark.parametrize("kind", NEGATIVE)
def test_what_would_be_noticed_is_not_claimed(kind: str, tools: Any) -> None:
    forward, expected = NEGATIVE[kind]
    assert tools.groups(forward, tools.noise(TOKENS, WIDTH), **PARTS) == expected


def test_an_expert_moved_without_its_router_row_is_another_function(tools: Any) -> None:
    model = tools.written(FORMS["top-k, then softmax"], **PARTS).double()
    x = tools.noise(TOKENS, WIDTH).double()
    before = model(x)
    order = torch.tensor([1, 0, 3, 2])
    with torch.no_grad():
        for weight in (model.up, model.down):
            weight.copy_(weight[order])
        assert float((model(x) - before).abs().max()) > 1e-3
        for weight in (model.route.weight, model.route.bias):
            weight.copy_(weight[order])
        assert float((model(x) - before).abs().max()) < 1e-12


def groups_of_experts(m: Any, x: Tensor, fill: float = float("-inf"), count: int = 3) -> Any:
    """The best groups first, then the best experts in them, by scores with a correction."""
    scores = m.route(x).sigmoid()
    corrected = scores + m.correction
    best = corrected.view(TOKENS, 4, 2).topk(2, -1)[0].sum(-1).topk(2, -1, sorted=False)[1]
    mask = torch.zeros(TOKENS, 4).scatter_(1, best, 1)
    mask = mask.unsqueeze(-1).expand(-1, 4, 2).reshape(TOKENS, 8)
    ids = corrected.masked_fill(~mask.bool(), fill).topk(count, -1, sorted=False)[1]
    weights = scores.gather(1, ids)
    return sparse(m, x, ids, weights / (weights.sum(-1, keepdim=True) + 1e-20))


GROUPED = {
    "enough is left": ({}, "S(4) × GL(6) × S(2)≀ × M⁺(5)≀"),
    "zeros may be chosen": ({"fill": 0.0}, "1(4) × 1(2) × GL(6) × M⁺(5)≀"),
    "more than is left": ({"count": 5}, "1(4) × 1(2) × GL(6) × M⁺(5)≀"),
}


@pytest.mark.parametrize("kind", GROUPED)
def test_groups_of_experts(kind: str, tools: Any) -> None:
    options, expected = GROUPED[kind]
    parts = {**PARTS, "route": (WIDTH, 8), "correction": [8], "up": [8, 5, 6], "down": [8, 6, 5]}
    forward = lambda m, x: groups_of_experts(m, x, **options)  # noqa: E731
    assert tools.groups(forward, tools.noise(TOKENS, WIDTH), **parts) == expected


def test_experts_one_by_one(tools: Any) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        gate = m.route(x).softmax(-1)
        parts = [
            m.down[e](F.silu(m.gate[e](x)) * m.up[e](x)) * gate[..., e : e + 1] for e in range(3)
        ]
        return m.out(sum(parts))

    def layers(a: int, b: int) -> nn.ModuleList:
        return nn.ModuleList(nn.Linear(a, b) for _ in range(3))

    found = tools.groups(
        forward, tools.noise(TOKENS, WIDTH), route=(WIDTH, 3), out=(WIDTH, 3),
        gate=lambda: layers(6, 5), up=lambda: layers(6, 5), down=lambda: layers(5, 6),
    )  # fmt: skip
    assert found == "GL(6) × M(5) × M(5) × M(5)"


def test_codes_of_a_codebook_are_permuted(tools: Any) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        near = (m.first(x)[:, None] - m.code).square().sum(-1).argmin(-1)
        return m.out(F.embedding(near, m.code))

    parts = {"first": (6, 6), "code": [7, 6], "out": (6, 3)}
    assert tools.groups(forward, tools.noise(TOKENS, WIDTH), **parts) == "S(7) × B(6)"


def test_two_einsum_letters_of_one_space_are_mixed(tools: Any) -> None:
    """Heads that meet in a sum over all pairs cannot each have keys of their own."""

    def forward(m: Any, x: Tensor) -> Any:
        query, key = m.first(x).view(2, 3, 4), m.second(x).view(2, 3, 4)
        return torch.einsum("thd,tgd->t", query, key) + (query * key).sum((1, 2))

    assert tools.groups(forward, first=(6, 12), second=(6, 12)) == "M(4) × S(3)≀"


def test_parts_of_a_tensor_are_written_one_by_one(tools: Any) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        both = x.new_empty(2, 8)
        both[:, :5], both[:, 5:] = torch.relu(m.first(x)), torch.tanh(m.second(x))
        return m.out(both)

    parts = {"first": (6, 5), "second": (6, 3), "out": (8, 3)}
    assert tools.groups(forward, **parts) == "M⁺(5) × B(3)"


GROUPS = [
    ((9, 4), (3, 4, 5), [2, 2, 9]),
    ((3, 6, 4), (4, 9), [4, 5, 9]),
    ((6, 9), (9, 5), [3, 4, 9]),
    ((3, 6, 4), (3, 4, 5), None),
]


@pytest.mark.parametrize(("first", "second", "ends"), GROUPS)
def test_grouped_products_in_double_precision(first: Any, second: Any, ends: Any) -> None:
    a, b = torch.randn(first).double(), torch.randn(second).double()
    offsets = None if ends is None else torch.tensor(ends, dtype=torch.int32)
    exact = grouped_product(a, b, offsets)
    start = 0
    for k, end in enumerate(ends or []):
        if a.dim() == 2 and b.dim() == 3:
            torch.testing.assert_close(exact[start:end], a[start:end] @ b[k])
        elif a.dim() == 3:
            torch.testing.assert_close(exact[:, start:end], a[k] @ b[:, start:end])
        else:
            torch.testing.assert_close(exact[k], a[:, start:end] @ b[start:end])
        start = end
    if ends is None:
        torch.testing.assert_close(exact, a @ b)
