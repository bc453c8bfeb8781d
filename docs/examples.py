"""Sections ``Example:`` of docstrings as code, for the reference of Python (`mkdocs.yml`)."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object


class Examples(Extension):
    """The parser of docstrings knows them in the plural alone."""

    def on_instance(self, *, obj: Object, **kwargs: Any) -> None:
        """Rename the sections."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^Example:$", "Examples:", obj.docstring.value)
