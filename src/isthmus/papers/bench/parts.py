"""Independent parts of an experiment, shared out among processes of one thread each."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import torch

from isthmus.ground import BadInput
from isthmus.papers.bench.bench import Bench, silent

Part = TypeVar("Part")
Found = TypeVar("Found")

_said: Any = None
"""In a worker process: the queue of its words."""


def each(
    bench: Bench, work: Callable[[Bench, Part], Found], parts: Mapping[str, Part]
) -> list[Found]:
    """``work(bench, part)`` for every part, in order.

    Where the bench has several workers, processes do the parts first and leave their steps in the
    folder; the results are then read from there. So ``work`` must do all that takes long in steps,
    and be a function of a module (processes find it by name).

    Args:
        bench: Where.
        work: What is done; it calls `Bench.step`.
        parts: By what they are called in the progress.

    Raises:
        BadInput: A process was killed, as where memory runs out.
    """
    if bench.workers > 1 and len(parts) > 1:
        _share_out(bench, work, parts)
    found = []
    for number, (name, part) in enumerate(parts.items()):
        found.append(work(_telling(bench, name, number, len(parts)), part))
        bench.tell(name, number + 1, len(parts))
    return found


def _telling(bench: Bench, name: str, number: int, total: int) -> Bench:
    def tell(what: str, done: int, of: int) -> None:
        bench.tell(f"{name}: {what}", number, total)

    return replace(bench, tell=tell)


def _share_out(bench: Bench, work: Callable[[Bench, Part], Any], parts: Mapping[str, Part]) -> None:
    """Do every part once; on an interrupt or an error end the processes, and keep what is done."""
    context = multiprocessing.get_context("spawn")
    words = context.Queue()
    own = {child.pid for child in multiprocessing.active_children()}
    plain = replace(bench, tell=silent, workers=1)
    with ProcessPoolExecutor(
        min(bench.workers, len(parts)), mp_context=context, initializer=_begin, initargs=(words,)
    ) as pool:
        jobs = [pool.submit(_do, plain, work, name, part) for name, part in parts.items()]
        try:
            _follow(bench, jobs, words)
        except BrokenProcessPool:
            raise BadInput(
                "a process that worked on the experiment was killed",
                "run again with fewer workers: what is done is kept",
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                if child.pid not in own:
                    child.terminate()
            raise


def _follow(bench: Bench, jobs: list[Future[None]], words: Any) -> None:
    """Pass on what the processes say until all is done; raise what one of them raised."""
    open_jobs = set(jobs)
    while open_jobs:
        done, open_jobs = wait(open_jobs, timeout=0.2)
        for job in done:
            job.result()
        with suppress(queue.Empty):
            while True:
                bench.tell(words.get_nowait(), len(jobs) - len(open_jobs), len(jobs))


def _begin(words: Any) -> None:
    """Set up a process: one thread; interrupts are the parent's; it ends when the parent does."""
    global _said
    _said = words
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by an exception: files are closed
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _do(bench: Bench, work: Callable[[Bench, Part], Any], name: str, part: Part) -> None:
    def tell(what: str, done: int, of: int) -> None:
        _said.put(f"{name}: {what}")

    try:
        work(replace(bench, tell=tell), part)
    except SystemExit:  # the pool would take it for the end of this part alone
        os._exit(1)
