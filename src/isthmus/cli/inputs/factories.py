"""Factories named on the command line: `pkg.module:factory` or `file.py:factory`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from isthmus.ground.errors import BadInput, closest


def call_factory(spec: str, what: str) -> Any:
    """What the factory named by `spec` returns.

    A file is loaded under a private module name, with its own folder importable while it loads; a
    dotted module is looked up as Python does, the working folder included.

    Args:
        spec: `pkg.module:factory` or `file.py:factory`; the factory takes no arguments.
        what: The option that named it, for the messages: "--model".

    Raises:
        BadInput: There is no such module or factory, or it raises.
    """
    place, _, name = spec.rpartition(":")
    if not place or not name:
        raise BadInput(
            f"{what} {spec!r} names no factory",
            "write file.py:factory or pkg.module:factory, a callable without arguments",
        )
    factory = _attribute(_module(place, what), name, place, what)
    return _run(factory, f"{what} {spec}: the factory")


def _module(place: str, what: str) -> ModuleType:
    if place.endswith(".py"):
        return _module_of_file(Path(place), what)
    with _importable(Path.cwd()):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name is not None and place.startswith(error.name):
                raise BadInput(
                    f"{what}: there is no module {error.name!r}",
                    "run from the folder that holds it, install it, or give file.py:factory",
                ) from error
            raise _raised(error, f"{what}: importing {place}") from error
        except (Exception, SystemExit) as error:
            raise _raised(error, f"{what}: importing {place}") from error


def _module_of_file(path: Path, what: str) -> ModuleType:
    if not path.is_file():
        raise BadInput(f"{what}: there is no file {path}", "check the path before the colon")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"_isthmus_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{what}: {path} is not a Python file", "give file.py:factory")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with _importable(path.resolve().parent):
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            raise _raised(error, f"{what}: importing {path}") from error
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """`folder` at the head of the import path for a while."""
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def _attribute(module: ModuleType, name: str, place: str, what: str) -> Callable[[], Any]:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            near = closest(part, (word for word in vars(found) if not word.startswith("_")))
            raise BadInput(
                f"{what}: {place} has no {name!r}",
                f"did you mean {near!r}?" if near else "give the name of a callable in it",
            )
        found = getattr(found, part)
    if not callable(found):
        kind = type(found).__name__
        raise BadInput(
            f"{what}: {name!r} in {place} is a {kind}, expected a callable without arguments",
            "write a function that returns it",
        )
    factory: Callable[[], Any] = found
    return factory


def _run(factory: Callable[[], Any], where: str) -> Any:
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # untrained weights, where they are used at all, are repeatable
            return factory()
    except (Exception, SystemExit) as error:
        raise _raised(error, where) from error


def _raised(error: BaseException, where: str) -> BadInput:
    reason = str(error).strip().partition("\n")[0]
    said = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    return BadInput(f"{where} raised {said}", "make it run in Python first")
