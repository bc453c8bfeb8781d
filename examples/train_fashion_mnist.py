"""Train two Fashion-MNIST networks from different seeds: the inputs of ``isthmus connect``.

Usage: ``python examples/train_fashion_mnist.py OUT``, then ``isthmus connect OUT/a.safetensors
OUT/b.safetensors --model examples/models.py:mlp --data fashion-mnist -o OUT/report``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from models import mlp

from isthmus.ground import params_of, refuse_existing, save
from isthmus.testing.datasets import load
from isthmus.testing.training import accuracy, seeded, train


def main() -> None:
    """Train, save and report the test accuracies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for a.safetensors and b.safetensors")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--force", action="store_true", help="replace existing files")
    options = parser.parse_args()
    targets = [options.out / f"{name}.safetensors" for name in ("a", "b")]
    for target in targets:
        refuse_existing(target, options.force)
    data = load("fashion-mnist")
    for seed, target in enumerate(targets):

        def report(epoch: int, loss: float, target: Path = target) -> None:
            print(f"{target.name}: epoch {epoch}, training loss {loss:.4f}", file=sys.stderr)

        model = train(
            seeded(mlp, seed),
            data.x_train,
            data.y_train,
            epochs=options.epochs,
            batch=500,
            lr=1e-3,
            seed=seed,
            after_epoch=report,
        )
        save(params_of(model), target, force=options.force)
        print(f"{target}: test accuracy {accuracy(model, data.x_test, data.y_test):.4f}")


if __name__ == "__main__":
    main()
