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
import torch

import isthmus
from isthmus.discovery.rules import RULES

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLLOWS = re.compile(r"\s*```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@torch.library.custom_op("isthmus_tests::soft_cap", mutates_args=())
def soft_cap(x: torch.Tensor) -> torch.Tensor:
    """The operator that ARCHITECTURE.md teaches a rule for, under another name."""
    return 5 * torch.tanh(x / 5)


soft_cap.register_fake(torch.empty_like)


class Capped(torch.nn.Module):
    """A network around it."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = torch.nn.Linear(3, 5), torch.nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 3) to (n, 2)."""
        return self.down(soft_cap(self.up(x)))


def plain(printed: str) -> str:
    """Without the numbers of a document's own lines, which move."""
    lines = re.sub(r"(\w+\.md):\d+", r"\1:…", printed).strip().splitlines()
    return "\n".join(line.rstrip() for line in lines)


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "ARCHITECTURE.md",
        "docs/errata.md",
        "docs/merging.md",
        "docs/minima.md",
        "docs/paths.md",
        "docs/topology.md",
        "docs/training.md",
        "docs/transport.md",
    ],
)
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


def test_the_taught_rule_has_ten_lines_and_says_no_more_than_is_true(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rule that ARCHITECTURE.md teaches; and a rule that says less is refuted by `verify`."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    (taught,) = [b[2] for b in FENCE.finditer(text) if b[1] == "python" and "@rule(" in b[2]]
    lines = [line for line in taught.partition("found =")[0].splitlines() if line]
    assert len(lines) <= 10
    rule = "\n".join(lines).replace("architecture.soft_cap", "isthmus_tests.soft_cap")
    monkeypatch.setitem(RULES, "isthmus_tests.soft_cap", RULES["tanh"])  # taken out afterwards
    exec(compile(rule, "taught", "exec", dont_inherit=True), {})
    model = Capped()
    example = torch.ones(2, 3)
    right = isthmus.discover(model, example)
    assert str(right.spaces["up"].group) == "B(5)"
    assert isthmus.verify(right, model, example).verdict.name == "TESTED"
    loose = re.sub(r" +for axis in x\.axes:\n.*unscaled.*\n", "", rule)
    assert loose != rule
    exec(compile(loose, "loose", "exec", dont_inherit=True), {})
    wrong = isthmus.discover(model, example)
    assert str(wrong.spaces["up"].group) == "M(5)"
    certificate = isthmus.verify(wrong, model, example)
    assert certificate.verdict.name == "REFUTED"
    assert certificate.evidence["relative_error"] > 1e-3


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
