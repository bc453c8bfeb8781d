"""The bench on which papers are reproduced: experiments, their steps, checks and folders."""

from isthmus.papers.bench.bench import Bench, Tell, silent
from isthmus.papers.bench.checks import Check, Standing
from isthmus.papers.bench.experiment import Experiment, Scale
from isthmus.papers.bench.findings import Findings
from isthmus.papers.bench.parts import each

__all__ = [
    "Bench",
    "Check",
    "Experiment",
    "Findings",
    "Scale",
    "Standing",
    "Tell",
    "each",
    "silent",
]
