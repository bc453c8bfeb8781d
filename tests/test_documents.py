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
from isthmus.papers.methods import METHODS
from isthmus.testing.training import seeded

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))
DOCUMENTS = ["README.md", "ARCHITECTURE.md", *PAGES]
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


def text_of(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def script(name: str) -> types.ModuleType:
    """A script of docs/, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain(printed: str) -> str:
    """Without the numbers of a document's own lines, which move."""
    lines = re.sub(r"(\w+\.md):\d+", r"\1:…", printed).strip().splitlines()
    return "\n".join(line.rstrip() for line in lines)


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if "```python\n" in text_of(name)])
def test_code_runs_and_prints_what_is_shown(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = text_of(name)
    monkeypatch.chdir(tmp_path)
    for target in list(RULES):  # a document may add rules: afterwards there are none but ours
        monkeypatch.setitem(RULES, target, RULES[target])
    # Python shows lines of a document as it shows those of a file, wherever the tests run.
    known = (len(text), None, text.splitlines(keepends=True), name)
    monkeypatch.setitem(linecache.cache, name, known)
    before = set(RULES)
    module = types.ModuleType("document")  # dataclasses look their module up
    monkeypatch.setitem(sys.modules, "document", module)
    try:
        for block in FENCE.finditer(text):
            if block[1] != "python":
                continue
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
    model = seeded(Capped, 0)
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
    assert certificate.evidence["relative_error"] > 1e-6


def test_the_table_of_groups_is_what_discovery_finds() -> None:
    assert script("groups").table() in text_of("README.md"), (
        "the table is stale: put in what `python docs/groups.py` prints"
    )


def test_the_reference_of_the_command_line_is_fresh() -> None:
    assert script("commands").page() == text_of("docs/commands.md"), (
        "the page is stale: run `python docs/commands.py > docs/commands.md`"
    )


def test_every_method_has_its_row() -> None:
    text = text_of("docs/methods.md")
    missing = [one.name for one in METHODS if f"| **{one.name}**<br>" not in text]
    assert not missing, "run `isthmus reproduce methods`, then `python docs/methods.py reproduced`"
    assert "not run" not in text


def test_every_method_is_called_by_a_name_that_there_is() -> None:
    for one in METHODS:
        named = re.findall(r"isthmus\.(\w+)", one.call)
        assert named, one.name
        assert [name for name in named if not hasattr(isthmus, name)] == []


def test_a_row_of_methods_says_what_was_measured_and_how_it_stands() -> None:
    (method, *_) = METHODS
    checks = [{"standing": "passed"}, {"standing": "finding", "name": "a", "claim": "b"}]
    checks[1]["finding"] = "too small"
    name = method.experiment.name
    result = {"scale": "quick", "seed": 0, "checks": checks, "found": {"measured": "a | b"}}
    text = script("methods").page({name: [result]})
    (row,) = [line for line in text.splitlines() if line.startswith(f"| **{method.name}**")]
    assert row.endswith("| a / b (quick) | 1 passed, 1 finding |")
    assert f"* `{name}`, a: b. It does not: too small." in text
    assert "| not run |" in text
    again = [result, {**result, "seed": 1}, {**result, "seed": 2, "checks": checks[:1]}]
    text = script("methods").page({name: again})
    assert "| 1 passed, 1 finding (seeds 0, 1)<br>1 passed (seed 2) |" in text
    assert "It does not: too small (seeds 0, 1)." in text


def test_pictures_of_the_gallery_are_small() -> None:
    pictures = list((ROOT / "docs").glob("**/*.svg"))
    sizes = {picture.name: picture.stat().st_size for picture in pictures}
    assert max(sizes.values()) <= 120_000
    assert sum(sizes.values()) <= 1_500_000
    shown = re.findall(r"\]\(gallery/([^)]+)\)", text_of("docs/gallery.md"))
    assert sorted(shown) == sorted(one.name for one in pictures if one.parent.name == "gallery")


@pytest.mark.parametrize("name", [*DOCUMENTS, "CHANGELOG.md"])
def test_links_inside_the_repository_lead_somewhere(name: str) -> None:
    made = re.findall(r'"(\w+\.md)"', text_of("docs/hooks.py"))  # pages that the site adds
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)|src=\"([^\"]+)\"", text_of(name))
    for target in ("".join(pair) for pair in targets):
        if "://" not in target and target not in made:
            place = (ROOT / name).parent / target
            assert place.exists(), f"{name} points to {target}, which is not there"


def test_every_page_is_in_the_navigation() -> None:
    """`make docs` would say so too."""
    named = re.findall(r": (\S+\.md)$", text_of("mkdocs.yml"), re.MULTILINE)
    assert len(named) == len(set(named))
    missing = {page.removeprefix("docs/") for page in PAGES} - set(named)
    assert not missing, f"name {missing} in the nav of mkdocs.yml"
