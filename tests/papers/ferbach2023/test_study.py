"""The learning-rate study: its smoke, its checks on numbers made up, its settings."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch import Tensor, nn

import isthmus.papers.ferbach2023.scores as work
from isthmus.ground import load
from isthmus.landscape import Loss
from isthmus.papers import experiments, ferbach2023
from isthmus.papers.bench import Scale, Standing
from isthmus.papers.ferbach2023.comparison import Comparison
from isthmus.papers.ferbach2023.methods import METHODS
from isthmus.papers.ferbach2023.published import PUBLISHED
from isthmus.papers.ferbach2023.settings import SCALES, Data, Settings, network, rates
from isthmus.papers.figures import as_svg
from isthmus.testing.datasets import batches
from isthmus.testing.training import seeded

pytestmark = pytest.mark.xdist_group("study")  # what all tests look at is made once


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    folder = tmp_path_factory.mktemp("study") / "out"
    return ferbach2023.learning_rates.run("smoke", folder=folder), folder


def test_the_study_runs(smoke: tuple[Comparison, Path]) -> None:
    found, folder = smoke
    shape = (1, 2, 1)
    assert found.ends.shape == shape
    assert found.dimension.shape == (1, 2, 3, 2)
    for method in METHODS:
        assert found.halfway(method.name).shape == shape
        assert bool(torch.isfinite(found.halfway(method.name)).all())
    # At the high rate the networks have learned, and matching brings them nearer in loss.
    assert float(found.ends[0, 1].max()) < 0.6 < 2 < float(found.ends[0, 0].min())
    assert float(found.halfway("WeightMatching")[0, 1]) < float(found.halfway("no matching")[0, 1])
    assert "digits, test loss halfway" in str(found)
    assert "incoming covariance" in (folder / "page.html").read_text()
    stored = load(folder / "arrays.safetensors")
    assert torch.equal(stored["loss"], found.scores["loss"])
    assert stored["rates"].tolist() == pytest.approx([1e-4, 1e-1])


def test_a_score_is_what_it_says(smoke: tuple[Comparison, Path]) -> None:
    """Loss halfway and at the ends, again from the stored networks."""
    found, folder = smoke
    a, b = (load(folder / "steps" / f"digits-rate1-0-{which}.safetensors") for which in "ab")
    data = Data.of("digits", None)
    model = network(64, SCALES[Scale.SMOKE].widths)
    loss = Loss(model, batches(data.x_test, data.y_test, 100), nn.functional.cross_entropy)
    middle = {n: (a[n] + b[n]) / 2 for n in a}
    assert loss(middle) == pytest.approx(float(found.halfway("no matching")[0, 1, 0]), rel=1e-5)
    assert (loss(a) + loss(b)) / 2 == pytest.approx(float(found.ends[0, 1, 0]), rel=1e-5)
    gram = a["2.weight"].double() @ a["2.weight"].double().mT
    dimension = float(gram.trace() ** 2 / gram.square().sum())
    assert dimension == pytest.approx(float(found.scores["dimension"][0, 1, 0, 0, 0, 1]))


def test_a_second_run_does_nothing_again(smoke: tuple[Comparison, Path], monkeypatch) -> None:
    found, folder = smoke
    monkeypatch.setattr(work, "_Work", None)
    again = ferbach2023.learning_rates.run("smoke", folder=folder)
    assert all(torch.equal(tensor, again.scores[n]) for n, tensor in found.scores.items())


def made_up(**losses: tuple[float, ...]) -> Comparison:
    """Three rates, three repetitions that differ by a hundredth, falling dimensions."""
    settings = Settings(("mnist", "fashion-mnist"), rates=rates(3), repetitions=3)
    usual: dict[str, tuple[float, ...]] = {"no matching": (2.4, 2.2, 2.0)}
    jitter = torch.tensor([1.0, 1.01, 0.99], dtype=torch.float64)

    def grid(values: tuple[float, ...], turn: int = 0) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)[:, None] * jitter.roll(turn)

    every = [
        grid(losses.get(one.name.replace(" ", "_"), usual.get(one.name, (2.2, 1.0, 0.3))), turn)
        for turn, one in enumerate(METHODS)
    ]
    ends = grid((1.9, 0.5, 0.1))
    size = torch.tensor([[100.0, 90], [2, 3], [5, 4]], dtype=torch.float64)
    dimension = torch.stack([size * share for share in (1.2, 1.1, 1.0)])[:, None, None]
    one = {
        "loss": torch.stack(every, -1),
        "end_loss": torch.stack([ends, ends], -1),
        "dimension": dimension.expand(3, 3, 2, 3, 2),
    }
    return Comparison(settings, {n: torch.stack([t, t]) for n, t in one.items()})


def standings(found: Comparison) -> dict[str, Standing]:
    return {check.name: check.standing for check in found.check()}


def test_all_holds_where_all_holds() -> None:
    found = standings(made_up(WeightMatching=(2.1, 0.9, 0.25)))
    assert found.pop("the published figure") is Standing.FINDING  # whatever we measure
    assert set(found.values()) == {Standing.PASSED}


@pytest.mark.parametrize(
    ("name", "losses", "standing"),
    [
        ("ours without data", {"WeightMatching": (2.1, 1.1, 0.25)}, Standing.FAILED),
        ("ours without data", {"WeightMatching": (2.2, 1.005, 0.3)}, Standing.PASSED),
        ("ours without data", {"no_matching": (2.1, 2.2, 2.4)}, Standing.FAILED),
        ("covariance at every rate", {"incoming_covariance": (2.0, 0.9, 0.4)}, Standing.FINDING),
        ("matching helps at high rates", {"unit_activations": (2.2, 1.0, 1.9)}, Standing.FAILED),
        ("less of the barrier is left", {"ActivationMatching": (2.0, 1.0, 1.9)}, Standing.FAILED),
    ],
)
def test_a_check_fails_where_its_claim_does(
    name: str, losses: dict[str, tuple[float, ...]], standing: Standing
) -> None:
    assert standings(made_up(**losses))[name] is standing


def test_dimensions_that_grow_are_told() -> None:
    found = made_up()
    turned = {**found.scores, "dimension": found.scores["dimension"].flip(1)}
    came = standings(Comparison(found.settings, turned))
    assert came["dimension of the weights falls"] is Standing.FAILED
    assert came["dimension of the weights on the data falls"] is Standing.FINDING
    wide = {**found.scores, "dimension": found.scores["dimension"].clone()}
    wide["dimension"][..., 1, :] = 50
    assert standings(Comparison(found.settings, wide))["low-dimensional on data"] is Standing.FAILED


def test_pictures_and_tables_have_every_data_set_and_method() -> None:
    found = made_up()
    pictures = found.draw()
    assert list(pictures) == ["losses", "dimensions"]
    said = "".join(ElementTree.fromstring(as_svg(pictures["losses"])).itertext())
    for method in METHODS:
        assert method.name in said
        assert f"\n{method.name}  " in str(found)
    for name in ("mnist, without data", "fashion-mnist, with data"):
        assert name in said
    assert found.to_json()["fashion-mnist"]["halfway"]["no matching"] == pytest.approx(
        [2.4, 2.2, 2]
    )


def test_the_settings_are_those_of_the_paper() -> None:
    paper = SCALES[Scale.PAPER]
    assert paper.rates == pytest.approx([1e-4, 4e-4, 1.6e-3, 6.3e-3, 2.5e-2, 1e-1], rel=0.01)
    assert (paper.epochs, paper.batch, paper.repetitions, paper.samples) == (50, 500, 4, None)
    assert (paper.widths, paper.momentum, paper.warmup) == ((512,) * 3, 0.9, 10)
    assert {len(values) for values in PUBLISHED.values()} == {len(paper.rates)}


def test_initial_weights_have_the_size_of_lecun() -> None:
    model = seeded(lambda: network(784, (512,)), 0)
    weight = model[0].weight.detach()  # type: ignore[index]
    assert float(weight.std()) == pytest.approx(1 / 28, rel=0.01)
    assert float(weight.abs().max()) <= 2 / 28 / 0.8796 * 1.001
    assert not model[0].bias.any()  # type: ignore[index]


def test_runs_have_seeds_of_their_own() -> None:
    seeds = {
        work._seed(seed, data, repetition, which)
        for seed in (0, 1) for data in ("a", "b") for repetition in range(4) for which in "ab"
    }  # fmt: skip
    assert len(seeds) == 32
    assert max(seeds) < 2**32


def test_every_experiment_has_a_name_a_paper_and_all_scales() -> None:
    every = experiments()
    assert len({one.name for one in every}) == len(every)
    for one in every:
        assert experiments(one.name) == (one,)
        assert one in experiments(one.name.partition(".")[0])
        assert set(one.settings) == set(Scale)
        assert one.title
        assert one.source
