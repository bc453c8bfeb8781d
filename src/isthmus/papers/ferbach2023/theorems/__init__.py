"""The theorems of the paper, each as an experiment of its own."""

from isthmus.papers.ferbach2023.theorems.birkhoff import birkhoff
from isthmus.papers.ferbach2023.theorems.depth import depth
from isthmus.papers.ferbach2023.theorems.dimension import dimension
from isthmus.papers.ferbach2023.theorems.dropout import dropout
from isthmus.papers.ferbach2023.theorems.low_dimension import low_dimension
from isthmus.papers.ferbach2023.theorems.lower_bound import lower_bound
from isthmus.papers.ferbach2023.theorems.mean_field import mean_field
from isthmus.papers.ferbach2023.theorems.rates import rates

__all__ = [
    "birkhoff",
    "depth",
    "dimension",
    "dropout",
    "low_dimension",
    "lower_bound",
    "mean_field",
    "rates",
]
