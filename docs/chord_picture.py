"""Draw docs/chord.svg: the printed chord bound (Zhao et al. 2025, Theorem 6.2) and its failure.

Two arcs of one circle share a chord and their curvature, so the printed bound is the same for both:
it holds for the short one and fails for the long one. Usage: ``python docs/chord_picture.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from isthmus.landscape import AbstractPath
from isthmus.landscape.bounds import chord_bound

HALF = math.pi / 6


@dataclass(frozen=True)
class Arc(AbstractPath):
    """From -30° to 30° above the vertical of the unit circle, the short way or the long one."""

    long: bool
    kind = "arc"

    def _at(self, t: float) -> dict[str, Tensor]:
        turn = 2 * HALF - 2 * math.pi * self.long
        angle = math.pi / 2 + HALF - t * turn
        return {"x": torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)}


def main() -> None:
    """Check both arcs and write the picture."""
    printed = 1 - math.cos(HALF)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" font-family="sans-serif">'
    ]
    for column, long in enumerate((False, True)):
        found = chord_bound(Arc(long)).evidence
        points = [Arc(long)(k / 200)["x"].tolist() for k in range(201)]
        left = 160 + 320 * column
        line = " ".join(f"{left + 100 * x:.1f},{150 - 100 * y:.1f}" for x, y in points)
        y = 150 - 100 * math.cos(HALF)
        half = 100 * math.sin(HALF)
        words = [
            "the long way" if long else "the short way",
            f"printed bound {printed:.3f}, measured {found['measured']:.3f}",
            "curvature bounds it" if found["valid"] else "hypothesis fails: only d/2 holds",
        ]
        parts += [
            f'<polyline points="{line}" fill="none" stroke="#2a6fb0" stroke-width="2.5"/>',
            f'<path d="M{left - half},{y:.1f} h{2 * half}" stroke="#c0392b" stroke-width="2"/>',
        ]
        parts += [
            f'<text x="{left}" y="{262 + 16 * k if k else 24}" text-anchor="middle" '
            f'font-size="13">{text}</text>'
            for k, text in enumerate(words)
        ]
    Path(__file__).with_name("chord.svg").write_text("\n".join([*parts, "</svg>\n"]))


if __name__ == "__main__":
    main()
