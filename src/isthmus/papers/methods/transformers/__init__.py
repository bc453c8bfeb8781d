"""Transformers: their groups in use."""

from isthmus.papers.methods.method import Method
from isthmus.papers.methods.transformers.experts import experts
from isthmus.papers.methods.transformers.quantisation import quantisation
from isthmus.papers.methods.transformers.slicing import slicing
from isthmus.papers.methods.transformers.text_transformers import text_transformers

METHODS: tuple[Method, ...] = (
    Method(
        "Rotations against outliers (QuaRot)",
        "Ashkboos et al. 2024, NeurIPS",
        "`isthmus.hadamard_change`, `isthmus.basis_change`; measured with `isthmus.quantised`",
        "Llama-2 70B in 4 bits: 0.29 more perplexity, 99% of zero-shot accuracy",
        quantisation,
    ),
    Method(
        "Learned rotations (SpinQuant)",
        "Liu et al. 2024",
        "`isthmus.align` with `LossDescent` on the loss of `isthmus.quantised`",
        "a 7B model with 4 bits for weights, activations and cache: 2.9 points from full precision",
        quantisation,
    ),
    Method(
        "Slices of the stream (SliceGPT)",
        "Ashkboos et al. 2024, ICLR",
        "`isthmus.principal_axes`, `isthmus.sliced`",
        "Reports that a quarter of the principal directions can be deleted at a small cost",
        slicing,
    ),
    Method(
        "Mixtures of experts",
        "Tran et al. 2025",
        "`isthmus.discover`, then `isthmus.align` with `WeightMatching`",
        "One Billion Word, frozen backbone: barrier 0.0044 to 0.0066, without the order of experts "
        "0.14 to 0.86",
        experts,
    ),
    Method(
        "Text transformers by correlations",
        "Verma and Elbayad 2024",
        "`isthmus.align` with `ActivationMatching` and `symmetry.restrict`",
        "Reports lower, but not zero, barriers between masked language models",
        text_transformers,
    ),
)
"""In the order of the table."""

__all__ = ["METHODS"]
