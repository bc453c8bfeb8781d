"""Data sets: shapes, splits and digests; the user's files; the text of the errors."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import struct
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from isthmus.ground.errors import BadInput, MissingExtra
from isthmus.testing import datasets
from isthmus.testing.datasets import cifar10, sources


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of data sets that ISTHMUS_DATA names; without one, the test is skipped."""
    if not (folder := os.environ["ISTHMUS_TEST_DATA"]):
        pytest.skip("ISTHMUS_DATA is not set: no local data sets")
    monkeypatch.setenv("ISTHMUS_DATA", folder)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data folder, an empty cache and no network."""

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network in tests")

    monkeypatch.delenv("ISTHMUS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return tmp_path / "isthmus"


def md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def test_digits() -> None:
    data = datasets.load("digits")
    assert data.x_train.shape[1:] == (8, 8)
    assert data.x_train.dtype == torch.float32
    assert data.y_train.dtype == torch.int64
    assert len(data.x_train) + len(data.x_test) == 1797
    assert float(data.x_train.min()) == 0
    assert float(data.x_train.max()) == 1
    assert data.classes == tuple("0123456789")
    share = torch.bincount(data.y_test) / torch.bincount(torch.cat([data.y_train, data.y_test]))
    assert float((share - 0.2).abs().max()) < 0.01
    assert torch.equal(data.x_test, datasets.load("digits").x_test)
    assert str(data).startswith("digits (scikit-learn's 1,797;")


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtra, match="scikit-learn, which is missing; pip install"):
        datasets.load("digits")


def test_an_unknown_name() -> None:
    with pytest.raises(BadInput, match="no data set called 'mist'; use one of digits, mnist"):
        datasets.load("mist")


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx_images(name: str) -> None:
    data = datasets.load(name)
    assert data.x_train.shape == (60000, 28, 28)
    assert data.x_test.shape == (10000, 28, 28)
    assert (float(data.x_test.min()), float(data.x_test.max())) == (0, 1)
    assert torch.bincount(data.y_train).numel() == len(data.classes) == 10


@pytest.mark.usefixtures("published")
@pytest.mark.slow
def test_cifar10() -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed: the local CIFAR-10 is JPEG")
    data = datasets.load("cifar10")
    assert data.x_train.shape == (50000, 3, 32, 32)
    assert sorted(data.y_test[:10].tolist()) == list(range(10))
    assert "LOSSY" in data.version or "lossless" in data.version


@pytest.mark.usefixtures("published")
def test_tinyshakespeare() -> None:
    data = datasets.load("tinyshakespeare")
    assert len(data.classes) == 65
    assert torch.equal(data.x_train[0, 1:], data.y_train[0, :-1])
    assert torch.equal(data.x_train[1:, 0], data.y_train[:-1, -1])
    text = "".join(data.classes[index] for index in data.x_train[0].tolist())
    assert text.startswith("First Citizen:")


def test_sentences_need_no_network(empty_cache: Path) -> None:
    data = datasets.load("sentences")
    text = "".join(data.classes[index] for index in data.x_train.flatten().tolist())
    lines = text.split("\n")[:-1]
    assert all(line[0].isupper() and line.endswith(".") for line in lines)
    assert len(set(lines)) > len(lines) / 2
    assert torch.equal(data.x_train[1:, 0], data.y_train[:-1, -1])
    assert torch.equal(data.x_test, datasets.load("sentences").x_test)
    assert not empty_cache.exists()


def test_without_network(empty_cache: Path) -> None:
    with pytest.raises(BadInput) as caught:
        datasets.load("mnist")
    text = str(caught.value)
    assert "cannot download https://ossci-datasets.s3.amazonaws.com/mnist/train-images" in text
    assert "no network in tests" in text
    assert "set ISTHMUS_DATA to a folder with mnist/train-images-idx3-ubyte.gz" in text
    assert "\n" not in text


def test_a_wrong_digest(empty_cache: Path) -> None:
    path = empty_cache / "mnist" / "train-images-idx3-ubyte.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not the data")
    with pytest.raises(BadInput) as caught:
        datasets.load("mnist")
    found, expected = md5(b"not the data"), "6bbc9ace898e44ae57da46a324031adb"
    assert f"{path} has md5 {found}, expected {expected}; delete the file" in str(caught.value)


def test_a_download_is_checked_then_cached(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(b"forged"))
    with pytest.raises(BadInput, match="has md5"):
        datasets.load("tinyshakespeare")
    assert not empty_cache.exists()
    text = b"ab" * 65 * 10
    monkeypatch.setitem(sources._DIGESTS, "tinyshakespeare/input.txt", md5(text))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(text))
    assert datasets.load("tinyshakespeare").classes == ("a", "b")
    assert [path.name for path in (empty_cache / "tinyshakespeare").iterdir()] == ["input.txt"]


def test_images_compressed_again_are_accepted(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = struct.pack(">IIII", 0x803, 2, 3, 3) + bytes(range(18))
    labels = struct.pack(">II", 0x801, 2) + bytes([1, 0])
    for part in ("train", "t10k"):
        for kind, raw in (("images-idx3", images), ("labels-idx1", labels)):
            path = empty_cache / "mnist" / f"{part}-{kind}-ubyte.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(raw))
            monkeypatch.setitem(sources._DIGESTS, f"mnist/{path.name}", md5(raw))
    data = datasets.load("mnist")
    assert data.x_train.shape == (2, 3, 3)
    assert data.y_test.tolist() == [1, 0]
    assert float(data.x_train[1, 2, 2]) == pytest.approx(17 / 255)


def python2_batch(labels: list[int]) -> bytes:
    """A batch as the published files have it: protocol 2, byte strings, an old numpy's names."""
    pixels = bytes(range(256)) * 12 * len(labels)
    shape = b"K" + bytes([len(labels)]) + b"M\x00\x0c"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    minus_one = b"J\xff\xff\xff\xff"
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
    dtype += b"(K\x03U\x01|NNN" + minus_one + minus_one + b"K\x00tb"
    state = b"(K\x01(" + shape + b"t" + dtype + b"\x89T" + struct.pack("<I", len(pixels)) + pixels
    classes = b"".join(b"K" + bytes([label]) for label in labels)
    return b"\x80\x02}(U\x04data" + array + state + b"tbU\x06labels](" + classes + b"eu."


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_cifar10_python_batches(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    folder = empty_cache / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{index}" for index in range(1, 6)), "test_batch"):
        raw = python2_batch([3, 8])
        (folder / name).write_bytes(raw)
        monkeypatch.setitem(sources._DIGESTS, f"cifar10/{name}", md5(raw))
    if packed:
        archive = folder.with_name("cifar-10-python.tar.gz")
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(folder, folder.name)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        key = "cifar10/cifar-10-python.tar.gz"
        monkeypatch.setitem(sources._DIGESTS, key, md5(archive.read_bytes()))
    data = datasets.load("cifar10")
    assert data.x_train.shape == (10, 3, 32, 32)
    assert data.y_test.tolist() == [3, 8]
    assert float(data.x_train[0, 0, 0, 5]) == pytest.approx(5 / 255)
    assert "lossless" in data.version


def test_a_missing_cifar10_batch(empty_cache: Path) -> None:
    (empty_cache / "cifar10" / "cifar-10-batches-py").mkdir(parents=True)
    with pytest.raises(BadInput, match="has no data_batch_1; unpack"):
        datasets.load("cifar10")


def test_a_pickle_can_only_hold_arrays() -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"posix.system is not allowed"):
        cifar10._NumpyOnly(io.BytesIO(b"cposix\nsystem\n(S'true'\ntR.")).load()


