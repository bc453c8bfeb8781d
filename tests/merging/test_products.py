"""ProductAverage: exact wherever the factors stand on their orbits; heads as well as adapters."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from isthmus.algebra import Space, Symmetry
from isthmus.algebra.groups import GeneralLinear
from isthmus.alignment import canonical, distance
from isthmus.discovery import completeness, discover, verify
from isthmus.ground import BadInput, Params, params_of
from isthmus.merging import Average, ProductAverage, merge
from isthmus.testing.zoo import entry, randomise


@pytest.fixture(autouse=True)
def _quiet_torch() -> Iterator[None]:
    """PyTorch's export warns about its own use of pytree; only that is left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        yield


class Adapted(nn.Module):
    """A linear layer with an adapter: ``W x + b + s B A x``."""

    def __init__(self, inputs: int = 6, outputs: int = 5, rank: int = 2, scale: float = 1.0):
        super().__init__()
        self.base = nn.Linear(inputs, outputs)
        self.down = nn.Linear(inputs, rank, bias=False)
        self.up = nn.Linear(rank, outputs, bias=False)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs) to (n, outputs)."""
        out: Tensor = self.base(x) + self.scale * self.up(self.down(x))
        return out


class Chain(nn.Module):
    """Two of them, and an activation."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Adapted(6, 8, 2), Adapted(8, 5, 3, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 6) to (n, 5)."""
        out: Tensor = self.second(torch.relu(self.first(x)))
        return out


def is_linear(space: Space) -> bool:
    return isinstance(space.group, GeneralLinear)


def is_head(space: Space) -> bool:
    return is_linear(space) and bool(space.over)


X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def made(count: int = 1) -> tuple[nn.Module, Symmetry, list[Params]]:
    """Adapters drawn at random on one base."""
    model = randomise(Chain(), 0).double()
    found = [params_of(randomise(Chain(), k).double()) for k in range(count)]
    shared = {n: t for n, t in found[0].items() if ".base." in n}
    symmetry = discover(model, X).restrict(is_linear)
    return model, symmetry, [one | shared for one in found]


def product(params: Params, layer: str) -> Tensor:
    return params[f"{layer}.up.weight"] @ params[f"{layer}.down.weight"]


def outputs(model: nn.Module, params: Params, x: Tensor = X) -> Tensor:
    with torch.no_grad():
        found: Tensor = functional_call(model, params, (x,))
    return found


def test_an_adapter_has_gl_of_its_rank() -> None:
    model = Chain().double()
    symmetry = discover(model, X)
    groups = {str(space.group): space.size for space in symmetry.spaces.values()}
    assert groups == {"M⁺(8)": 8, "GL(2)": 2, "GL(3)": 3}
    assert symmetry.lie_dim == 8 + 4 + 9
    assert verify(symmetry, model, X).evidence["relative_error"] < 1e-12


