"""Mixtures of experts as they are written in practice: the groups of router and experts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery import discover, verify
from isthmus.ground.certificates import Verdict

COMMON: dict[str, Any] = {
    "vocab_size": 20, "hidden_size": 8, "intermediate_size": 6, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 16,
    "use_cache": False, "tie_word_embeddings": False,
}  # fmt: skip
LATENT: dict[str, Any] = {
    "num_key_value_heads": 2, "n_group": 4, "topk_group": 2, "n_shared_experts": 1,
    "first_k_dense_replace": 0, "q_lora_rank": 5, "kv_lora_rank": 4, "qk_rope_head_dim": 2,
    "qk_nope_head_dim": 4, "v_head_dim": 3, "head_dim": 2, "n_routed_experts": 8,
    "num_local_experts": 8,
}  # fmt: skip

MODELS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "Mixtral": ("MixtralForCausalLM", {"num_local_experts": 4, "head_dim": 4}, ["S(4)", "M(6)≀"]),
    "OLMoE": ("OlmoeForCausalLM", {"num_experts": 4}, ["S(4)", "M(6)≀"]),
    "Qwen2-MoE": (
        "Qwen2MoeForCausalLM",
        {"num_experts": 4, "moe_intermediate_size": 5, "shared_expert_intermediate_size": 7},
        ["S(4)", "M(5)≀"],
    ),
    "Qwen3-MoE": (
        "Qwen3MoeForCausalLM",
        {"num_experts": 4, "moe_intermediate_size": 5, "head_dim": 4, "norm_topk_prob": True},
        ["S(4)", "M(5)≀"],
    ),
    "GPT-OSS": (
        "GptOssForCausalLM",
        {"num_local_experts": 4, "head_dim": 4, "sliding_window": 4},
        ["S(4)", "S(6)≀"],
    ),
    "DeepSeek-V3": (
        "DeepseekV3ForCausalLM",
        {**LATENT, "moe_intermediate_size": 5},
        ["S(4)", "S(2)≀", "M(5)≀"],
    ),
}


def built(architecture: str, options: dict[str, Any]) -> nn.Module:
    """A tiny random instance; skipped where the library is missing or does not know it."""
    transformers = pytest.importorskip("transformers")
    kind = getattr(transformers, architecture, None)
    if kind is None:
        pytest.skip(f"this version of transformers has no {architecture}")
    config = kind.config_class(**{**COMMON, **options, "num_experts_per_tok": 2})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model: nn.Module = kind(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(0.4 * torch.randn_like(parameter))
    return model.eval()


def groups_of(symmetry: Symmetry, parameter: str) -> list[str]:
    """The groups that act on the parameters whose name ends so, but for that of the stream."""
    name = next(n for n in symmetry.reps if n.endswith(parameter))
    stream = set(symmetry.reps[next(n for n in symmetry.reps if "embed" in n)].spaces)
    spaces = [symmetry.spaces[n] for n in symmetry.reps[name].spaces if n not in stream]
    spaces.sort(key=lambda space: len(space.over))
    return [f"{space.group}{'≀' if space.over else ''}" for space in spaces]


@pytest.mark.parametrize("way", ["grouped_mm", "batched_mm"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_models_of_transformers(name: str, way: str) -> None:
    architecture, options, expected = MODELS[name]
    model: Any = built(architecture, options)
    model.set_experts_implementation(way)
    example = {"input_ids": torch.arange(10).reshape(2, 5)}
    symmetry = discover(model, example, unknown="raise")
    assert groups_of(symmetry, "experts.down_proj") == expected
    certificate = verify(symmetry, model, example)
    assert certificate.verdict is Verdict.TESTED, certificate


class Grouped(nn.Module):
    """Tokens sorted by expert, one product for each group of rows."""

    def __init__(self, change: Callable[..., Any]) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.route, self.out = nn.Linear(8, 4), nn.Linear(8, 3)
        self.up = nn.Parameter(torch.randn(4, 8, 16))
        self.down = nn.Parameter(torch.randn(4, 8, 8))
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        weights, ids = self.route(x).softmax(-1).topk(2, -1)
        ids = ids.reshape(-1)
        numbers, order = ids.sort()
        rows, numbers, counted = self.change(x[order // 2], numbers, ids, order)
        counts = torch.histc(counted.float(), bins=4, min=0, max=3)
        ends = counts.cumsum(0, dtype=torch.int32)
        gate, up = torch._grouped_mm(rows, self.up, offs=ends).chunk(2, dim=-1)
        hidden = F.silu(gate) * up
        made = torch.einsum("nf,nfd->nd", hidden, self.down[numbers])
        back = torch.empty_like(order)
        back[order] = torch.arange(order.shape[0])
        made = (made * weights.reshape(-1)[order][:, None])[back]
        return self.out(made.view(-1, 2, 8).sum(1))


CHANGES: dict[str, tuple[Callable[..., Any], str]] = {
    "sorted": (lambda rows, numbers, ids, order: (rows, numbers, ids), "S(4) × GL(8) × M(8)≀"),
    "counted after sorting": (
        lambda rows, numbers, ids, order: (rows, ids[order], numbers),
        "S(4) × GL(8) × M(8)≀",
    ),
    "sorted the other way": (
        lambda rows, numbers, ids, order: (rows, ids.sort(descending=True)[0], ids),
        "M(8) × GL(8)",
    ),
    "not sorted": (lambda rows, numbers, ids, order: (rows, ids, ids), "M(8) × GL(8)"),
    "places used": (
        lambda rows, numbers, ids, order: (rows * torch.arange(12.0)[:, None], numbers, ids),
        "1(4) × GL(8) × M(8)≀",
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_grouped_products(kind: str, tools: Any) -> None:
    change, expected = CHANGES[kind]
    model = Grouped(lambda *a: tuple(t.to(torch.bfloat16) if t.is_floating_point() else t
                                     for t in change(*a)))  # fmt: skip
    model = model.to(torch.bfloat16).eval()
    example = torch.randn(6, 8, dtype=torch.bfloat16, generator=torch.Generator().manual_seed(2))
    symmetry = discover(model, example, unknown="raise")
    certificate = verify(symmetry, model, example)
    assert certificate.verdict is Verdict.TESTED, f"{symmetry}\n{certificate}"
    assert tools.headline(symmetry.essential) == expected


TOP_ONE: dict[str, tuple[Callable[..., Tensor], str]] = {
    "by the same": (
        lambda m, hidden, picked, one, two: torch.einsum("nh,nhd->nd", picked, m.down[one]),
        "S(5)≀",
    ),
    "one bias for all": (
        lambda m, hidden, picked, one, two: torch.einsum(
            "nh,nhd->nd", picked + m.bias, m.down[one]
        ),
        "S(5)",
    ),
    "by another": (
        lambda m, hidden, picked, one, two: torch.einsum("nh,nhd->nd", picked, m.down[two]),
        "S(5)",
    ),
    "against all": (
        lambda m, hidden, picked, one, two: torch.einsum("neh,nh,ehd->nd", hidden, picked, m.down),
        "S(5)",
    ),
    "with that of another": (
        lambda m, hidden, picked, one, two: torch.einsum(
            "nh,nhd->nd", picked * hidden[torch.arange(40), two], m.down[one]
        ),
        "S(5)",
    ),
}


@pytest.mark.parametrize("kind", TOP_ONE)
def test_one_expert_for_each_token(kind: str, tools: Any) -> None:
    """Units are an expert's own only where no others are read with the same numbering."""
    reads, expected = TOP_ONE[kind]

    def forward(m: Any, x: Tensor) -> Tensor:
        hidden = F.silu(torch.einsum("nd,edh->neh", x, m.up))
        one = m.router(x).topk(1, -1)[1]
        two = m.router(x).topk(1, -1, largest=False)[1]
        picked = hidden.gather(1, one[..., None].expand(-1, -1, 5))[:, 0]
        return reads(m, hidden, picked, one.squeeze(-1), two.squeeze(-1))

    parts = {"router": (6, 4), "up": [4, 6, 5], "down": [4, 5, 3], "bias": [5]}
    for gauge in ("asis", "folded"):
        symmetry, certificate = tools.typed(forward, tools.noise(40, 6), gauge=gauge, **parts)
        assert certificate.verdict is Verdict.TESTED, f"{symmetry}\n{certificate}"
        units = next(f.space for f in symmetry.reps["up"].blocks[0].axes[2])
        space = symmetry.spaces[units]
        assert f"{space.group}{'≀' if space.over else ''}" == expected
