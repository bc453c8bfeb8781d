"""Atomic writes: whole or nothing, and nothing overwritten unasked."""

import errno
import os
import re

import pytest

from isthmus.ground import CannotWrite, OutputExists, atomic_write, refuse_existing


def says(text):
    return "^" + re.escape(text) + "$"


@pytest.mark.parametrize(
    ("content", "expected"),
    [("‖a − b‖\n", "‖a − b‖\n"), (b"x", "x"), (lambda path: path.write_text("y"), "y")],
)
def test_contents(tmp_path, content, expected):
    atomic_write(tmp_path / "new" / "folder" / "out", content)
    assert (tmp_path / "new" / "folder" / "out").read_text(encoding="utf-8") == expected
    assert os.listdir(tmp_path / "new" / "folder") == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError, MemoryError])
def test_any_failure_leaves_the_old_state(tmp_path, error):
    def half(path):
        path.write_text("half")
        raise error

    with pytest.raises(error):
        atomic_write(tmp_path / "out", half)
    assert os.listdir(tmp_path) == []
    atomic_write(tmp_path / "out", "old")
    with pytest.raises(error):
        atomic_write(tmp_path / "out", half)
    assert (tmp_path / "out").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_interrupt_before_the_last_step(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "out", "text")
    assert os.listdir(tmp_path) == []


def test_synced_before_it_takes_its_place(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda d: (events.append("fsync"), fsync(d)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("replace"), replace(a, b)))
    atomic_write(tmp_path / "out", "text")
    assert events == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("below", ["file/out", "file/deeper/out"])
def test_below_a_regular_file(tmp_path, below):
    (tmp_path / "file").touch()
    text = (
        f"cannot write {tmp_path}/{below}: a part of its folder's path is a file; "
        "choose another folder"
    )
    with pytest.raises(CannotWrite, match=says(text)):
        atomic_write(tmp_path / below, "text")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "choose an output that you may write"),
        (errno.EROFS, "choose an output that you may write"),
        (errno.ENOSPC, "free some space or choose another disk"),
    ],
)
def test_what_the_system_refuses(tmp_path, number, remedy):
    def refused(path):
        path.write_text("half")
        raise OSError(number, os.strerror(number))

    text = f"cannot write {tmp_path}/out: {os.strerror(number)}; {remedy}"
    with pytest.raises(CannotWrite, match=says(text)):
        atomic_write(tmp_path / "out", refused)
    assert os.listdir(tmp_path) == []


def test_unwritable_folder(tmp_path, monkeypatch):
    def refused(self, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.touch", refused)
    text = f"cannot write {tmp_path}/out: Permission denied; choose an output that you may write"
    with pytest.raises(CannotWrite, match=says(text)):
        atomic_write(tmp_path / "out", "text")


def test_folders_and_devices_are_not_replaced(tmp_path):
    with pytest.raises(CannotWrite, match="it is a folder; choose another output"):
        atomic_write(tmp_path, "text")
    with pytest.raises(CannotWrite, match="it is not a regular file; choose another output"):
        atomic_write(os.devnull, "text")


def test_refuse_existing(tmp_path):
    out = tmp_path / "out"
    refuse_existing(out)
    out.mkdir()
    refuse_existing(out)
    (out / "file").touch()
    for path in (out, out / "file"):
        text = f"{path} exists already; choose another output, or allow it with force (--force)"
        with pytest.raises(OutputExists, match=says(text)):
            refuse_existing(path)
        refuse_existing(path, force=True)


def test_refuse_an_input_even_with_force(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    text = (
        f"{tmp_path}/link is also an input ({tmp_path}/a); "
        "choose another output; an input is never overwritten"
    )
    with pytest.raises(OutputExists, match=says(text)):
        refuse_existing(tmp_path / "link", force=True, inputs=[tmp_path / "a"])
