"""`python worker.py FRAMES.npy frame|search`, with a checkout as the current folder: its device works when told to.

Each line on stdin starts one round over all frames; the answer is the processor time of a frame, or of a search for
faces and following them, milliseconds. Imports nothing of `benchmarks`, since the other checkout has its own. Knows the
loop of today and the one before it (`edge.pipeline`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np

FPS = 30


class NoCamera:
    """A camera that is never read."""

    dropped = failed = skipped = 0
    events = dict.fromkeys(("gone", "stalled", "frozen", "resized", "reopened", "failed_opens"), 0)


class NoSink:
    """Discards what it is given, whatever that is."""

    def publish(self, *_: object) -> None:
        pass

    def report(self, *_: object) -> None:
        pass


def open_loop() -> tuple[Callable[[Any], object], Any, Any]:
    """The step of the device in the current folder, its clock and the type of a frame."""
    import edge

    if Path.cwd() not in Path(str(edge.__file__)).resolve().parents:
        sys.exit(f"{Path.cwd()}: holds no package `edge`")
    from edge.clock import FileClock
    from edge.config import Config

    config, clock = Config(), FileClock()
    try:
        from edge.affect.network import load_model
    except ImportError:  # an older tree
        load_model = import_module("edge.affect.model").load_model
    model = load_model(config.model, config.engine)
    parts: dict[str, Any] = {"camera": NoCamera(), "model": model, "clock": clock}
    try:
        from edge.device import build_device
    except ImportError:
        from edge.pipeline import build_pipeline  # type: ignore[import-not-found]
        from edge.types import Frame  # type: ignore[import-not-found]

        return build_pipeline(config, sink=NoSink(), **parts).step, clock, Frame
    from edge.publish import Discard
    from edge.values import Frame

    return build_device(config, sink=Discard(), **parts).step, clock, Frame


def watch_searches(step: Any) -> list[int]:
    """The nanoseconds of each search that the device does from now on; an older tree follows without one in between."""
    kind, spent = type(step.__self__), list[int]()

    def watch(method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begun_ns = time.process_time_ns()
            try:
                return method(*arguments)
            finally:
                spent.append(time.process_time_ns() - begun_ns)

        return timed

    for name in ("_find", "_search", "_coast"):
        if hasattr(kind, name):
            setattr(kind, name, watch(getattr(kind, name)))
    return spent


def main() -> None:
    """Answers each line on stdin with milliseconds."""
    cv2.setNumThreads(1)
    step, clock, frame_type = open_loop()
    pictures, index = np.load(sys.argv[1]), 0
    searches = watch_searches(step) if sys.argv[2] == "search" else None
    for _ in sys.stdin:
        spent_ns = 0
        if searches is not None:
            searches.clear()
        for picture in pictures:
            clock.now_ns = index * 1_000_000_000 // FPS
            frame = frame_type(pixels=picture.copy(), captured_ns=clock.now_ns, index=index)
            begun_ns = time.process_time_ns()
            step(frame)
            spent_ns += time.process_time_ns() - begun_ns
            index += 1
        if searches is not None:
            spent_ns, count = sum(searches), len(searches)
        else:
            count = len(pictures)
        print(spent_ns / 1e6 / count, flush=True)


if __name__ == "__main__":
    sys.path[0] = "."  # the checkout, not the folder of this file
    main()
