"""Collecting: the cyclic garbage collector, paused where it finds nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the collector: tracing makes millions of objects, of which hardly any are cycles.

    Memory is still given back as references end. Where it was paused before, it stays so.
    """
    ran = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if ran:
            gc.enable()
