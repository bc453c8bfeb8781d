"""Reading and writing checkpoints: every format, and the message of every way to fail."""

import json
import os
import pickle
import re
import resource

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from isthmus.ground import (
    BadCheckpoint,
    BadInput,
    CannotWrite,
    OutputExists,
    ShapeMismatch,
    UnknownName,
    aliases,
    checkpoints,
    load,
    params_of,
    save,
)

RESAVE = "save it again with torch.save(model.state_dict(), ...) or as safetensors"


def says(text):
    return "^" + re.escape(text) + "$"


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def params():
    return {
        "w": torch.arange(12.0).reshape(3, 4),
        "h": torch.randn(2).bfloat16(),
        "n": torch.tensor(3),
        "none": torch.zeros(0, 2),
    }


@pytest.fixture
def shards(tmp_path, params):
    """A folder of two shards with an index."""
    names = list(params)
    weight_map = {}
    for i, part in enumerate((names[:2], names[2:]), start=1):
        file = f"model-{i:05d}-of-00002.safetensors"
        save_file({name: params[name] for name in part}, tmp_path / file)
        weight_map |= dict.fromkeys(part, file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return tmp_path


@pytest.mark.parametrize("name", ["m.safetensors", "m.pt", "m.pth"])
def test_round_trip(tmp_path, params, name):
    save(params, tmp_path / name)
    assert same(load(tmp_path / name), params)
    assert same(load(str(tmp_path / name), like=params), params)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["m.safetensors", "m.pt"])
def test_file_mode_follows_the_umask(tmp_path, params, name):
    save(params, tmp_path / name)
    (tmp_path / "plain").touch()
    assert (tmp_path / name).stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("name", ["m.safetensors", "m.pt"])
def test_save_views_and_shared_memory(tmp_path, name):
    base = torch.arange(1000.0)
    params = {"a": base, "b": base, "c": base[:2], "d": base.reshape(10, 100).T}
    params["e"] = nn.Parameter(torch.ones(2))
    save(params, tmp_path / name)
    found = load(tmp_path / name)
    assert same(found, params)
    found["a"].zero_()
    assert torch.equal(found["b"], base)
    assert not found["e"].requires_grad


def test_a_view_is_saved_without_the_rest(tmp_path):
    save({"w": torch.zeros(100_000)[:2]}, tmp_path / "m.pt")
    assert (tmp_path / "m.pt").stat().st_size < 10_000


def test_metadata(tmp_path, params):
    save(params, tmp_path / "m.safetensors", metadata={"by": "isthmus"})
    with safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        assert file.metadata() == {"by": "isthmus"}


def test_tied_weights_round_trip(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    torch.save(model.state_dict(), tmp_path / "m.pt")
    found = load(tmp_path / "m.pt", like=params_of(model), aliases=aliases(model))
    assert same(found, params_of(model))
    with pytest.raises(UnknownName, match=r"unknown name '1\.weight'"):
        load(tmp_path / "m.pt", like=params_of(model))


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_nested_state_dict(tmp_path, params, wrapper):
    torch.save({wrapper: params, "epoch": 3}, tmp_path / "m.bin")
    assert same(load(tmp_path / "m.bin"), params)


def test_folder_with_one_file(tmp_path, params):
    save(params, tmp_path / "model.safetensors")
    save({}, tmp_path / "other.safetensors")
    assert same(load(tmp_path), params)


def test_folder_with_shards(shards, params):
    assert same(load(shards), params)
    assert same(load(shards / "model.safetensors.index.json"), params)
    assert list(load(shards, like=params)) == list(params)


def test_only_the_tensors_of_the_index_are_read(shards, params):
    save_file({"w": params["w"], "h": params["h"], "x": torch.ones(1)}, next(shards.glob("*1-of*")))
    assert same(load(shards), params)


def test_missing_shard(shards):
    (shards / "model-00002-of-00002.safetensors").unlink()
    text = (
        f"{shards}/model.safetensors.index.json: shard 'model-00002-of-00002.safetensors' "
        "(2 tensors) is missing from the folder; download that shard"
    )
    with pytest.raises(BadCheckpoint, match=says(text)):
        load(shards)


def test_tensor_missing_from_its_shard(shards):
    save_file({"w": torch.ones(1)}, shards / "model-00001-of-00002.safetensors")
    text = (
        f"{shards}/model-00001-of-00002.safetensors: the index puts 'h' into this shard, "
        "which does not hold it; copy or download it again"
    )
    with pytest.raises(BadCheckpoint, match=says(text)):
        load(shards)


@pytest.mark.parametrize("shard", ["../up.safetensors", "/etc/passwd", "below/it.safetensors"])
def test_shard_outside_the_folder(shards, shard):
    (shards / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": shard}}))
    with pytest.raises(BadCheckpoint, match="lies outside the folder; keep the shards beside"):
        load(shards)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not readable as JSON"),
        ("[]", 'no "weight_map" of tensor names to shards'),
        ('{"weight_map": {"w": 1}}', 'no "weight_map" of tensor names to shards'),
    ],
)
def test_bad_index(shards, text, words):
    (shards / "model.safetensors.index.json").write_text(text)
    with pytest.raises(BadCheckpoint, match=words):
        load(shards)


