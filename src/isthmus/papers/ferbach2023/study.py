"""The learning-rate study: the higher the rate of the training, the more matching helps."""

from __future__ import annotations

from isthmus.papers.bench import Bench, Experiment, each
from isthmus.papers.ferbach2023.comparison import Comparison
from isthmus.papers.ferbach2023.scores import Pair, scores
from isthmus.papers.ferbach2023.settings import REMARKS, SCALES, Settings


def study(bench: Bench, settings: Settings) -> Comparison:
    """Train all pairs, match them in every way, measure."""
    parts = {
        f"{data}, rate {rate:.2g}, repetition {k + 1}": Pair(settings, data, number, k)
        for data in settings.data
        for number, rate in enumerate(settings.rates)
        for k in range(settings.repetitions)
    }
    return Comparison.of(settings, each(bench, scores, parts))


learning_rates = Experiment(
    "ferbach2023.learning_rates",
    "Matching helps more, the higher the learning rate",
    "Ferbach, Goujaud, Gidel and Dieuleveut 2024, experiments",
    SCALES,
    study,
    tuple(" ".join(text.split()) for text in REMARKS),
)
"""Test loss halfway between two networks by peak learning rate, and dimensions of their layers."""
