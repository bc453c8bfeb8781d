"""Full-size models without weights: time and memory of `discover` on their config.json alone.

Each configuration, its sizes written out below, in a process of its own that starts from nothing:
the model on meta tensors, one export, the symmetry. The peak is that process's resident memory,
Python and its libraries included; "own" is what the model added to it. Building includes the import
of its class; CPU time is that of all of it, and tells less of what else the machine does.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from measuring import environment, median, options, table, write

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "rms_norm_eps": 1e-5}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "Llama-3-70B": LLAMA
    | {
        "vocab_size": 128256,
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "max_position_embeddings": 8192,
        "rope_theta": 500000.0,
        "tie_word_embeddings": False,
    },
    "Mixtral-8x7B": {
        "model_type": "mixtral",
        "architectures": ["MixtralForCausalLM"],
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "max_position_embeddings": 32768,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": False,
    },
    "Qwen3-32B": {
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
        "vocab_size": 151936,
        "hidden_size": 5120,
        "intermediate_size": 25600,
        "num_hidden_layers": 64,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 40960,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": False,
    },
    "Gemma-3-27B": {
        "model_type": "gemma3_text",
        "architectures": ["Gemma3ForCausalLM"],
        "vocab_size": 262208,
        "hidden_size": 5376,
        "intermediate_size": 21504,
        "num_hidden_layers": 62,
        "num_attention_heads": 32,
        "num_key_value_heads": 16,
        "head_dim": 128,
        "query_pre_attn_scalar": 168,
        "sliding_window": 1024,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": True,
    },
    "Whisper-large-v3": {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "vocab_size": 51866,
        "num_mel_bins": 128,
        "d_model": 1280,
        "encoder_layers": 32,
        "decoder_layers": 32,
        "encoder_attention_heads": 20,
        "decoder_attention_heads": 20,
        "encoder_ffn_dim": 5120,
        "decoder_ffn_dim": 5120,
        "max_source_positions": 1500,
        "max_target_positions": 448,
        "is_encoder_decoder": True,
        "decoder_start_token_id": 50258,
        "pad_token_id": 50256,
    },
    "ViT-H/14": {
        "model_type": "vit",
        "architectures": ["ViTForImageClassification"],
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "image_size": 224,
        "patch_size": 14,
        "num_channels": 3,
    },
}


def main(words: list[str]) -> None:
    """Measure every configuration and print the table."""
    parser = options(__doc__, runs=1)
    parser.add_argument("--only", metavar="WORD", help="models whose name contains this")
    parser.add_argument("--alone", metavar="FOLDER", help="measure this folder, here, as data")
    chosen = parser.parse_args(words)
    if chosen.alone:
        print(json.dumps(_measure(chosen.alone)))
        return
    found = [
        _in_processes(name, config, chosen.runs, chosen.threads)
        for name, config in CONFIGURATIONS.items()
        if chosen.only is None or chosen.only in name
    ]
    times = ("build, s", "export, s", "beyond, s", "in all, s", "CPU, s")
    head = ("", "parameters", "operators", "spaces", "dimension", *times, "peak, MB", "own, MB")
    rows = [
        (
            one["name"],
            f"{one['parameters'] / 1e9:.1f} B",
            one["operators"],
            one["spaces"],
            f"{one['lie_dim']:.3g}",
            *(f"{one[k]:.1f}" for k in ("build", "export", "beyond", "total", "cpu")),
            f"{one['peak_mb']:.0f}",
            f"{one['own_mb']:.0f}",
        )
        for one in found
    ]
    print(table(head, rows))
    for one in found:
        for text in one["warnings"][:3]:
            print(f"{one['name']}: {text}")
    write(chosen.json, "full_size", chosen.threads, found)


def _in_processes(name: str, config: dict[str, Any], runs: int, threads: int) -> dict[str, Any]:
    """Medians over processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        command = [sys.executable, __file__, "--alone", folder]
        each = []
        for _ in range(runs):
            print(f"\r{name:20}", end="", file=sys.stderr, flush=True)
            done = subprocess.run(
                command, env=environment(threads), check=True, capture_output=True, text=True
            )
            each.append(json.loads(done.stdout.splitlines()[-1]))
    print("\r", end="", file=sys.stderr)
    times = ("build", "export", "beyond", "total", "cpu", "peak_mb", "own_mb")
    return {"name": name, **each[0], **{k: median([one[k] for one in each]) for k in times}}


def _measure(folder: str) -> dict[str, Any]:
    """One configuration in this process: build, export and read, then type and assemble."""
    import torch

    from isthmus.cli.inputs import example_for, load
    from isthmus.discovery import discover

    warnings.simplefilter("ignore")
    module = sys.modules["isthmus.discovery.discover"]

    base, spent = _resident(), {"export": 0.0}
    capture = module.capture

    def timed_capture(*args: Any) -> Any:
        start = time.perf_counter()
        made = capture(*args)
        spent["export"] += time.perf_counter() - start
        spent["operators"] = len(made.ops)
        return made

    module.capture = timed_capture
    start, busy = time.perf_counter(), time.process_time()
    named = load(folder, values=False)
    model, example = named.module, example_for(None, None, named.example)
    built = time.perf_counter()
    with torch.no_grad():
        symmetry = discover(model, example)
    end, busy = time.perf_counter(), time.process_time() - busy
    peak = _resident()
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "operators": spent["operators"],
        "spaces": len(symmetry.spaces),
        "lie_dim": symmetry.lie_dim,
        "groups": sorted({f"{s.group}" for s in symmetry.spaces.values()}),
        "build": built - start,
        "export": spent["export"],
        "beyond": end - built - spent["export"],
        "total": end - start,
        "cpu": busy,
        "peak_mb": peak,
        "own_mb": peak - base,
        "warnings": list(symmetry.warnings),
    }


def _resident() -> float:
    """The largest resident memory of this process so far, in MB."""
    scale = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


if __name__ == "__main__":
    main(sys.argv[1:])
