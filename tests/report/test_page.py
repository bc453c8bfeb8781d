"""The report: one file, complete, honest, and silent in a browser without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from isthmus.algebra import Symmetry
from isthmus.ground import Certificate, OutputExists, Verdict
from isthmus.report import barrier_svg, headline, page, write_folder

pytest.importorskip("plotly", reason="the report needs the extra isthmus[report]")
pytest.importorskip("jinja2", reason="the report needs the extra isthmus[report]")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=5000",
]


@pytest.fixture(scope="module")
def html(connection) -> str:
    return page(connection)


def without_plotly(html: str) -> str:
    """The page without the inlined library, which is full of addresses it never visits."""
    return re.sub(r"<script>(?=.{100000}).*?</script>\s*(?=<script>)", "", html, flags=re.S)


def test_the_page_has_every_section(html, connection):
    sections = ("barriers", "merged", "next", "distances", "symmetry", "home", "certificates")
    for name in sections:
        assert f'<section id="{name}">' in html
    assert headline(connection) in html
    assert "prefers-color-scheme: dark" in html
    assert "isthmus connect a b" in html


def test_the_page_asks_for_nothing(html):
    own = without_plotly(html)
    assert len(own) < 200_000
    addresses = set(re.findall(r"""(?:src|href)=["']([^"']+)|url\(([^)]+)\)|@import""", own))
    assert addresses == {("data:,", "")}
    assert "https:" not in own
    assert "http:" not in own.replace("http://www.w3.org/2000/svg", "")


def test_names_cannot_break_the_page(connection):
    hostile = "</script><b onload=1>"
    symmetry = replace(connection.symmetry, warnings=(hostile,))
    assert isinstance(symmetry, Symmetry)
    told = replace(
        connection,
        symmetry=symmetry,
        jumps={hostile: "moves 2 of 3 units"},
        certificates={"x": Certificate(hostile, Verdict.REFUTED)},
    )
    assert hostile not in page(told)


def test_the_picture_is_well_formed(connection):
    root = ElementTree.fromstring(barrier_svg(connection))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root.findall("{http://www.w3.org/2000/svg}path")) >= 3


def test_the_folder_is_never_overwritten_unasked(connection, tmp_path):
    folder = write_folder(connection, tmp_path / "out")
    with pytest.raises(OutputExists, match="exists already"):
        write_folder(connection, folder)
    with pytest.raises(OutputExists, match="is also an input"):
        write_folder(connection, folder, force=True, inputs=[folder / "aligned.safetensors"])
    (folder / "notes.txt").write_text("mine")
    write_folder(connection, folder, force=True)
    assert (folder / "notes.txt").read_text() == "mine"
    assert not [path for path in tmp_path.iterdir() if path != folder]


def browse(file: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Open a page in a browser of its own."""
    assert CHROMIUM is not None
    words = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", *more, file.as_uri()]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


COUNT = """<script>document.documentElement.dataset.requests = performance
.getEntriesByType("resource").filter((entry) => !entry.name.startsWith("data:")).length;</script>
</body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_draws_without_errors_or_requests(html, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(html.replace("</body>", COUNT), encoding="utf-8")
    ran = browse(file, tmp_path, "--dump-dom")
    assert 'data-drawn="yes"' in ran.stdout, ran.stderr[-2000:]
    assert ran.stdout.count('class="main-svg"') >= 2
    assert 'data-requests="0"' in ran.stdout
    # The page's own policy forbids every request, and the console would name one that was tried.
    assert [line for line in ran.stderr.splitlines() if "CONSOLE" in line] == []


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_an_error_in_the_page_would_be_seen(html, tmp_path):
    file = tmp_path / "report.html"
    spoilt = html.replace("</body>", "<script>fetch('https://example.org')</script></body>")
    file.write_text(spoilt, encoding="utf-8")
    ran = browse(file, tmp_path, "--dump-dom")
    assert "Content Security Policy" in ran.stderr
