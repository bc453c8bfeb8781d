"""The canvas: scales with round values, drawings as SVG and as PNG."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground import MissingExtra
from isthmus.report.canvas import (
    COMPONENTS,
    Area,
    Dot,
    Drawing,
    Line,
    Pixels,
    Scale,
    Words,
    component_colour,
    drawing_png,
    drawing_svg,
    number,
    png,
    rgb,
    themed,
)

FINITE = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(st.lists(FINITE, max_size=5), st.integers(3, 9))
def test_a_scale_holds_its_values_and_its_ticks(values, most):
    scale = Scale.over([*values, math.inf], 300.0, 20.0)
    assert scale.low < scale.high
    assert all(scale.low <= value <= scale.high for value in values)
    ticks = scale.ticks(most)
    assert 0 < len(ticks) <= most + 1
    places = [scale(tick) for tick in ticks]
    assert places == sorted(places, reverse=True)
    assert all(20 <= place <= 300 for place in places)
    assert scale(math.inf) == 20
    assert scale(-math.inf) == 300


def test_losses_over_many_powers_of_ten_get_logarithms():
    scale = Scale.over([1e-4, 2.0], 0.0, 100.0)
    assert scale.logarithmic
    steps = np.diff([scale(10.0**power) for power in (-4, -3, -2, -1, 0)])
    assert np.allclose(steps, steps[0])
    assert scale.ticks() == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert scale(0.0) == 0.0
    assert not Scale.over([0.0, 2.0], 0, 100).logarithmic
    assert not Scale.over([1e-4, 2.0], 0, 100, logarithms=False).logarithmic


@given(st.floats(1e-12, 1e12), st.floats(1.01, 1e12), st.integers(3, 9))
def test_logarithmic_ticks_are_round_inside_and_few(low, factor, most):
    scale = Scale(low, low * factor, 0.0, 1.0, True)
    ticks = scale.ticks(most)
    assert 1 <= len(ticks) <= most + 1
    assert all(low * (1 - 1e-9) <= tick <= scale.high * (1 + 1e-9) for tick in ticks)
    assert ticks == sorted(set(ticks))
    assert Scale(1.0, 10.0, 0.0, 1.0, True).ticks() == pytest.approx([1, 2, 5, 10])


def test_numbers_are_short_and_zero_has_no_sign():
    assert [number(value) for value in (-0.0, -1.5, 0.123456, 1e-9)] == [
        "0", "−1.5", "0.123", "1e−09",
    ]  # fmt: skip


def test_colours_differ_also_in_brightness_and_go_on_in_grey():
    tones = [rgb(component_colour(k)) for k in range(len(COMPONENTS))]
    assert len(set(tones)) == len(COMPONENTS)
    first = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in tones[:2]]
    assert abs(first[0] - first[1]) > 50
    assert component_colour(len(COMPONENTS)) == component_colour(99)


def test_rules_are_written_for_light_pages_and_for_dark_ones():
    assert themed(".a{fill:$ink}") == (
        ".a{fill:#1b2430}@media(prefers-color-scheme:dark){.a{fill:#e8e6df}}"
    )
    with pytest.raises(KeyError):
        themed("$no_such_tone")


def drawing(words="<a> & W₁"):
    pixels = np.array([[[255, 0, 0], [0, 255, 0]]], dtype=np.uint8)
    clear = np.zeros((1, 1, 4), dtype=np.uint8)
    shapes = (
        Pixels(10, 10, 40, 20, pixels),
        Pixels(0, 0, 100, 80, clear, smooth=True),
        Area([(60, 10), (90, 10), (90, 30)], "#0072b2", tip="<tip>"),
        Line([(10, 60), (90, 60)], "ink", 4),
        Line([(10, 70), (90, 70)], "soft", 1, dash=3.0),
        Dot(20, 45, 5, "#d55e00"),
        Words(50, 50, words, halo=True),
        Words(95, 40, "up", upwards=True, bold=True),
    )
    return Drawing("A <title>", 100, 80, shapes)


def test_a_drawing_is_well_formed_svg(parsed):
    elements = parsed(drawing_svg(drawing()))
    words = [text for tag, _, text in elements if tag == "text"]
    assert words == ["<a> & W₁", "up"]
    assert [text for tag, _, text in elements if tag == "title"] == ["A <title>", "<tip>"]
    [turned] = [given for tag, given, text in elements if text == "up"]
    assert turned["transform"] == "rotate(-90 95.0 40.0)"
    # The first is shown as squares, the other blended; both are data, not links.
    first, other = (given for tag, given, _ in elements if tag == "image")
    assert "pixelated" in first["style"]
    assert "style" not in other
    assert first["href"].startswith("data:image/png;base64,")


def test_a_drawing_as_png_holds_the_same_shapes(image):
    seen = image(drawing_png(drawing(), scale=2))
    assert seen.shape == (160, 200, 3)
    assert tuple(seen[40, 40]) == (255, 0, 0)
    assert tuple(seen[40, 80]) == (0, 255, 0)
    assert tuple(seen[24, 176]) == rgb("#0072b2")
    assert tuple(seen[120, 100]) == rgb("ink")
    assert tuple(seen[90, 40]) == rgb("#d55e00")
    assert tuple(seen[2, 2]) == (255, 255, 255)
    dashes = (seen[140, 22:178] < 200).all(axis=1)
    assert 0.3 < dashes.mean() < 0.7
    letters = (seen[78:104, 100:190] < 60).all(axis=2).sum()
    assert letters > 50
    assert drawing_png(drawing()) == drawing_png(drawing())


def test_pixels_with_opacity_are_png_too(image):
    pixels = (np.arange(3 * 5 * 4) * 4 % 251).astype(np.uint8).reshape(3, 5, 4)
    assert (image(png(pixels)) == pixels).all()


def test_words_stand_where_their_anchor_says(image):
    def inked(y=40, **words):
        shapes = (Words(50, y, "HHH", size=20, **words),)
        rows, columns = np.nonzero(
            (image(drawing_png(Drawing("", 100, 80, shapes), 1)) < 100).all(axis=2)
        )
        return rows.min(), rows.max(), columns.min(), columns.max()

    _, foot, left, right = inked()
    assert (foot - 40, left - 50) == pytest.approx((0, 2), abs=3.5)
    assert inked(anchor="end")[3] == pytest.approx(50, abs=3.5)
    middle = inked(anchor="middle")
    assert (middle[2] + middle[3]) / 2 == pytest.approx(50, abs=2)
    turned = inked(y=70, upwards=True)
    assert turned[1] == pytest.approx(70, abs=3.5)  # upwards from the anchor,
    assert turned[3] == pytest.approx(50, abs=3.5)  # letters lie with their feet to the right
    assert turned[1] - turned[0] == pytest.approx(right - left, abs=2)


def test_without_pillow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r"needs Pillow.*isthmus\[report\]"):
        drawing_png(drawing())
