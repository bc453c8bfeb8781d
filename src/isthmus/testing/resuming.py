"""The state of a training in a file, so that it goes on after an interrupt as if there was none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from isthmus.ground.errors import BadCheckpoint, BadInput
from isthmus.ground.writing import atomic_write


@dataclass(frozen=True)
class Resumption:
    """Where a training is kept, and what tells it from all others.

    Args:
        file: The file.
        words: All options of the training.
        model: As it is before the first step.
    """

    file: Path
    digest: str

    @classmethod
    def of(cls, file: Path, words: str, model: nn.Module) -> Resumption:
        """Of the training that these options and first weights begin."""
        digest = hashlib.sha256(words.encode())
        for name, tensor in model.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return cls(file, digest.hexdigest())

    def load(
        self, model: nn.Module, optimiser: torch.optim.Optimizer, order: torch.Generator
    ) -> int:
        """Put everything where it was; returns the epochs that are done, 0 where nothing is kept.

        Raises:
            BadCheckpoint: The file is not readable.
            BadInput: It holds another training.
        """
        if not self.file.exists():
            return 0
        try:
            kept: dict[str, Any] = torch.load(self.file, map_location="cpu", weights_only=True)
            digest = kept["digest"]
        except MemoryError:
            raise
        except Exception as error:  # a damaged file makes torch.load raise nearly anything
            raise BadCheckpoint(
                f"{self.file}: not the state of a training ({type(error).__name__})",
                "delete it to begin anew",
            ) from error
        if digest != self.digest:
            raise BadInput(
                f"{self.file} holds the state of another training",
                "delete it, or train with the options that it was made with",
            )
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        order.set_state(kept["order"])
        torch.set_rng_state(kept["random"])
        return int(kept["epoch"])

    def save(
        self, epoch: int, model: nn.Module, optimiser: torch.optim.Optimizer, order: torch.Generator
    ) -> None:
        """Keep everything after an epoch, whole or not at all.

        Raises:
            CannotWrite: The system refuses.
        """
        state = {
            "digest": self.digest,
            "epoch": epoch,
            "model": model.state_dict(),
            "optimiser": optimiser.state_dict(),
            "order": order.get_state(),
            "random": torch.get_rng_state(),
        }
        atomic_write(self.file, lambda place: torch.save(state, place))
