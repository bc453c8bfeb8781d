"""Transfer and low rank: task vectors between strangers, adapters, soft fusion of transformers."""

from isthmus.papers.methods.method import Method
from isthmus.papers.methods.transfer.lora import lora
from isthmus.papers.methods.transfer.transformer_fusion import transformer_fusion
from isthmus.papers.methods.transfer.transfusion import transfusion

METHODS: tuple[Method, ...] = (
    Method(
        "TransFusion",
        "Rinaldi et al. 2025",
        "`isthmus.transfer`, `isthmus transfer`",
        "a task vector, permuted, improves a model that was trained apart, without its data",
        transfusion,
    ),
    Method(
        "LoRA up to GL(r)",
        "Hu et al. 2022, ICLR; Putterman et al. 2024",
        "`isthmus.discover`, `isthmus.canonical`, `isthmus.distance`, `isthmus.ProductAverage`",
        "an adapter BA is the same for all (B g⁻¹, g A); what is learned from it should be too",
        lora,
    ),
    Method(
        "Transformer fusion",
        "Imfeld et al. 2024, ICLR",
        "`isthmus.TransportFusion` with an epsilon",
        "soft maps beat hard ones; after a short fine-tune the fused model beats its parents",
        transformer_fusion,
    ),
)
"""In the order of the table."""

__all__ = ["METHODS"]
