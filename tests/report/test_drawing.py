"""The drawing: well formed, self-contained, complete, and nothing lies on anything else."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import warnings
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

from isthmus.algebra import Rep, Space, Symmetry
from isthmus.algebra.groups import Permutation
from isthmus.discovery import discover, parameter_order
from isthmus.report import network_svg
from isthmus.report.drawing import colour
from isthmus.report.outline import Block, Outline, Row
from isthmus.testing.zoo import entry, zoo

SVG = "{http://www.w3.org/2000/svg}"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


def drawn(name: str) -> tuple[Symmetry, str]:
    one = entry(name)
    model = one.build()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        symmetry = discover(model, one.example(), gauge="asis")
        return symmetry, network_svg(symmetry, parameter_order(model, one.example()))


def titles(parts, count: int = 1) -> list[tuple[str, int]]:
    """Every row with how often it stands there."""
    out = []
    for part in parts:
        if isinstance(part, Row):
            out.append((part.title, count))
        else:
            out += titles(part.parts, count * part.count)
    return out


def test_the_residual_stream_is_one_lane_and_blocks_are_drawn_once():
    symmetry, svg = drawn("gpt_two_layers")
    outline = Outline.of(symmetry)
    assert titles(outline.parts) == [
        ("position", 1), ("token", 1), ("norm1", 2), ("attention.q", 2), ("attention.k", 2),
        ("attention.v", 2), ("attention.o", 2), ("norm2", 2), ("fc1", 2), ("fc2", 2), ("norm", 1),
        ("head", 1),
    ]  # fmt: skip
    (block,) = [part for part in outline.parts if isinstance(part, Block)]
    assert (block.title, block.count) == ("blocks.{0,1}", 2)
    assert outline.shown("blocks.1.attention.key") == "blocks.0.attention.key"
    text = "".join(ElementTree.fromstring(svg).itertext())
    assert "blocks.{0,1}  × 2" in text
    assert "2 × GL(3)" in text


def test_every_parameter_and_every_space_is_there():
    """Rows and their repetitions count up to all parameters that are not single numbers."""
    for one in zoo():
        if one.needs:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            symmetry = discover(one.build(), one.example())
        outline = Outline.of(symmetry)

        def count(parts, times: int = 1) -> int:
            return sum(
                times * len(part.names) if isinstance(part, Row)
                else count(part.parts, times * part.count)
                for part in parts
            )  # fmt: skip

        assert count(outline.parts) == sum(bool(rep.axes) for rep in symmetry.reps.values())
        svg = network_svg(symmetry)
        root = ElementTree.fromstring(svg)
        lanes = [line for line in root.iter(f"{SVG}line") if line.get("stroke-opacity")]
        assert len(lanes) == len({outline.shown(name) for name in symmetry.spaces})
        assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


class Chain(nn.Module):
    """Equal layers of a list in a chain, then another list beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 8)
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(5))
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 3) to (n, 2)."""
        x = torch.relu(self.stem(x))
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x)


def test_a_chain_of_equal_layers_is_one_row_that_the_next_reads():
    symmetry = discover(Chain(), torch.zeros(1, 3))
    outline = Outline.of(symmetry)
    assert titles(outline.parts) == [("stem", 1), ("layers.0", 1), ("", 4), ("head", 1)]
    # the first layer reads the stem, which has a name without a number; the others fold
    assert outline.shown("layers.4") == "layers.1"
    assert len(re.findall(r'stroke-opacity="\.85"', network_svg(symmetry))) == 3


def test_blocks_that_differ_are_not_folded():
    spaces = {f"b.{k}": Space(f"b.{k}", 4 + (k == 2), Permutation(4 + (k == 2))) for k in range(4)}
    reps = {f"b.{k}.weight": Rep.parse(f"b.{k} ⊗ 3", spaces) for k in range(4)}
    assert titles(Outline.of(Symmetry(spaces, reps)).parts) == [("", 2), ("b.2", 1), ("b.3", 1)]
    more = {**reps, "b.0.bias": Rep.parse("b.0", spaces)}
    assert titles(Outline.of(Symmetry(spaces, more)).parts)[0] == ("b.0", 1)


class Backwards(nn.Module):
    """Layers that are made in another order than they run."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.stem = nn.Linear(8, 2), nn.Linear(3, 8)
        self.idle = nn.Linear(2, 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 3) to (n, 2)."""
        return self.head(torch.relu(self.stem(x)))


def test_the_order_is_that_of_the_program():
    order = parameter_order(Backwards(), torch.zeros(1, 3))
    assert order == ["stem.weight", "stem.bias", "head.weight", "head.bias"]
    symmetry = discover(Backwards(), torch.zeros(1, 3))
    assert titles(Outline.of(symmetry).parts) == [("head", 1), ("stem", 1), ("idle", 1)]
    assert titles(Outline.of(symmetry, order).parts) == [("stem", 1), ("head", 1), ("idle", 1)]


def test_it_works_from_json_and_from_nothing():
    symmetry, _ = drawn("resnet20")
    again = Symmetry.from_json(json.loads(json.dumps(symmetry.to_json())))
    assert network_svg(again) == network_svg(symmetry)
    assert "none: nothing acts" in network_svg(Symmetry({}, {}))


def test_names_cannot_break_the_picture():
    bad = "</text><script>1</script>"
    spaces = {bad: Space(bad, 2, Permutation(2))}
    reps = {f"{bad}.weight": Rep.parse("3", {}), "w": Rep.of([])}
    svg = network_svg(Symmetry(spaces, reps))
    assert "<script>" not in svg
    ElementTree.fromstring(svg)


def test_colours_differ():
    assert len({colour(k) for k in range(60)}) == 60
    assert all(re.fullmatch("#[0-9a-f]{6}", colour(k)) for k in range(60))


LOOK = """<script>
const bad = [];
const meet = (b, c, x, y) => b.width && c.width && b.x < c.x + c.width - x &&
  c.x < b.x + b.width - x && b.y < c.y + c.height - y && c.y < b.y + b.height - y;