def test_lossy_cifar10_without_pillow(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = empty_cache / "cifar10" / "cifar10_jpeg75.npz"
    path.parent.mkdir(parents=True)
    path.touch()
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtra, match="Pillow is missing; pip install pillow, or put"):
        datasets.load("cifar10")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_from_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    x, y = torch.rand(5, 3, dtype=torch.float64), torch.tensor([0, 2, 1, 0, 2], dtype=torch.int32)
    if suffix == ".npz":
        np.savez(path, x=x.numpy(), y=y.numpy())
    else:
        save_file({"x": x, "y": y}, path)
    data = datasets.from_file(path)
    torch.testing.assert_close(data.x_train, x.float())
    assert data.y_train.tolist() == [0, 2, 1, 0, 2]
    assert data.x_test is not None
    assert torch.equal(data.x_test, data.x_train)
    assert data.classes == ("0", "1", "2")
    assert data.version == "file without a test part: tested on all of it"


def test_from_file_with_a_test_part_and_real_targets(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, x=np.eye(3), y=np.ones(3), x_test=np.eye(3)[:1], y_test=np.zeros(1))
    data = datasets.from_file(path)
    assert (len(data.x_train), len(data.x_test), data.classes) == (3, 1, ())


BROKEN = {
    "no_y": ({"x": np.eye(2)}, r"no array 'y' \(found: x\); store both x and y"),
    "lengths": ({"x": np.eye(2), "y": np.zeros(3)}, r"shapes \(2, 2\) and \(3,\); store one y"),
    "empty": ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, r"shapes \(0, 2\) and \(0,\)"),
    "scalar": ({"x": np.array(1.0), "y": np.zeros(1)}, r"shapes \(\) and \(1,\)"),
    "text": ({"x": np.array(["a"]), "y": np.zeros(1)}, r"x in .* has type <U1; store numbers"),
    "nan": ({"x": np.array([np.nan]), "y": np.zeros(1)}, "x in .* has infinite or undefined"),
}


@pytest.mark.parametrize(("arrays", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_arrays(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    with pytest.raises(BadInput, match=message):
        datasets.from_file(path)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object), y=np.zeros(1))
    with pytest.raises(BadInput, match="cannot read .*mine.npz: Object arrays cannot be loaded"):
        datasets.from_file(path)


def saved_array() -> bytes:
    """What numpy.save writes."""
    stream = io.BytesIO()
    np.save(stream, np.eye(2))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.npz", None, "there is no file .*absent.npz; give the path of a"),
        ("mine.csv", b"1,2", r"mine.csv is not a data file \(.csv\); use .npz or .safetensors"),
        ("mine", b"1,2", r"not a data file \(no suffix\)"),
        ("mine.npz", b"", "cannot read .*mine.npz"),
        ("mine.npz", b"PK\x03\x04 broken", "cannot read .*mine.npz"),
        ("mine.npz", saved_array(), "cannot read .*mine.npz: it is a single array"),
        ("mine.safetensors", b"broken", "cannot read .*mine.safetensors"),
    ],
    ids=["absent", "csv", "no_suffix", "empty_npz", "broken_npz", "npy", "broken_safetensors"],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=message) as caught:
        datasets.from_file(path)
    assert "\n" not in str(caught.value)


def test_batches() -> None:
    x, y = torch.arange(10).view(5, 2), torch.arange(5)
    parts = datasets.batches(x, y, 2)
    assert [len(inputs) for inputs, _ in parts] == [2, 2, 1]
    assert torch.equal(torch.cat([targets for _, targets in parts]), y)
    with pytest.raises(BadInput, match="the batch size is 0; use"):
        datasets.batches(x, y, 0)
    with pytest.raises(BadInput, match="5 inputs but 4 targets"):
        datasets.batches(x, y[:4], 2)
