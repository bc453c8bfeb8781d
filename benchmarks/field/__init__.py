"""The field's methods where no package can be installed, written from their papers as baselines.

Each is a function of two models, the axes that each permutation moves (`isthmus.to_axes`) and its
options, and returns index arrays, applied as ``w[perm]``. They are meant to be read beside the
paper and to run at their best: float32, contiguous matrices, one product where one is enough.
"""

from field.frank_wolfe import frank_wolfe
from field.sinkhorn import sinkhorn
from field.weight_matching import weight_matching

__all__ = ["frank_wolfe", "sinkhorn", "weight_matching"]
