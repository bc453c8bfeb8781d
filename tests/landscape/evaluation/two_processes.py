"""What `test_ranks` computes, in one process or as one of several under torchrun."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import params_of
from isthmus.landscape import Bootstrap, CalibrationError, ClassAccuracy, Line, Loss, barrier, ranks


def figures(processes):
    """Everything that a barrier says, with statistics recomputed and an interval."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(96, 3)
    )
    a = params_of(model)
    b = {n: t + 0.3 * torch.randn_like(t) if t.dtype.is_floating_point else t for n, t in a.items()}
    b["1.running_var"] = a["1.running_var"] * 2
    batches = [(torch.randn(n, 2, 6, 6), torch.randint(0, 3, (n,))) for n in (11, 1, 6, 1)]
    metrics = {"class": ClassAccuracy(), "calibration": CalibrationError(5)}
    loss = Loss(model, batches, F.cross_entropy, metrics, ranks=processes)
    given = barrier(loss, Line(a, b), 7, interval=Bootstrap(50))
    fresh = barrier(loss, Line(a, b), 7, recompute_statistics=batches[::2] + batches[:1])
    return {"given": given.to_json(), "fresh": fresh.to_json(), "count": processes.count}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with ranks() as processes:
        found = figures(processes)
        Path(sys.argv[1], f"{processes.rank}.json").write_text(json.dumps(found), encoding="utf-8")
