"""What a user names on the command line, turned into objects: models, examples, data, outputs."""

from isthmus.cli.inputs.checkpoints import load_checkpoint
from isthmus.cli.inputs.data import load_data, thinned
from isthmus.cli.inputs.examples import Example, example_for, parse_example
from isthmus.cli.inputs.models import load_model
from isthmus.cli.inputs.outputs import claim
from isthmus.cli.inputs.provenance import provenance
from isthmus.cli.inputs.symmetries import load_checkpoints, load_symmetry, require_one

__all__ = [
    "Example",
    "claim",
    "example_for",
    "load_checkpoint",
    "load_checkpoints",
    "load_data",
    "load_model",
    "load_symmetry",
    "parse_example",
    "provenance",
    "require_one",
    "thinned",
]
