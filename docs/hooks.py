"""What the site has beside the pages of this folder: the reference of Python, and two documents.

`mkdocs.yml` runs it. The reference holds every name of ``isthmus.__all__``, on one page for each
package that it comes from, as the imports of ``isthmus/__init__.py`` say; nothing is imported.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = {"architecture.md": "ARCHITECTURE.md", "changelog.md": "CHANGELOG.md"}
"""Pages that are files of the repository's root."""


def on_config(config: MkDocsConfig) -> None:
    """The navigation, without pages that are not there, and with those of the reference."""
    config.nav = _present(config.nav or [], set(_made()))


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages that are made here."""
    for name, text in _made().items():
        files.append(File.generated(config, name, content=text))


def _present(entries: list[Any], made: set[str]) -> list[Any]:
    found: list[Any] = []
    for entry in entries:
        ((title, target),) = entry.items()
        if target == "api.md":
            found.append({title: ["api.md", *sorted(made - {"api.md", *DOCUMENTS})]})
        elif isinstance(target, list):
            found.append({title: _present(target, made)})
        elif target in made or (ROOT / "docs" / target).exists():
            found.append(entry)
    return found


def _made() -> dict[str, str]:
    """By name, the text of every page that is made here."""
    pages = {page: _rooted((ROOT / name).read_text("utf-8")) for page, name in DOCUMENTS.items()}
    rows = []
    for package, homes in _exported().items():
        page = f"api-{package}.md"
        pages[page] = "\n\n".join(
            [f"# isthmus.{package}", *(f"::: {home}" for home in homes.values()), ""]
        )
        links = ", ".join(f"[`{name}`]({page}#{home})" for name, home in homes.items())
        rows.append(f"## {package}\n\n{_about(package)}\n\n{links}\n")
    head = "# Python\n\nEvery name of `isthmus`, by the package that it is written in.\n"
    pages["api.md"] = "\n".join([head, *rows])
    return pages


def _rooted(text: str) -> str:
    """A document of the root, its links as they are from this folder."""
    return re.sub(r"\]\(docs/", "](", text)


def _exported() -> dict[str, dict[str, str]]:
    """The names of ``isthmus`` by the package that they are from, each with where it is written."""
    found: dict[str, dict[str, str]] = {}
    for node in _module("isthmus").body:
        if isinstance(node, ast.ImportFrom) and node.module != "isthmus":
            homes = {alias.name: _home(str(node.module), alias.name) for alias in node.names}
            found.setdefault(str(node.module).split(".")[1], {}).update(homes)
    return found


def _home(module: str, name: str) -> str:
    """Where a name is written, not only imported: a module may have the name of its function."""
    for node in _module(module).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if name in (alias.name, alias.asname):
                    return _home(str(node.module), alias.name)
    return f"{module}.{name}"


def _about(package: str) -> str:
    return ast.get_docstring(_module(f"isthmus.{package}")) or ""


@cache
def _module(name: str) -> ast.Module:
    place = ROOT.joinpath("src", *name.split("."))
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return ast.parse(file.read_text("utf-8"))
