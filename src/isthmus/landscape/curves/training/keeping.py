"""Keeper: the state of a training in a file, so that it can go on after an interruption."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch

from isthmus.ground import BadCheckpoint, BadInput, atomic_write
from isthmus.ground.writing import StrPath
from isthmus.landscape.curves.training.points import ControlPoints


class Keeper:
    """Keeps the state of a training, and gives it back to the same training only.

    Args:
        file: Where; None keeps nothing.
        points: What is trained: with the words, they tell one training from another.
        words: All else that must be the same when a training goes on.
    """

    def __init__(self, file: StrPath | None, points: ControlPoints, words: str) -> None:
        self.file = None if file is None else Path(file)
        if self.file is not None:
            names = f"{words} {points.trained} {points.parameters} {list(points.parts)}"
            digest = hashlib.sha256(names.encode())
            digest.update(points.matrix.cpu().numpy().data)
            self.digest = digest.hexdigest()

    def load(self) -> dict[str, Any] | None:
        """The state that was kept; None where there is none.

        Raises:
            BadCheckpoint: The file is not readable.
            BadInput: It holds another training.
        """
        if self.file is None or not self.file.exists():
            return None
        try:
            kept = torch.load(self.file, map_location="cpu", weights_only=True)
        except MemoryError:
            raise
        except Exception as error:  # a damaged file makes torch.load raise nearly anything
            raise BadCheckpoint(
                f"{self.file}: not the state of a training ({type(error).__name__})",
                "delete it to begin anew",
            ) from error
        if not isinstance(kept, dict) or kept.pop("digest", "") != self.digest:
            raise BadInput(
                f"{self.file} holds the state of another training",
                "delete it, or give the path, the steps and all options that it was made with",
            )
        return kept

    def save(self, state: dict[str, Any]) -> None:
        """Keep ``state``, whole or not at all.

        Raises:
            CannotWrite: The system refuses.
        """
        if self.file is not None:
            whole = {"digest": self.digest, **state}
            atomic_write(self.file, lambda place: torch.save(whole, place))
