"""Gauge: redundant coordinates are taken out of a program before it is typed.

Each pass rewrites the program and notes a step of the chart (`isthmus.algebra.charts`): with the
parameters changed by the step, the rewritten program computes what the old one did.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from isthmus.algebra.charts import Step
from isthmus.discovery.gauge.graphs.free import Free as Free
from isthmus.discovery.gauge.graphs.free import Move as Move
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.idioms.asked import answered
from isthmus.discovery.gauge.idioms.fixed import read_fixed
from isthmus.discovery.gauge.idioms.norms import expand_norms
from isthmus.discovery.gauge.idioms.offsets import fold_offsets
from isthmus.discovery.gauge.idioms.rotary import find_rotations
from isthmus.discovery.gauge.idioms.squares import gather_squares
from isthmus.discovery.gauge.idioms.written import gather_norms
from isthmus.discovery.gauge.passes.gains import fold_gains
from isthmus.discovery.gauge.passes.levels import free_levels
from isthmus.discovery.gauge.passes.means import centre
from isthmus.discovery.gauge.passes.readouts import fold_readouts
from isthmus.discovery.gauge.passes.shears import fold_shears
from isthmus.discovery.gauge.passes.shifts import fold_shifts
from isthmus.discovery.gauge.passes.sizes import fold_sizes
from isthmus.discovery.gauge.passes.taps import tap
from isthmus.discovery.gauge.passes.uniform import fold_uniform
from isthmus.discovery.gauge.passes.waves import fold_waves, wrap_waves
from isthmus.discovery.program import Program


@dataclass(frozen=True)
class Gauge:
    """A program in the gauge in which the largest group acts.

    Attributes:
        program: rewritten; its parameters are the essential ones.
        steps: lead from the parameters of the original to these.
        free: coordinates that it does not read.
        gone: parameters that have become coordinates of other names.
    """

    program: Program
    steps: tuple[Step, ...]
    free: Mapping[str, Free]
    gone: frozenset[str]


def fold(program: Program) -> Gauge:
    """Take out of a program what it need not read."""
    with _computing():
        graph = Graph(answered(program))
        read_fixed(graph)
        find_rotations(graph)
        fold_offsets(graph)
        gather_norms(graph)
        gather_squares(graph)
        expand_norms(graph)
        fold_shifts(graph)
        fold_readouts(graph)
        fold_gains(graph)
        fold_waves(graph)
        fold_shifts(graph)  # some were held up by gains
        centre(graph)
        tap(graph)  # of what the mean is by now
        fold_shears(graph)
        fold_uniform(graph)  # of what the mean is by now
        fold_sizes(graph)
        free_levels(graph)
        wrap_waves(graph)
    return Gauge(graph.finished(), tuple(graph.steps), graph.free, frozenset(graph.gone))


def _computing() -> AbstractContextManager[object]:
    """Labels and constants are computed, also those of a model that is built without weights."""
    computes = torch.get_default_device().type == "cpu"
    return nullcontext() if computes else torch.device("cpu")  # a device context slows every call