def test_folder_with_nothing_or_too_much(tmp_path, params):
    text = (
        f"{tmp_path}: no .safetensors file and no index of shards in this folder; "
        "give the path of a checkpoint"
    )
    with pytest.raises(BadCheckpoint, match=says(text)):
        load(tmp_path)
    save(params, tmp_path / "a.safetensors")
    save(params, tmp_path / "b.safetensors")
    with pytest.raises(
        BadCheckpoint, match=r"2 files match \*\.safetensors \(a.*, b.*expected one"
    ):
        load(tmp_path)


def test_missing_file(tmp_path):
    text = f"{tmp_path}/no.pt: no such file or folder; check the path"
    with pytest.raises(BadCheckpoint, match=says(text)):
        load(tmp_path / "no.pt")


def test_unknown_suffix(tmp_path):
    (tmp_path / "m.ckpt").touch()
    text = (
        f"{tmp_path}/m.ckpt: unknown suffix '.ckpt'; "
        "give a folder or a file that ends in .safetensors, .pt, .pth, .bin"
    )
    with pytest.raises(BadCheckpoint, match=says(text)):
        load(tmp_path / "m.ckpt")


@pytest.mark.parametrize("keep", [0, 4, 20, 0.5, 0.9, 0.999])
def test_truncated_safetensors(tmp_path, params, keep):
    save(params, tmp_path / "m.safetensors")
    whole = (tmp_path / "m.safetensors").read_bytes()
    size = keep if isinstance(keep, int) else int(keep * len(whole))
    (tmp_path / "m.safetensors").write_bytes(whole[:size])
    with pytest.raises(BadCheckpoint, match=r"not a whole safetensors file \(.+\); copy or") as got:
        load(tmp_path / "m.safetensors")
    assert "\n" not in str(got.value)


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.9, 0.999])
def test_truncated_pickle(tmp_path, params, keep):
    save(params, tmp_path / "m.pt")
    whole = (tmp_path / "m.pt").read_bytes()
    size = keep if isinstance(keep, int) else int(keep * len(whole))
    (tmp_path / "m.pt").write_bytes(whole[:size])
    with pytest.raises(BadCheckpoint, match=r"m\.pt: not a readable checkpoint \(.+\); ") as got:
        load(tmp_path / "m.pt")
    assert "\n" not in str(got.value)


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickle_with_code_is_refused_and_not_run(tmp_path):
    torch.save({"w": Malicious(tmp_path / "ran")}, tmp_path / "m.pt")
    text = (
        f"{tmp_path}/m.pt: holds more than tensors ({os.name}.mkdir), which would run code; "
        f"not loaded; {RESAVE}"
    )
    with pytest.raises(BadCheckpoint, match=says(text)):
        load(tmp_path / "m.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_bare_pickle_with_code_is_not_run(tmp_path, protocol):
    (tmp_path / "m.pt").write_bytes(pickle.dumps(Malicious(tmp_path / "ran"), protocol))
    with pytest.raises(BadCheckpoint, match=re.escape(RESAVE)):
        load(tmp_path / "m.pt")
    assert not (tmp_path / "ran").exists()


def test_pickled_module_is_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "m.pt")
    with pytest.raises(BadCheckpoint, match=r"holds more than tensors \(torch.nn.*Linear\)"):
        load(tmp_path / "m.pt")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([1], "has type list, expected a dict of tensors"),
        (torch.ones(1), "has type Tensor, expected a dict of tensors"),
        ({"w": 3}, "entry 'w' has type int, expected a tensor"),
        ({3: torch.ones(1)}, "entry 3 has type Tensor, expected a tensor"),
    ],
)
def test_not_a_dict_of_tensors(tmp_path, data, words):
    torch.save(data, tmp_path / "m.pt")
    with pytest.raises(BadCheckpoint, match=says(f"{tmp_path}/m.pt: {words}; {RESAVE}")):
        load(tmp_path / "m.pt")