for (const svg of document.querySelectorAll("svg")) {
  const view = svg.viewBox.baseVal;
  const texts = [...svg.querySelectorAll("text")].map((t) => [t.textContent, t.getBBox()]);
  texts.forEach(([said, b], k) => {
    if (b.x < 0 || b.y < 0 || b.x + b.width > view.width || b.y + b.height > view.height)
      bad.push(`${svg.id}: ${said} is cut`);
    for (const [other, c] of texts.slice(k + 1))
      if (meet(b, c, 1, 2)) bad.push(`${svg.id}: ${said} lies on ${other}`);
    for (const shape of svg.querySelectorAll("circle, path, g rect"))
      if (meet(b, shape.getBBox(), 1, 3)) bad.push(`${svg.id}: ${said} lies on a line`);
  });
  const circles = [...svg.querySelectorAll("circle")];
  const dots = circles.map((c) => [c.cx.baseVal.value, c.cy.baseVal.value]);
  dots.forEach(([x, y], k) => {
    for (const [u, v] of dots.slice(k + 1))
      if (Math.hypot(x - u, y - v) < 8) bad.push(`${svg.id}: dots meet at ${x} ${y}`);
  });
}
document.body.dataset.bad = bad.join("; ") || "none";
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_nothing_lies_on_anything_and_nothing_is_cut(tmp_path: Path):
    names = ["mlp", "resnet20", "gpt_two_layers", "attention_fused_qkv", "densenet", "unet",
             "lstm_two_layers"]  # fmt: skip
    pictures = [drawn(name)[1].replace("<svg ", f'<svg id="{name}" ', 1) for name in names]
    file = tmp_path / "all.html"
    file.write_text(f"<!doctype html><meta charset=utf-8>{''.join(pictures)}{LOOK}", "utf-8")
    words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", file.as_uri()]  # fmt: skip
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'data-bad="([^"]*)"', ran.stdout)
    assert found is not None, ran.stderr[-2000:]
    assert html.unescape(found[1]) == "none"
