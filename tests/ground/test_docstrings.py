"""The examples in the docstrings of this floor are run."""

import doctest
import importlib
import pkgutil

import pytest

from isthmus import ground

MODULES = [module.name for module in pkgutil.iter_modules(ground.__path__, "isthmus.ground.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
