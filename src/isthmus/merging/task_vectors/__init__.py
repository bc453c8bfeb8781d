"""Task vectors: models that were fine-tuned from one base, merged by what each has learned."""

from isthmus.merging.task_vectors.arithmetic import AbstractTaskMerger, TaskArithmetic
from isthmus.merging.task_vectors.dare import Dare
from isthmus.merging.task_vectors.pcb import PcbMerging
from isthmus.merging.task_vectors.ties import Ties

__all__ = ["AbstractTaskMerger", "Dare", "PcbMerging", "TaskArithmetic", "Ties"]
