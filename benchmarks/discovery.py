"""Discovery: `torch.export` alone against the whole of `discover`, which includes it.

Every model of the zoo, ResNet-20 of full width, and transformers of full size on meta tensors, each
in a process of its own, forked after the imports; the two are measured in turn. The peak is that
process's resident memory above what it was forked with.
"""

from __future__ import annotations

import os
import pickle
import resource
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from measuring import median, options, table, timed, use_threads, write


def main(words: list[str]) -> None:
    """Measure every case and print the table."""
    parser = options(__doc__, runs=5)
    parser.add_argument("--only", metavar="WORD", help="cases whose name contains this")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    cases = {n: c for n, c in _cases().items() if chosen.only is None or chosen.only in n}
    found: list[dict[str, Any]] = []
    for name, case in cases.items():
        found.append({"name": name, **_alone(partial(_measure, case, chosen.runs))})
        print(f"\r{len(found)} of {len(cases)}", end="", file=sys.stderr, flush=True)
    print("\r", end="", file=sys.stderr)
    rows = [
        (
            one["name"],
            one["operators"],
            one["spaces"],
            f"{1000 * one['export']:.1f}",
            f"{1000 * one['discover']:.1f}",
            f"{one['ratio']:.2f}",
            f"{one['peak_mb']:.0f}",
        )
        for one in sorted(found, key=lambda one: -one["ratio"])
    ]
    print(table(("", "operators", "spaces", "export, ms", "discover, ms", "ratio", "MB"), rows))
    ratios = [one["ratio"] for one in found]
    over = [one["name"] for one in found if one["ratio"] > 2]
    print(
        f"\n{len(found)} models: median ratio {median(ratios):.2f}, largest {max(ratios):.2f}; "
        f"above 2: {', '.join(over) or 'none'}\n"
    )
    write(chosen.json, "discovery", chosen.threads, found)


def _cases() -> dict[str, Callable[[], tuple[Any, Any]]]:
    """Name and maker of (model, example)."""
    import torch

    from isthmus.testing.zoo import resnet20, zoo

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    try:
        import transformers  # noqa: F401

        extra = True
    except ImportError:
        extra = False
    small = {
        one.name: partial(lambda e: (e.build(), e.example()), one)
        for one in zoo()
        if extra or one.needs is None
    }

    def resnet() -> tuple[Any, Any]:
        return resnet20(16).eval(), torch.zeros(2, 3, 32, 32)

    large: dict[str, Callable[[], tuple[Any, Any]]] = {"resnet20, width 16": resnet}
    if extra:
        large["GPT-2, 12 layers of 768, meta"] = _gpt2
        large["Llama, 12 layers of 768, meta"] = _llama
    return {**small, **large}


def _gpt2() -> tuple[Any, Any]:
    from transformers import GPT2Config, GPT2LMHeadModel

    return _on_meta(lambda: GPT2LMHeadModel(GPT2Config()))


def _llama() -> tuple[Any, Any]:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=12,
        num_attention_heads=12,
        num_key_value_heads=4,
    )
    return _on_meta(lambda: LlamaForCausalLM(config))


def _on_meta(make: Callable[[], Any]) -> tuple[Any, Any]:
    import torch

    from isthmus.testing.zoo.language import Logits

    with torch.device("meta"):
        model = Logits(make()).eval()
        return model, torch.zeros(1, 16, dtype=torch.long)


def _measure(case: Callable[[], tuple[Any, Any]], runs: int) -> dict[str, Any]:
    """Medians over ``runs``, after one of each that is not counted."""
    import torch

    from isthmus.discovery import discover
    from isthmus.discovery.capture import as_inputs, capture

    warnings.simplefilter("ignore")
    base = _resident()
    model, example = case()
    args, kwargs = as_inputs(example)

    def export() -> Any:
        return torch.export.export(model, args, kwargs, strict=False)

    exports, discoveries = [], []
    symmetry = None
    for run in range(runs + 1):
        one, _ = timed(export)
        two, symmetry = timed(lambda: discover(model, example))
        if run:
            exports.append(one)
            discoveries.append(two)
    assert symmetry is not None
    peak = _resident()
    return {
        "operators": len(capture(model, example).ops),
        "spaces": len(symmetry.spaces),
        "export": median(exports),
        "discover": median(discoveries),
        "ratio": median([d / e for d, e in zip(discoveries, exports, strict=True)]),
        "peak_mb": max(0.0, peak - base),
        "warnings": list(symmetry.warnings),
    }


def _resident() -> float:
    """The largest resident memory of this process so far, in MB."""
    scale = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def _alone(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work()`` returns, run in a forked process."""
    get, put = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(get)
        try:
            with os.fdopen(put, "wb") as out:
                pickle.dump(work(), out)
            code = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            code = 1
        os._exit(code)
    os.close(put)
    with os.fdopen(get, "rb") as answer:
        data = answer.read()
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit("a measurement failed")
    return dict(pickle.loads(data))
