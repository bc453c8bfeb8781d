"""What a user names on the command line, turned into objects: models, examples, data, outputs."""

from isthmus.cli.inputs.architecture import load_with_symmetry
from isthmus.cli.inputs.checkpoints import load_checkpoint, names_of
from isthmus.cli.inputs.data import load_data, thinned
from isthmus.cli.inputs.examples import Example, example_for, parse_example, placed
from isthmus.cli.inputs.models import Named, load, load_model
from isthmus.cli.inputs.outputs import CHECKPOINT, claim
from isthmus.cli.inputs.provenance import provenance

__all__ = [
    "CHECKPOINT",
    "Example",
    "Named",
    "claim",
    "example_for",
    "load",
    "load_checkpoint",
    "load_data",
    "load_model",
    "load_with_symmetry",
    "names_of",
    "parse_example",
    "placed",
    "provenance",
    "thinned",
]
