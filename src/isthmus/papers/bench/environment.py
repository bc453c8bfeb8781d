"""What a figure was made with: versions, machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform

import torch

import isthmus

PACKAGES = ("torch", "numpy", "scipy", "safetensors", "POT", "gudhi", "lapx")
"""Those whose versions may change a number."""


def environment() -> dict[str, str]:
    """Facts by name: versions of all that is installed of `PACKAGES`, Python, the machine."""
    facts = {"isthmus": isthmus.__version__}
    for name in PACKAGES:
        try:
            facts[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    facts["torch"] = torch.__version__  # with its build
    facts["python"] = platform.python_version()
    facts["system"] = f"{platform.system()} {platform.machine()}"
    facts["processor"] = f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
    return facts
