"""Moves of units lose nothing where they say so, on every kind of model with units."""

from __future__ import annotations

import warnings

import pytest
import torch

from isthmus import discover, params_of
from isthmus.algebra import Element
from isthmus.algebra.groups import Moves
from isthmus.ground import BadInput, distance, norm
from isthmus.landscape import Line, Loss
from isthmus.landscape.constructive import (
    Units,
    merge_copies,
    null_units,
    permute,
    replicate,
    rescale_path,
    swap,
)
from isthmus.testing.zoo import as_dtype, entry, randomise

MODELS = ["mlp", "mlp_gelu", "vgg", "lstm_classifier", "gpt", "gated_swiglu"]


class Case:
    """A model of the zoo in float64, a space of it, and its outputs."""

    def __init__(self, name: str) -> None:
        one = entry(name)
        self.model = randomise(one.build(), seed=0).double().eval()
        self.example = as_dtype(one.example(), torch.float64)
        with warnings.catch_warnings(action="ignore"):
            self.symmetry = discover(self.model, self.example)
        self.params = params_of(self.model)
        self.space = next((n for n in self.symmetry.spaces if self._has_units(n)), None)
        self.units = Units(self.symmetry, self.space) if self.space else None

    def _has_units(self, space):
        try:
            return Units(self.symmetry, space).size > 4
        except BadInput:
            return False

    def outputs(self, params):
        with torch.no_grad():
            found = torch.func.functional_call(self.model, params, *self._arguments(self.example))
        return found[0] if isinstance(found, tuple) else found

    @staticmethod
    def _arguments(example):
        return ((), example) if isinstance(example, dict) else (tuple(example),)

    def freed(self, unit):
        """The params with a unit that has no columns."""
        x = self.symmetry.coordinates(self.params)
        kept = [k for k in range(self.units.size) if k != unit]
        return self.symmetry.parameters(self.units.thinned(x, kept, 1.0), self.params)


@pytest.fixture(scope="module", params=MODELS)
def case(request) -> Case:
    """Every model in turn."""
    return Case(request.param)


def assert_flat(case, path, start):
    wanted = case.outputs(start)
    assert distance(path.start, start) <= 1e-12 * norm(start)
    for k in range(23):
        gap = float((case.outputs(path(k / 22)) - wanted).abs().max())
        assert gap <= 1e-11 * float(wanted.abs().max()), k


def test_a_null_unit_becomes_a_copy(case):
    start = case.freed(2)
    assert null_units(case.symmetry, start, case.space) == (2,)
    path = replicate(case.symmetry, start, case.space, 0, 2, share=0.3)
    assert_flat(case, path, start)
    assert null_units(case.symmetry, path.end, case.space, 1e-12) == ()
    x = case.symmetry.coordinates(path.end)
    assert case.units.gap(x, 0, 2) < 1e-12
    back = merge_copies(case.symmetry, path.end, case.space, 0, 2, tolerance=1e-12)
    assert_flat(case, back, path.end)
    assert null_units(case.symmetry, back.end, case.space, 1e-12) == (0,)


def _permutation(case, order):
    """The element by which unit k does the job of unit ``order[k]``."""
    one = case.symmetry.identity().values
    moves = Moves(torch.tensor(order), one[case.space].signs, one[case.space].logs)
    return Element(case.symmetry, {**one, case.space: moves})


def test_any_permutation_is_joined_through_a_null_unit(case):
    start = case.freed(3)
    order = list(range(case.units.size))
    order[0], order[1], order[2] = 1, 2, 0
    order[4:] = order[:3:-1]
    path = permute(case.symmetry, start, case.space, order, null=3)
    assert_flat(case, path, start)
    end = case.symmetry.act(_permutation(case, order), start)
    assert distance(path.end, end) < 1e-11


def test_a_swap_is_flat_in_its_middle_and_symmetric(case):
    path = swap(case.symmetry, case.params, case.space, 0, 2)
    order = list(range(case.units.size))
    order[0], order[2] = 2, 0
    assert distance(path.end, case.symmetry.act(_permutation(case, order), case.params)) < 1e-11
    met = case.outputs(path(1 / 3 + 1e-12))
    size = float(met.abs().max())
    for t in (0.4, 0.5, 0.66):
        assert float((case.outputs(path(t)) - met).abs().max()) < 1e-9 * size
    for t in (0.05, 0.2, 0.3):
        gap = float((case.outputs(path(t)) - case.outputs(path(1 - t))).abs().max())
        assert gap < 1e-9 * size
    moved = float((case.outputs(path(0.3)) - case.outputs(case.params)).abs().max())
    assert moved > 1e-6 * size  # it is no null unit: something is lost on the way


def test_what_a_move_lacks_is_named():
    case = Case("mlp")
    arguments = (case.symmetry, case.params, case.space)
    with pytest.raises(BadInput, match=r"unit 2 of .* has columns of norm .*, expected none"):
        replicate(*arguments, 0, 2)
    with pytest.raises(BadInput, match="are no copies: their rows differ by"):
        merge_copies(*arguments, 0, 1)
    with pytest.raises(BadInput, match=r"has no unit 99; give numbers from 0 to 7"):
        swap(*arguments, 0, 99)
    with pytest.raises(BadInput, match="unit 1 is given twice"):
        swap(*arguments, 1, 1)
    with pytest.raises(BadInput, match="no permutation of 8 units that keeps 7 in place"):
        permute(*arguments, [1, 0, 2, 3, 4, 5, 7, 6], null=7)
    with pytest.raises(BadInput, match="the symmetry has no space 'nowhere'"):
        Units(case.symmetry, "nowhere")
    linear = Case("linear_net")
    name = next(n for n, s in linear.symmetry.spaces.items() if "GL" in str(s))
    with pytest.raises(BadInput, match=r"GL\(8\).* has no units that can be swapped freely"):
        Units(linear.symmetry, name)


def test_the_rescale_path_is_flat_where_the_line_is_high():
    case = Case("mlp")
    path = rescale_path(case.symmetry, case.params, case.space, 1000.0)
    assert_flat(case, path, case.params)
    target = case.outputs(case.params)
    loss = Loss(case.model, [(case.example, target)], torch.nn.functional.mse_loss, metrics={})
    assert loss(Line(case.params, path.end)(0.5)) > 1e3 * float(target.square().mean())
    each = torch.linspace(0.5, 2, 8)
    assert_flat(case, rescale_path(case.symmetry, case.params, case.space, each), case.params)
    with pytest.raises(BadInput, match="give positive numbers"):
        rescale_path(case.symmetry, case.params, case.space, -1.0)
    smooth = Case("mlp_gelu")
    with pytest.raises(BadInput, match=r"S\(8\).* has no positive scales of its own"):
        rescale_path(smooth.symmetry, smooth.params, smooth.space, 2.0)
