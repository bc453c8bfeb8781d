"""Collecting: full passes of the cyclic garbage collector, put off while they find nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

NEVER = 1 << 30


@contextmanager
def young_only() -> Iterator[None]:
    """Collect only what is young: tracing makes millions of objects, of which most stay.

    Full passes go through all of them, and through all that was imported, again and again.
    """
    before = gc.get_threshold()
    gc.set_threshold(*before[:2], NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
