"""What is needed to run a command again: versions, digests of inputs, the command itself."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from pathlib import Path

import torch

import isthmus


def provenance(*, command: str, data: str, inputs: Iterable[Path]) -> dict[str, str]:
    """Facts by name, in the order in which a reader wants them."""
    facts = {"command": command, "data": data}
    facts |= {f"sha256 of {path.name}": digest(path) for path in inputs}
    return facts | {
        "isthmus": isthmus.__version__,
        "torch": torch.__version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "threads": str(torch.get_num_threads()),
    }


def digest(path: Path) -> str:
    """The SHA-256 of a file, or of all files of a folder in order of name."""
    total = hashlib.sha256()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if not file.is_file():
            continue
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                total.update(chunk)
    return total.hexdigest()
