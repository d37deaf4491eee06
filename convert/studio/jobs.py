"""Work on several cores, in order, with the studio's models loaded once a process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
from threadpoolctl import threadpool_limits

from convert.faces.finder import FaceFinder
from convert.studio.head import MorphableHead, load_head
from convert.studio.reenact import Sitter
from convert.teacher.landmarker import FaceLandmarker
from edge.values import Float32Array

_Made = TypeVar("_Made")


class StudioFiles(NamedTuple):
    """Where the studio's models lie: ICT-FaceKit's `.npz` and the Face Landmarker's `.task`."""

    head: Path
    landmarker: Path


class Models(NamedTuple):
    """What renders a face, and what looks at it."""

    head: MorphableHead
    landmarker: FaceLandmarker
    finder: FaceFinder


class Job(NamedTuple):
    """One still or act to make.

    Attributes:
        sitter: to make it from.
        seen: float32 (N, 52), blendshapes of the data's faces, to draw expressions from.
        files: the studio's models.
        seed: with the number decides everything, whatever the number of processes.
        number: of the still or act.
        steps, step_s: of an act.
    """

    sitter: Sitter
    seen: Float32Array
    files: StudioFiles
    seed: int
    number: int
    steps: int = 0
    step_s: float = 0.0


@lru_cache(maxsize=1)
def load_models(files: StudioFiles) -> Models:
    """Loads them; from then on the process works on one thread.

    Sharing small products of matrices out over threads costs more than it saves: 16 ms instead of 0.7 for the vertices
    of one face.
    """
    cv2.setNumThreads(1)
    threadpool_limits(1)
    return Models(load_head(files.head), FaceLandmarker(files.landmarker, threads=1), FaceFinder())


def run_jobs(
    work: Callable[[Job], _Made | None], jobs: Iterable[Job], advance: Callable[[], None], *, processes: int = 2
) -> list[_Made]:
    """What the work makes of each job, in the jobs' order; nothing for those of which it makes None.

    Args:
        work: a module's own function: each process is a fresh Python that imports it.
        jobs: what to make.
        advance: called after each.
        processes: how many work.
    """
    made = []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for each in pool.imap(work, jobs, chunksize=2):
            if each is not None:
                made.append(each)
            advance()
    return made
