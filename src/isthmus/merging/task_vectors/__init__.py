"""Task vectors: what fine-tuned models have learned, merged, or moved to models trained apart."""

from isthmus.merging.task_vectors.arithmetic import AbstractTaskMerger, TaskArithmetic
from isthmus.merging.task_vectors.dare import Dare
from isthmus.merging.task_vectors.pcb import PcbMerging
from isthmus.merging.task_vectors.ties import Ties
from isthmus.merging.task_vectors.transfer import Transfer, carry_task, transfer

__all__ = [
    "AbstractTaskMerger",
    "Dare",
    "PcbMerging",
    "TaskArithmetic",
    "Ties",
    "Transfer",
    "carry_task",
    "transfer",
]
