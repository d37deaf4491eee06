"""Work on several cores, in order."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable
from typing import TypeVar

_Job = TypeVar("_Job")
_Made = TypeVar("_Made")


def run_jobs(
    work: Callable[[_Job], _Made | None],
    jobs: Iterable[_Job],
    advance: Callable[[], None],
    *,
    processes: int,
    chunk: int = 1,
) -> list[_Made]:
    """What the work makes of each job, in the jobs' order; nothing for those of which it makes None.

    Args:
        work: a module's own function: each process is a fresh Python that imports it.
        jobs: picklable.
        advance: called after each.
        processes: how many work.
        chunk: jobs that are handed over together.
    """
    made = []
    # Threads for small products of matrices cost more than they save: 16 ms instead of 0.7 for one face's vertices.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for each in pool.imap(work, jobs, chunksize=chunk):
            if each is not None:
                made.append(each)
            advance()
    return made
