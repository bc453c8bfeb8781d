"""Text as a data set: windows of characters; tinyshakespeare, and sentences made here."""

from __future__ import annotations

import random

import torch

from isthmus.testing.datasets.dataset import Dataset
from isthmus.testing.datasets.sources import fetch

WINDOW = 64
"""Characters in one sample."""

_SENTENCES = 2000
_WHO = ("The king", "A poor man", "My lord", "The night", "Our brother", "No soldier", "She", "He")
_DOES = ("hears", "loves", "follows", "forgets", "will find", "cannot hold", "has seen", "fears")
_WHOM = ("the crown", "a friend", "his sword", "this house", "her voice", "the sea", "an old song")
_WHEN = ("at dawn", "in Rome", "for ever", "with joy", "by the gate", "till death", "alone")


def load_tinyshakespeare() -> Dataset:
    """The published text."""
    return windows("tinyshakespeare", "md5 checked", fetch("tinyshakespeare", "input.txt"))


def load_sentences() -> Dataset:
    """Short sentences, always the same: a text that needs neither a file nor a network."""
    draw = random.Random(0).choice
    lines = (
        f"{draw(_WHO)} {draw(_DOES)} {draw(_WHOM)} {draw(_WHEN)}.\n" for _ in range(_SENTENCES)
    )
    return windows("sentences", f"{_SENTENCES:,}, made here", "".join(lines).encode("ascii"))


def windows(name: str, version: str, raw: bytes) -> Dataset:
    """ASCII text cut into windows, whose targets are the next characters."""
    text = raw.decode("ascii")
    characters = tuple(sorted(set(text)))
    place = {character: index for index, character in enumerate(characters)}
    ids = torch.tensor([place[character] for character in text])
    count = (len(ids) - 1) // WINDOW
    x = ids[: count * WINDOW].view(count, WINDOW)
    y = ids[1 : count * WINDOW + 1].view(count, WINDOW)
    cut = count * 9 // 10
    version = f"{version}; windows of {WINDOW} characters, the last tenth is test data"
    return Dataset(name, version, x[:cut], y[:cut], x[cut:], y[cut:], characters)
