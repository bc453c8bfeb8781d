"""Where the public files are, how they are found, downloaded and checked."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import urllib.request
import zlib
from pathlib import Path

from isthmus.ground.errors import BadInput
from isthmus.ground.writing import atomic_write

_SOURCES = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion_mnist": "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "cifar10": "https://www.cs.toronto.edu/~kriz/",
    "tinyshakespeare": "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/"
    "tinyshakespeare/",
}
# Published md5 of each file; of a .gz it may be that of the content (mnist's training images).
_DIGESTS = {
    "mnist/train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "mnist/train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "mnist/t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "mnist/t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    "fashion_mnist/train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "fashion_mnist/train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "fashion_mnist/t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "fashion_mnist/t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    "tinyshakespeare/input.txt": "6fb458f1232090904fb40fe944165e91",
    "cifar10/cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
    "cifar10/data_batch_1": "c99cafc152244af753f735de768cd75f",
    "cifar10/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "cifar10/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "cifar10/data_batch_4": "634d18415352ddfa80567beed471001a",
    "cifar10/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "cifar10/test_batch": "40351d587109b95175f43aff81a1287e",
}


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "isthmus"


def roots() -> list[Path]:
    """Where to look, in this order."""
    given = os.environ.get("ISTHMUS_DATA")
    return [Path(given), _cache()] if given else [_cache()]


def fetch(folder: str, file: str) -> bytes:
    """The checked bytes of a file, downloaded into the cache if it is nowhere."""
    for root in roots():
        if (path := root / folder / file).exists():
            return checked(path.read_bytes(), folder, file, str(path))
    url, target = _SOURCES[folder] + file, _cache() / folder / file
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            raw: bytes = answer.read()
    except (OSError, http.client.HTTPException) as error:
        remedy = f"connect to the network, or set ISTHMUS_DATA to a folder with {folder}/{file}"
        raise BadInput(f"cannot download {url}: {error}", remedy) from None
    checked(raw, folder, file, url)
    atomic_write(target, raw)
    return raw


def checked(raw: bytes, folder: str, file: str, where: str) -> bytes:
    """``raw`` itself, if its digest (or a .gz file's content's) is the published one."""
    expected = _DIGESTS[f"{folder}/{file}"]
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if found == expected:
        return raw
    try:
        content = gzip.decompress(raw) if file.endswith(".gz") else b""
    except (OSError, EOFError, zlib.error):
        content = b""
    if hashlib.md5(content, usedforsecurity=False).hexdigest() == expected:
        return raw
    remedy = "delete the file and run again to download it"
    raise BadInput(f"{where} has md5 {found}, expected {expected}", remedy)