def test_beside_a_frozen_weight_that_is_all_there_is() -> None:
    """A base that is no parameter cannot make up for a change of the product."""

    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("base", torch.randn(5, 6), persistent=False)
            self.down, self.up = nn.Linear(6, 3, bias=False), nn.Linear(3, 5, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = x @ self.base.mT + self.up(self.down(x))  # type: ignore[operator]
            return out

    model = randomise(Frozen(), 1).double()
    found = completeness(discover(model, X), model, X)
    assert (found.parameters, found.nullity, found.explained) == (33, 9, 9)


def test_one_orbit_has_one_form_and_no_width() -> None:
    _, symmetry, (a, other) = made(2)
    b = symmetry.act(symmetry.sample(3), a)
    assert float((b["first.up.weight"] - a["first.up.weight"]).abs().max()) > 0.1
    one, two = (canonical(params, symmetry) for params in (a, b))
    assert all(torch.allclose(one[n], two[n], atol=1e-9) for n in one)
    # Balanced: both Gram matrices are the singular values of the product.
    up, down = one["second.up.weight"], one["second.down.weight"]
    values = torch.diag(torch.linalg.svdvals(product(a, "second"))[:3])
    assert torch.allclose(up.mT @ up, values, atol=1e-9)
    assert torch.allclose(down @ down.mT, values, atol=1e-9)
    assert float(distance(a, b, symmetry=symmetry)) < 1e-9
    far = float(distance(a, other, symmetry=symmetry))
    assert far > 0.1
    assert float(distance(b, other, symmetry=symmetry)) == pytest.approx(far, rel=1e-6)
    uneven = dict(a) | {"first.up.weight": 2 * a["first.up.weight"]}
    assert float(distance(a, uneven, symmetry=symmetry)) > 0.1


def test_products_are_averaged_exactly_where_the_rank_allows() -> None:
    model, symmetry, (a,) = made()
    moved = [symmetry.act(symmetry.sample(k), a) for k in range(3)]
    found = merge(moved, ProductAverage(symmetry))
    assert torch.allclose(outputs(model, found), outputs(model, a), rtol=1e-9, atol=1e-11)
    plain = outputs(model, merge(moved, Average()))
    assert float((plain - outputs(model, a)).abs().max()) > 0.1


def test_the_mean_of_products_is_met_as_nearly_as_the_rank_allows() -> None:
    _, symmetry, models = made(4)
    weights = (1.0, 2.0, 3.0, 4.0)
    found = ProductAverage(symmetry, weights)(models)
    for layer, rank in (("first", 2), ("second", 3)):
        mean = sum(w * product(p, layer) for w, p in zip(weights, models, strict=True)) / 10
        u, s, v = torch.linalg.svd(mean)
        best = u[:, :rank] @ torch.diag(s[:rank]) @ v[:rank]
        assert torch.allclose(product(found, layer), best, atol=1e-12)
    moved = [symmetry.act(symmetry.sample(k), p) for k, p in enumerate(models)]
    again = ProductAverage(symmetry, weights)(moved)
    assert torch.allclose(product(again, "second"), product(found, "second"), atol=1e-9)
    assert torch.equal(found["first.base.weight"], models[0]["first.base.weight"])


@pytest.mark.parametrize("name", ["gpt", "attention_chunk"])
def test_heads_are_merged_by_their_circuits(name: str) -> None:
    one = entry(name)
    example = one.example()
    symmetry = discover(one.build(), example)
    x = example[0] if isinstance(example, tuple) else example
    x = x.double() if x.is_floating_point() else x
    model = randomise(one.build(), 3).double()
    a = params_of(model)
    heads = symmetry.restrict(is_head)
    assert len(ProductAverage(symmetry).factored()) >= 2
    moved = [heads.act(heads.sample(k), a) for k in range(2)]
    right = outputs(model, a, x)
    found = outputs(model, ProductAverage(symmetry)(moved), x)
    assert torch.allclose(found, right, rtol=1e-8, atol=1e-9)
    plain = outputs(model, Average()(moved), x)
    assert float((plain - right).norm() / right.norm()) > 1e-3


def test_dtypes_are_kept_and_fewer_columns_than_rows_do() -> None:
    model = nn.Sequential(nn.Linear(2, 4, bias=False), nn.Linear(4, 3, bias=False))
    a, b = (params_of(randomise(model, k)) for k in range(2))
    symmetry = discover(model, torch.zeros(1, 2))
    found = ProductAverage(symmetry)([a, b])
    assert found["0.weight"].dtype == torch.float32
    mean = (a["1.weight"] @ a["0.weight"] + b["1.weight"] @ b["0.weight"]) / 2
    assert torch.allclose(found["1.weight"] @ found["0.weight"], mean, atol=1e-6)


def test_bad_input_is_refused() -> None:
    _, symmetry, models = made(2)
    with pytest.raises(BadInput, match="3 weights for 2 models"):
        ProductAverage(symmetry, (1, 1, 1))(models)
    with pytest.raises(BadInput, match="a weight is -1, expected finite numbers"):
        ProductAverage(symmetry, (1, -1))
    plain = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with pytest.raises(BadInput, match="no space of the symmetry has two factors"):
        ProductAverage(discover(plain, torch.zeros(1, 2)))
