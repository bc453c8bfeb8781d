"""The pairs of character models that `language` aligns: trained once, kept under ``.trained/``.

GPT-style (pre-LN, GELU, learned positions, biases) and Llama-style (RMS norm, rotary positions,
SwiGLU, grouped queries): 4 layers, width 128, 4 heads, context 128, on tinyshakespeare.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LAYERS, WIDTH, HEADS, CONTEXT, CHARACTERS = 4, 128, 4, 128, 65
KINDS = ("gpt", "llama")


def build(kind: str) -> Any:
    """A model with fresh weights: normal, of deviation 0.02, outputs of blocks smaller."""
    import torch
    from torch import nn

    from isthmus.testing.zoo.language import Gpt, Llama

    sizes: dict[str, int] = {"width": WIDTH, "vocabulary": CHARACTERS, "positions": CONTEXT}
    if kind == "gpt":
        model: nn.Module = Gpt(nn.LayerNorm, LAYERS, heads=HEADS, hidden=4 * WIDTH, **sizes)
    else:
        model = Llama(LAYERS, HEADS, HEADS // 2, hidden=344, **sizes)
    last = ("attention.o.weight", "fc2.weight", "down.weight")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                deep = math.sqrt(2 * LAYERS) if name.endswith(last) else 1.0
                parameter.normal_(0.0, 0.02 / deep)
            elif name.endswith("bias"):
                parameter.zero_()
    return model


def windows(part: str, count: int, seed: int) -> tuple[Any, Any]:
    """Characters and those that follow them, ``(count, CONTEXT)`` each, at random places."""
    import torch

    from isthmus.testing import datasets

    data = datasets.load("tinyshakespeare")
    x, y = (data.x_train, data.y_train) if part == "train" else (data.x_test, data.y_test)
    text = torch.cat([x.flatten(), y[-1:, -1].flatten()])
    generator = torch.Generator().manual_seed(seed)
    begin = torch.randint(len(text) - CONTEXT - 1, (count, 1), generator=generator)
    index = begin + torch.arange(CONTEXT)
    return text[index], text[index + 1]


def criterion(outputs: Any, targets: Any) -> Any:
    """Mean cross-entropy over all characters, in nats."""
    import torch.nn.functional as F

    return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def trained(kind: str, seed: int, steps: int, batch: int = 16) -> Any:
    """A trained model, from ``.trained/`` if it is there: Adam, warm-up, cosine to zero."""
    import torch

    from isthmus.ground import load, params_of, save
    from isthmus.testing.training import seeded

    place = HERE / ".trained" / f"{kind}-{seed}-{steps}.safetensors"
    model = seeded(lambda: build(kind), seed)
    if place.exists():
        model.load_state_dict(load(place))
        return model.eval()
    x, y = windows("train", steps * batch, seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.95), weight_decay=0.1)
    begin = time.perf_counter()
    for step in range(steps):
        rate = min((step + 1) / 100, 0.5 * (1 + math.cos(math.pi * step / steps)))
        optimiser.param_groups[0]["lr"] = 2e-3 * rate
        mine = slice(step * batch, (step + 1) * batch)
        optimiser.zero_grad(set_to_none=True)
        loss = criterion(model(x[mine]), y[mine])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 100 == 99:
            spent = time.perf_counter() - begin
            print(f"{kind} {seed}: step {step + 1}, loss {loss.item():.3f}, {spent:.0f} s",
                  file=sys.stderr)  # fmt: skip
    place.parent.mkdir(exist_ok=True)
    save(params_of(model), place)
    return model.eval()


if __name__ == "__main__":
    for arguments in sys.argv[2:]:
        trained(arguments.split(":")[0], int(arguments.split(":")[1]), int(sys.argv[1]))
