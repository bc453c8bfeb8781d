"""layer_distances: two models of one architecture, compared as measures, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.data.metric import Metric
from isthmus.alignment.forms.canonical import Form, canonical
from isthmus.alignment.matcher import Matcher
from isthmus.ground import double
from isthmus.ground.errors import BadInput
from isthmus.transport.dimension.effective import effective_dimension
from isthmus.transport.dimension.intrinsic import intrinsic_dimension
from isthmus.transport.estimate import Estimate
from isthmus.transport.fits import dyadic, fit_rate, halves
from isthmus.transport.layers.layer import Dimensions, LayerTransport
from isthmus.transport.layers.measuring import Measuring, OnData
from isthmus.transport.layers.met import Met, met_by_alignment, met_by_plans
from isthmus.transport.layers.tables import LayerDistances
from isthmus.transport.measures.activations import activations
from isthmus.transport.measures.blocks import holds_blocks
from isthmus.transport.measures.measure import Measure
from isthmus.transport.measures.moments import second_moments
from isthmus.transport.measures.neurons import neurons, unit_spaces

FEWEST = 32
"""Different units of which a dimension or a rate is measured, at least."""

MEASURING = Measuring()


def layer_distances(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    *,
    symmetry: Symmetry,
    other: Symmetry | None = None,
    measuring: Measuring = MEASURING,
    data: OnData | None = None,
    method: Matcher | None = None,
    seed: int = 0,
) -> LayerDistances:
    """W_1 and W_2 between the layers of two models, with dimensions and rates of the first.

    Both are brought to the form first. Before: the atoms as they then are, whose coordinates are
    those of each model's own order. After: with ``b`` aligned to ``a`` by permutations, signs and
    rotations, which change no length; W_2² of a layer is then the mean square distance of its units
    at the best matching that leaves the layers around as they are (Birkhoff; mathematics.md 2.1).

    Models of different widths have no alignment. There units are compared by incoming weights and
    bias, layer after layer, what reads a layer being carried by the plan found for it, as in
    `TransportFusion`.

    Args:
        a: a model.
        b: another one of its architecture.
        symmetry: of ``a``, and of ``b`` if it is equally wide.
        other: that of ``b`` if it is not, discovered in the same way.
        measuring: how.
        data: on which dimensions, and distances if asked for, are measured: at ``a``.
        method: finds the alignment; `WeightMatching` if not given.
        seed: of alignment and samples.

    Raises:
        BadInput: nothing in the models is permuted; or widths differ, and something other than
            incoming weights and biases is asked for.
        UnknownName, ShapeMismatch: parameters are not those of their symmetry.
        NotFinite: a parameter holds NaN or infinity.
        MissingExtra: exact plans between different widths need POT.
    """
    if not unit_spaces(symmetry):
        raise BadInput("nothing is permuted in this model", "it has no layers of units to compare")
    one = _formed(a, symmetry, measuring.form)
    two = _formed(b, other or symmetry, measuring.form)
    seen = _Seen.of(data, _like(one, a), symmetry)
    metrics = seen.metrics if data is not None and data.weighted else ()
    if other is None:
        found, words = met_by_alignment((one, two), symmetry, measuring, metrics, method, seed)
    else:
        found, words = met_by_plans((one, two), (symmetry, other), measuring, metrics)
    layers = tuple(
        _layer(name, met, (one, symmetry), measuring, (seen, metrics), seed)
        for name, met in found.items()
    )
    metric = "in the metric of the data" if metrics else "in the metric of the weights"
    return LayerDistances(layers, metric, words)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a model shows on data; nothing where there are none."""

    metrics: Sequence[Metric] = ()
    activations: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, data: OnData | None, params: Params, symmetry: Symmetry) -> _Seen:
        """Run the model."""
        if data is None:
            return cls()
        given = (data.model, data.batches, params, symmetry)
        return cls(second_moments(*given), activations(*given))


def _layer(
    name: str,
    met: Met,
    of: tuple[Params, Symmetry],
    measuring: Measuring,
    on: tuple[_Seen, Sequence[Metric]],
    seed: int,
) -> LayerTransport:
    """One layer, with the dimensions and the rate of the first model's units."""
    seen, metrics = on
    measure = neurons(*of, name, parts=measuring.parts, metrics=metrics)
    length = float(measure.atoms.square().sum(1).mean().sqrt())
    different = measure.distinct()
    dimensions, fit = Dimensions(), None
    if len(different) >= FEWEST and not holds_blocks(of[1], name):
        dimensions = _dimensions(name, of, different, measuring, seen)
        if measuring.repetitions:
            fit = fit_rate(
                halves(different),
                dyadic(len(different)),
                repetitions=measuring.repetitions,
                solver=measuring.solver,
                seed=seed,
                level=measuring.level,
            )
    return LayerTransport(
        name, met.after[0].sizes, length, met.before, met.after, met.matched, dimensions, fit
    )


def _dimensions(
    name: str, of: tuple[Params, Symmetry], measure: Measure, measuring: Measuring, seen: _Seen
) -> Dimensions:
    """Effective ones without biases, as the paper has them; the intrinsic one of a measure."""
    parts, level = replace(measuring.parts, bias=False), measuring.level

    def effective(metrics: Sequence[Metric]) -> Estimate:
        return effective_dimension(
            neurons(*of, name, parts=parts, metrics=metrics).atoms, level=level
        )

    shown = seen.activations.get(name)
    return Dimensions(
        effective(()),
        effective(seen.metrics) if seen.metrics else None,
        None if shown is None else effective_dimension(shown, level=level),
        intrinsic_dimension(measure, measuring.estimator, level),
    )


def _formed(params: Mapping[str, Tensor], symmetry: Symmetry, form: Form | None) -> Params:
    """A model in float64, with units of the form's length in the order that they have."""
    wide = double(params)
    return wide if form is None else canonical(wide, symmetry, form, ordered=False)


def _like(params: Params, given: Mapping[str, Tensor]) -> Params:
    return {name: tensor.to(given[name].dtype) for name, tensor in params.items()}
