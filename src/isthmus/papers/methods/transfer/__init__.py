"""Transfer and low rank: task vectors between strangers, adapters, soft fusion of transformers."""

from isthmus.papers.methods.method import Method
from isthmus.papers.methods.transfer.transfusion import transfusion

METHODS: tuple[Method, ...] = (
    Method(
        "TransFusion",
        "Rinaldi et al. 2025",
        "`isthmus.transfer`, `isthmus transfer`",
        "a task vector, permuted, improves a model that was trained apart, without its data",
        transfusion,
    ),
)
"""In the order of the table."""

__all__ = ["METHODS"]
