"""The documents tell the truth: their code runs, and prints what they say it prints.

All Python blocks of a document run in order and share one namespace, in a temporary folder. A
block of kind ``text`` right after a Python block is what that block prints.
"""

from __future__ import annotations

import importlib.util
import linecache
import re
import sys
import types
from pathlib import Path

import pytest

from isthmus.discovery.rules import RULES

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLLOWS = re.compile(r"\s*```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def plain(printed: str) -> str:
    """Without the numbers of a document's own lines, which move."""
    lines = re.sub(r"(\w+\.md):\d+", r"\1:…", printed).strip().splitlines()
    return "\n".join(line.rstrip() for line in lines)


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md"])
def test_code_runs_and_prints_what_is_shown(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for target in list(RULES):  # a document may add rules: afterwards there are none but ours
        monkeypatch.setitem(RULES, target, RULES[target])
    # Python shows lines of a document as it shows those of a file, wherever the tests run.
    known = (len(text), None, text.splitlines(keepends=True), name)
    monkeypatch.setitem(linecache.cache, name, known)
    before = set(RULES)
    module = types.ModuleType("document")  # dataclasses look their module up
    monkeypatch.setitem(sys.modules, "document", module)
    blocks = 0
    try:
        for block in FENCE.finditer(text):
            if block[1] != "python":
                continue
            blocks += 1
            # Empty lines above put every line where it is in the document, for tracebacks.
            code = "\n" * text.count("\n", 0, block.start(2)) + block[2]
            exec(compile(code, name, "exec", dont_inherit=True), module.__dict__)
            printed = capsys.readouterr().out
            shown = FOLLOWS.match(text, block.end())
            if shown is not None:
                assert plain(printed) == plain(shown[1])
    finally:
        for target in set(RULES) - before:
            del RULES[target]
    assert blocks, f"{name} has no Python blocks"


def test_the_table_of_groups_is_what_discovery_finds() -> None:
    spec = importlib.util.spec_from_file_location("groups", ROOT / "docs" / "groups.py")
    assert spec is not None
    assert spec.loader is not None
    groups = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(groups)
    assert groups.table() in (ROOT / "README.md").read_text(encoding="utf-8"), (
        "the table is stale: put in what `python docs/groups.py` prints"
    )


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"])
def test_links_inside_the_repository_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", text) if any(t)]
    for target in ("".join(pair) for pair in targets):
        if "://" not in target:
            assert (ROOT / target).exists(), f"{name} points to {target}, which is not there"
