"""Models without Python code: Hugging Face folders without weights, exported programs."""

from __future__ import annotations

import builtins
import json
import pickle
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from isthmus.cli.inputs import example_for, load, placed
from isthmus.cli.inputs.exported import _harmless
from isthmus.ground.errors import BadInput

LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 11,
    "hidden_size": 8,
    "intermediate_size": 6,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 6,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
OTHERS: dict[str, dict[str, Any]] = {
    "bert": {
        "model_type": "bert",
        "architectures": ["BertForMaskedLM"],
        "vocab_size": 11,
        "hidden_size": 8,
        "intermediate_size": 6,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 6,
        "pad_token_id": 0,
    },
    "t5": {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "vocab_size": 11,
        "d_model": 8,
        "d_ff": 6,
        "d_kv": 4,
        "num_layers": 1,
        "num_heads": 2,
        "is_encoder_decoder": True,
    },
    "mixtral": LLAMA
    | {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 4},
    "vit": {
        "model_type": "vit",
        "architectures": ["ViTForImageClassification"],
        "hidden_size": 8,
        "intermediate_size": 6,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 8,
        "patch_size": 4,
    },
    "resnet": {
        "model_type": "resnet",
        "architectures": ["ResNetForImageClassification"],
        "embedding_size": 4,
        "hidden_sizes": [4, 6],
        "depths": [1, 1],
        "layer_type": "basic",
    },
    "whisper": {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "vocab_size": 11,
        "num_mel_bins": 6,
        "d_model": 8,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 6,
        "decoder_ffn_dim": 6,
        "max_source_positions": 5,
        "max_target_positions": 6,
        "is_encoder_decoder": True,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "decoder_start_token_id": 0,
        "begin_suppress_tokens": None,
    },
    "clip": {
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "projection_dim": 6,
        "text_config": {
            "model_type": "clip_text_model",
            "vocab_size": 11,
            "hidden_size": 8,
            "intermediate_size": 6,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 6,
            "eos_token_id": 2,
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": 8,
            "intermediate_size": 6,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 8,
            "patch_size": 4,
        },
    },
}


