"""Draw docs/barrier.svg: the loss between two Fashion-MNIST networks, before and after alignment.

Usage: ``python examples/train_fashion_mnist.py OUT``, then ``python docs/barrier_picture.py OUT``.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from isthmus.ground import load, params_of
from isthmus.report import Settings, barrier_svg, connect
from isthmus.testing.datasets import batches
from isthmus.testing.datasets import load as load_data

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "examples"))


def main() -> None:
    """Connect the pair on the test data and write the picture."""
    from models import mlp

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a.safetensors and b.safetensors")
    folder = parser.parse_args().folder
    model, data = mlp(), load_data("fashion-mnist")
    names = set(params_of(model))
    a, b = (load(folder / f"{name}.safetensors") for name in ("a", "b"))
    assert set(a) == set(b) == names, "train the pair with examples/train_fashion_mnist.py"
    connection = connect(
        model,
        a,
        b,
        example=data.x_test[:4],
        test=batches(data.x_test, data.y_test, 1000),
        settings=Settings(points=41),
    )
    target = HERE / "barrier.svg"
    target.write_text(standalone(barrier_svg(connection)) + "\n", encoding="utf-8")
    print(connection)
    print(f"wrote {target}")


def standalone(svg: str) -> str:
    """A picture with a ground of its own, readable on light and dark pages alike."""
    plain = re.sub(r"@media\(prefers-color-scheme:dark\)\{.*\}(?=</style>)", "", svg)
    return plain.replace("</style>", '</style><rect width="100%" height="100%" fill="#fbfaf7"/>')


if __name__ == "__main__":
    main()
