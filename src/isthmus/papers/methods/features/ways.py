"""Two networks merged in several ways, on one task or on two, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from isthmus.alignment import ActivationMatching, align
from isthmus.discovery import discover
from isthmus.ground import Params, double
from isthmus.landscape.running import Batch
from isthmus.merging import (
    AbstractFeatureMerger,
    CcaMerge,
    MatchedMoments,
    Pleas,
    Renormalise,
    ZipIt,
    merge,
)
from isthmus.merging.features.heads import heads_of
from isthmus.papers.methods.merging.networks import apart
from isthmus.papers.tasks import Task
from isthmus.testing.datasets import batches

KINDS = ("mean", "permutation", "ZipIt", "CCA-Merge", "PLeaS")


@dataclass(frozen=True, eq=False)
class Pair:
    """Two trained networks of one architecture.

    Attributes:
        task: With the test samples of all classes.
        models: Both.
        classes: Those that each was trained on.
        seen: How many inputs, of all classes, merges and repairs look at.
    """

    task: Task
    models: tuple[Params, Params]
    classes: tuple[Sequence[int], Sequence[int]]
    seen: int

    @cached_property
    def methods(self) -> dict[str, AbstractFeatureMerger]:
        """Those of merging by features."""
        model = self.task.fresh()
        given = (model, self.shown, discover(model, self.task.x[:1]))
        return {"ZipIt": ZipIt(*given), "CCA-Merge": CcaMerge(*given), "PLeaS": Pleas(*given)}

    @property
    def shown(self) -> list[Batch]:
        """What they look at; targets are not."""
        return list(batches(self.task.x[: self.seen], self.task.y[: self.seen], 500))

    def merged(self, kind: str) -> tuple[Params, Params]:
        """By one of `KINDS`, as it is and repaired: moments set as they are in both networks."""
        a, b = self.models
        model = self.task.fresh()
        if kind in self.methods:
            method = self.methods[kind]
            common = method.common(self.models)
            found = method(self.models) if isinstance(method, Pleas) else common.merged()
            return found, MatchedMoments(model, self.shown, common)(found)
        if kind == "permutation":
            matching = ActivationMatching(model, self.shown)
            b = align(b, to=a, symmetry=self.methods["ZipIt"].symmetry, method=matching).params
        found = merge([a, b])
        return found, Renormalise(model, self.shown, [a, b])(found)

    def scores(self, outputs: Tensor) -> tuple[float, float]:
        """Test accuracy among the classes of each network, on the mean; and among all."""
        y = self.task.y_test
        found = []
        for classes in self.classes:
            own = torch.tensor(classes)
            of = torch.isin(y, own)
            found.append(own[outputs[of][:, own].argmax(1)] == y[of])
        mean = sum(float(right.double().mean()) for right in found) / len(found)
        return mean, float((outputs.argmax(1) == y).double().mean())

    def outputs(self, params: Mapping[str, Tensor]) -> Tensor:
        """On the test samples."""
        model = self.task.fresh()
        model.load_state_dict(dict(params))
        with torch.no_grad():
            out: Tensor = model.eval()(self.task.x_test)
        return out

    def measure(self) -> Params:
        """Accuracies of all ways, of both ends (each on its own classes), and of the mean output.

        ``ways`` is ``(kinds, as it is and repaired, own classes and all)``, ``bounds`` (ends and
        ensemble, own classes and all); ``changed`` is by how much canonical correlation changes
        the second network's outputs, relative.
        """
        ways = [[self.scores(self.outputs(one)) for one in self.merged(kind)] for kind in KINDS]
        outs = [self.outputs(one) for one in self.models]
        each = [
            Pair(self.task, self.models, (classes, classes), self.seen).scores(out)
            for classes, out in zip(self.classes, outs, strict=True)
        ]
        ends = [sum(of) / 2 for of in zip(*each, strict=True)]
        moved = self.outputs(self.methods["CCA-Merge"].common(self.models).alone()[1])
        return {
            "ways": torch.tensor(ways),
            "bounds": torch.tensor([ends, list(self.scores((outs[0] + outs[1]) / 2))]),
            "changed": (moved - outs[1]).norm() / outs[1].norm(),
        }

    def partial(self) -> Tensor:
        """Accuracy of each network with so many first layers merged, none to all: ``(2, layers)``.

        By ZipIt, and by ZipIt that merges no units within a network.
        """
        layers = list(dict.fromkeys(n.rpartition(".")[0] for n in self.models[0]))
        rows = []
        for within in (1.0, 0.0):
            zipped = self.methods["ZipIt"]
            method = ZipIt(zipped.model, zipped.batches, zipped.symmetry, within=within)
            common = method.common(self.models)
            heads = [heads_of(common, layers[:k]) for k in range(1, len(layers))]
            full = common.merged()
            rows.append([self._by_head(of) for of in (self.models, *heads, (full, full))])
        return torch.tensor(rows)

    def with_room(self, wider: Task) -> tuple[float, float]:
        """Scores of PLeaS in a wider network, where pairs least alike are kept apart."""
        roomy = replace(self, task=wider)
        method = self.methods["PLeaS"]
        into = (wider.fresh(), discover(wider.fresh(), wider.x[:1]))
        fitted = Pleas(method.model, method.batches, method.symmetry, into=into)
        return roomy.scores(roomy.outputs(fitted(self.models)))

    def _by_head(self, heads: Sequence[Params]) -> float:
        pairs = zip(heads, self.classes, strict=True)
        found = [
            Pair(self.task, self.models, (own, own), self.seen).scores(self.outputs(head))[0]
            for head, own in pairs
        ]
        return sum(found) / len(found)


def identities(pair: Pair, twice: Task) -> tuple[float, ...]:
    """By how much what should hold exactly is missed, in float64.

    Args:
        pair: Of which no more than some inputs are looked at.
        twice: The task with networks of twice the width.
    """
    x = pair.task.x[:300].double()
    model, data = pair.task.fresh().double(), [(x, None)]
    symmetry = discover(model, x[:1])
    a, b = (double(one) for one in pair.models)
    copy = symmetry.act(symmetry.sample(seed=0), a)
    across = ZipIt(model, data, symmetry, within=0)
    common = across.common([a, b])
    one, two = common.alone()
    outputs = [_run(model, params, x) for params in (a, b, two)]
    wider = twice.fresh().double()
    roomy = Pleas(model, data, symmetry, into=(wider, discover(wider, x[:1])))([a, b])
    mean = (outputs[0] + outputs[1]) / 2
    return (
        apart(ZipIt(model, data, symmetry)([a, copy]), a),
        max(_off(outputs[2], outputs[1]), apart(across([a, b]), merge([one, two]))),
        _recovered(x),
        apart(Pleas(model, data, symmetry)([a, copy]), a),
        _off(_run(wider, roomy, x), mean),
    )


def _off(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())


def _recovered(x: Tensor) -> float:
    """How far canonical correlation is from an invertible matrix between linear layers."""
    generator = torch.Generator().manual_seed(0)
    x = x.flatten(1)
    model = nn.Sequential(nn.Linear(x.shape[1], 8), nn.Linear(8, 4)).double()
    symmetry = discover(model, x[:1])
    shapes = symmetry.shapes.items()
    a = {n: torch.randn(shape, generator=generator, dtype=x.dtype) for n, shape in shapes}
    b = symmetry.act(symmetry.sample(seed=1), a)
    return apart(CcaMerge(model, [(x, None)], symmetry, ridge=0, align=False)([a, b]), a)


def _run(model: nn.Module, params: Params, x: Tensor) -> Tensor:
    model.load_state_dict(params)
    with torch.no_grad():
        out: Tensor = model.eval()(x)
    return out