@pytest.fixture(autouse=True)
def _quiet_torch() -> Iterator[None]:
    """PyTorch's export warns about its own use of pytree; only that is left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        yield


def folder(place: Path, config: dict[str, Any]) -> Path:
    pytest.importorskip("transformers")
    place.mkdir(exist_ok=True)
    (place / "config.json").write_text(json.dumps(config))
    return place


def refused(ran: Any, *words: str) -> None:
    assert ran.code == 2
    (line,) = ran.errors
    for word in words:
        assert word in line


def test_a_folder_needs_no_weights(tmp_path, run):
    place = folder(tmp_path / "llama", LLAMA)
    ran = run("discover", place, "--json", "-")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["lie_dim"] > 0
    assert "model.layers.0.mlp.down_proj.weight" in found["reps"]
    assert json.loads(run("discover", "--model", place, "--json", "-").out) == found
    assert {p.name for p in place.iterdir()} == {"config.json"}


def test_without_weights_no_memory_is_taken(tmp_path):
    large = LLAMA | {"hidden_size": 8192, "intermediate_size": 28672, "vocab_size": 128256}
    named = load(str(folder(tmp_path / "large", large)), values=False)
    assert all(p.is_meta for p in named.module.parameters())
    assert sum(p.numel() for p in named.module.parameters()) > 2e9
    with pytest.raises(BadInput, match="too many to fill with random numbers") as said:
        load(str(tmp_path / "large"))
    assert "--complete" in said.value.remedy


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_every_kind_of_input_is_made_from_the_configuration(name, tmp_path, run):
    ran = run("discover", folder(tmp_path / name, OTHERS[name]), "--verify")
    assert ran.code == 0, ran.err
    assert "TESTED" in ran.out


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("bert", {"input_ids": (1, 6)}),
        ("t5", {"input_ids": (1, 16), "decoder_input_ids": (1, 16)}),
        ("vit", {"pixel_values": (1, 3, 8, 8)}),
        ("resnet", {"pixel_values": (1, 3, 64, 64)}),
        ("whisper", {"input_features": (1, 6, 10), "decoder_input_ids": (1, 6)}),
        ("clip", {"input_ids": (1, 6), "pixel_values": (1, 3, 8, 8)}),
    ],
)
def test_the_example_of_a_configuration(name, shapes, tmp_path):
    named = load(str(folder(tmp_path / name, OTHERS[name])), values=False)
    made = example_for(None, None, named.example)
    assert {n: tuple(t.shape) for n, t in made.items()} == shapes
    assert all(t.is_meta for t in made.values())


def test_complete_counts_flat_directions(tmp_path, run):
    place = folder(tmp_path / "llama", LLAMA)
    ran = run("discover", place, "--complete", "--json", "-")
    assert ran.code == 0, ran.err
    counted = json.loads(ran.out)["completeness"]
    # design.md 6 counts 79 with a negligible epsilon; this one's breaks the scale of the stream
    assert (counted["parameters"], counted["nullity"]) == (536, 78)
    assert counted["explained"] <= counted["nullity"]
    assert "78 flat directions" in ran.err


def test_an_example_may_be_given_and_its_error_is_told(tmp_path, run):
    place = folder(tmp_path / "llama", LLAMA)
    assert run("discover", place, "--example", "input_ids=2x3:int").code == 0
    refused(
        run("discover", place, "--example", "1x4x4"),
        "torch.export cannot trace LlamaForCausalLM on this example: Expected tensor",
        "wrap the model in a module",
    )


def test_a_model_on_meta_tensors_takes_any_example(tmp_path, run):
    (tmp_path / "made.py").write_text(
        "import torch\n"
        "def net():\n"
        "    with torch.device('meta'):\n"
        "        return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(),\n"
        "                                   torch.nn.Linear(3, 2))\n"
    )
    ran = run("discover", f"{tmp_path / 'made.py'}:net", "--example", "1x4")
    assert ran.code == 0, ran.err
    assert "M⁺(3)" in ran.out
    meta = nn.Linear(2, 2, device="meta")
    assert all(t.is_meta for t in placed((torch.ones(1), torch.ones(2)), meta))
    assert placed({"x": torch.ones(1)}, meta)["x"].is_meta


FOLDERS: dict[str, tuple[dict[str, Any] | None, tuple[str, ...]]] = {
    "no configuration": (None, ("has no config.json", "give a Hugging Face folder")),
    "no type": ({"architectures": ["LlamaForCausalLM"]}, ('has no "model_type"',)),
    "unknown type": (
        LLAMA | {"model_type": "llamma"},
        ("does not know the model type 'llamma'", "did you mean 'llama'?"),
    ),
    "own code": (
        LLAMA | {"model_type": "qqqq", "auto_map": {"AutoConfig": "evil.Config"}},
        ("its own code, which is never run", "give file.py:factory"),
    ),
    "no architecture": (
        {k: v for k, v in LLAMA.items() if k != "architectures"},
        ('"architectures" is None', "LlamaForCausalLM"),
    ),
    "not a model": (
        LLAMA | {"architectures": ["AutoTokenizer"]},
        ("\"architectures\" is ['AutoTokenizer'], expected the name of a model",),
    ),
    "sizes that do not fit": (
        LLAMA | {"hidden_size": -8},
        ("LlamaForCausalLM cannot be built", "check the sizes"),
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_that_cannot_be_used(case, tmp_path, run):
    config, words = FOLDERS[case]
    place = folder(tmp_path / "model", config or {})
    if config is None:
        (place / "config.json").unlink()
    refused(run("discover", place), *words)


def test_code_in_a_folder_is_not_run(tmp_path, run):
    config = LLAMA | {"auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}}
    place = folder(tmp_path / "model", config)
    (place / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    assert run("discover", place).code == 0
    assert not (tmp_path / "ran").exists()


def test_transformers_is_an_extra(tmp_path, run, monkeypatch):
    place = folder(tmp_path / "model", LLAMA)
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "transformers":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    refused(run("discover", place), "needs transformers", "pip install 'isthmus[hf]'")


def test_a_model_is_named_once(run):
    refused(run("discover"), "a model is needed, once", "--model")
    refused(run("discover", "a", "--model", "b"), "a model is needed, once")


class Small(nn.Module):
    """Batch statistics, a buffer outside the state, a region without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.norm, self.down = nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)
        self.register_buffer("shift", torch.ones(2), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            shift = self.shift * 2
        out: torch.Tensor = self.down(torch.relu(self.norm(self.up(x)))) + shift
        return out


@pytest.fixture
def exported(tmp_path) -> Path:
    sizes = {"x": {0: torch.export.Dim("batch", min=2, max=9)}}
    program = torch.export.export(
        Small().eval(), (torch.randn(3, 4),), strict=False, dynamic_shapes=sizes
    )
    path = tmp_path / "model.pt2"
    torch.export.save(program, path)
    return path


def test_an_exported_program(exported, run):
    ran = run("discover", exported, "--verify", "--complete", "--json", "-")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert "up.weight" in found["reps"]
    assert "shift" not in found["reps"]
    assert found["certificate"]["verdict"] == "TESTED"
    assert found["completeness"]["statistics"] == 10
    assert run("discover", exported, "--example", "5x4").code == 0


class Payload:
    def __reduce__(self):
        return exec, ("open('ran', 'w')",)


def rewrite(path: Path, change: Any) -> None:
    """The archive with one file changed: ``change`` takes a name and bytes, and returns bytes."""
    with zipfile.ZipFile(path) as old:
        parts = [(info.filename, old.read(info.filename)) for info in old.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name, data in parts:
            new.writestr(name, change(name, data))


def edited(path: Path, part: str, old: str, new: str) -> None:
    def change(name: str, data: bytes) -> bytes:
        if not name.endswith(part):
            return data
        assert old.encode() in data
        return data.replace(old.encode(), new.encode())

    rewrite(path, change)


ATTACKS = {
    "a pickled weight": (
        "model_weights_config.json",
        '"use_pickle": false',
        '"use_pickle": true',
        "is stored as a pickle",
    ),
    "an object": ("model_weights_config.json", "weight_0", "opaque_obj_0", "is stored as a pickle"),
    "a function": (
        "model.json",
        "torch.ops.aten.relu.default",
        "torch.os.system",
        "it calls torch.os.system",
    ),
    "TorchScript that writes": (
        "model.json",
        "torch.ops.aten.relu.default",
        "torch.ops.aten.save.default",
        "it calls torch.ops.aten.save.default",
    ),
    "a size that is code": (
        "model.json",
        "Symbol('s77', positive=True, integer=True)",
        "__import__('os').system('touch ran')",
        "a size is",
    ),
    "an import": (
        "model.json",
        r"\"type\": \"builtins.tuple\"",
        r"\"type\": \"collections.defaultdict\"",
        "an input or output is a collections.defaultdict",
    ),
}


@pytest.mark.parametrize("case", ATTACKS)
def test_an_exported_program_that_would_run_code(case, exported, run, monkeypatch):
    monkeypatch.chdir(exported.parent)
    part, old, new, words = ATTACKS[case]
    edited(exported, part, old, new)
    refused(run("discover", exported), "is not loaded, because that could run code", words)
    assert not Path("ran").exists()


def test_pickled_inputs_are_not_run(exported, run, monkeypatch):
    monkeypatch.chdir(exported.parent)
    hostile = pickle.dumps(Payload())
    rewrite(exported, lambda name, data: hostile if "sample_inputs" in name else data)
    refused(run("discover", exported), "its example inputs are more than tensors")
    assert not Path("ran").exists()


def test_compiled_code_is_not_loaded(exported, run):
    with zipfile.ZipFile(exported, "a") as archive:
        archive.writestr("model/data/aotinductor/model/evil.so", b"")
    refused(run("discover", exported), "it holds data/aotinductor/model/evil.so")


def test_a_missing_or_damaged_export(tmp_path, run):
    refused(run("discover", tmp_path / "no.pt2"), "there is no file", "check the path")
    (tmp_path / "bad.pt2").write_bytes(b"nothing")
    refused(run("discover", tmp_path / "bad.pt2"), "bad.pt2 cannot be loaded", "torch.export.save")


@pytest.mark.parametrize(
    ("target", "harmless"),
    [
        ("torch.ops.aten.add.Tensor", True),
        ("torch.ops.aten.__and__.Tensor", True),
        ("torch.ops.aten._to_copy.default", True),
        ("_operator.getitem", True),
        ("torch.ops.higher_order.wrap_with_set_grad_enabled", True),
        ("torch.ops.load_library", False),
        ("torch.ops.aten.from_file.default", False),
        ("torch.ops.aten.save.default", False),
        ("torch.ops.aten.add.__class__", False),
        ("_operator.methodcaller", False),
        ("math.sqrt", False),
        ("#torch.load", False),
    ],
)
def test_which_calls_are_harmless(target, harmless):
    assert _harmless(target) is harmless