def test_check_names_the_file(tmp_path, params):
    save(params, tmp_path / "m.pt")
    text = re.escape(f"{tmp_path}/m.pt: 'w' has shape (3, 4), expected (4, 3);")
    with pytest.raises(ShapeMismatch, match=text):
        load(tmp_path / "m.pt", like=params | {"w": params["w"].T})


def test_output_exists(tmp_path, params):
    out = tmp_path / "m.pt"
    save({}, out)
    text = f"{out} exists already; choose another output, or allow it with force (--force)"
    with pytest.raises(OutputExists, match=says(text)):
        save(params, out)
    assert load(out) == {}
    save(params, out, force=True)
    assert same(load(out), params)


@pytest.mark.parametrize("force", [False, True])
def test_an_input_is_never_overwritten(shards, params, force):
    shard = shards / "model-00001-of-00002.safetensors"
    before = shard.read_bytes()
    for given in (shards, shard, shards / ".." / shards.name):
        with pytest.raises(OutputExists, match="is also an input .*; choose another output; an"):
            save(params, shard, force=force, inputs=[shards / "absent", given])
    assert shard.read_bytes() == before


def test_bad_output_format(tmp_path, params):
    text = f"{tmp_path}/m.ckpt: unknown suffix '.ckpt'; end it in .safetensors, .pt or .pth"
    with pytest.raises(BadInput, match=says(text)):
        save(params, tmp_path / "m.ckpt")
    with pytest.raises(BadInput, match=r"metadata has no place in a \.pt file"):
        save(params, tmp_path / "m.pt", metadata={"a": "b"})


@pytest.mark.parametrize("name", ["m.safetensors", "m.pt"])
def test_full_disk_leaves_the_old_file(tmp_path, name):
    save({"w": torch.zeros(1)}, tmp_path / name)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (10_000, hard)
    )  # as near to a full disk as a test gets
    try:
        with pytest.raises(CannotWrite) as got:
            save({"w": torch.zeros(100_000)}, tmp_path / name, force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    text = f"cannot write {tmp_path}/{name}: File too large; free some space or choose another disk"
    assert str(got.value) == text
    assert os.listdir(tmp_path) == [name]
    assert load(tmp_path / name)["w"].shape == (1,)


@pytest.mark.parametrize(
    ("module", "function", "name"),
    [(checkpoints, "save_file", "m.safetensors"), (torch, "save", "m.pt")],
    ids=["safetensors", "pt"],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_interrupt_leaves_nothing(tmp_path, params, monkeypatch, module, function, name, hidden):
    def interrupted(*_, **__):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            if hidden:  # as the writer of torch does with what its file handle raises
                raise RuntimeError("unexpected pos 704") from error
            raise

    monkeypatch.setattr(module, function, interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(params, tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_serialiser_failure_without_a_system_error(tmp_path, params, monkeypatch):
    def fails(tensors, file):
        raise RuntimeError("odd")

    monkeypatch.setattr(torch, "save", fails)
    text = f"cannot write {tmp_path}/m.pt: odd; choose an output that you may write"
    with pytest.raises(CannotWrite, match=says(text)):
        save(params, tmp_path / "m.pt")


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (torch.zeros(1, device="meta"), "'w' is a meta tensor, without numbers; load the weights"),
        (torch.zeros(1, dtype=torch.complex128), "safetensors has no dtype torch.complex128; con"),
    ],
    ids=["meta", "complex128"],
)
def test_a_tensor_that_cannot_be_written(tmp_path, tensor, text):
    with pytest.raises(BadInput, match=text):
        save({"w": tensor}, tmp_path / "m.safetensors")
    assert os.listdir(tmp_path) == []
