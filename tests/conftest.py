"""Settings for every test: one thread, and Hypothesis without deadlines (deterministic on CI).

Published data sets are out of sight, so that no test comes to need files or a network: only
`tests/testing/test_datasets.py` looks into ``ISTHMUS_DATA``.

Tests with a model of transformers, as the parameter ``one``, are slow but for a few architectures.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ISTHMUS_TEST_DATA", os.environ.pop("ISTHMUS_DATA", ""))
os.environ["XDG_CACHE_HOME"] = os.devnull  # workers and programs that tests start inherit both

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

QUICK = frozenset(
    f"hf_{name}"
    for name in (
        "gpt2", "llama", "qwen3", "gemma3", "phi3", "opt", "falcon_new", "gpt_neox", "mixtral",
        "deepseek_v3", "bert", "albert", "deberta_v2", "t5_gated", "whisper", "clip", "vit", "swin",
        "convnext", "regnet", "levit", "mamba", "mamba2",
    )
)  # fmt: skip
"""The architectures of transformers that `make test` covers; `make test-all` covers all."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what is about any other architecture of transformers; keep a model's tests on
    one worker, which then builds, traces and types it once."""
    for item in items:
        one = getattr(item, "callspec", None) and item.callspec.params.get("one")  # type: ignore[attr-defined]
        if "hf" in getattr(one, "tags", ()):
            item.add_marker(pytest.mark.xdist_group(one.name))
            if one.name not in QUICK:
                item.add_marker(pytest.mark.slow)
