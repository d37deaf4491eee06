"""Cold start and memory, of a process of its own: from `python` to the first score, and the most memory it held."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edge.affect.network import load_model
from edge.camera import Camera, no_events
from edge.cli.bench.crowd import draw_crowd
from edge.cli.bench.result import Cold
from edge.clock import NS, FileClock
from edge.config import Config, load_config
from edge.device import build_device
from edge.errors import EdgeError
from edge.publish.jsonlines import JsonLines
from edge.values import Frame, Look, Tick

_IMPORTED = time.time()
_TRIES = 5
_PICTURES = 6
_FRAMES, _FPS = 300, 30


class NoCamera(Camera):
    """Gives no frame: the frames are handed to the device one by one."""

    def __init__(self) -> None:
        self.events = no_events()

    def __iter__(self) -> Iterator[Frame | Tick]:
        return iter(())

    def close(self) -> None:
        """Nothing is open."""


def measure_cold(config_path: Path | None, *, faces: int = 4) -> Cold:
    """Starts the device some times.

    Raises:
        EdgeError: a start failed; with its own words.
    """
    found = []
    with TemporaryDirectory(prefix="affect-edge-bench-") as folder:
        pictures = Path(folder) / "crowd.npy"  # drawn here: drawing is no part of a device's memory
        np.save(pictures, np.stack(draw_crowd(faces, count=_PICTURES)))
        for _ in range(_TRIES):
            begun = time.time()
            command = [sys.executable, "-m", __name__, str(pictures), str(begun), str(config_path or "")]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            if done.returncode != 0:
                raise EdgeError(f"a cold start failed ({(done.stderr.strip().splitlines() or ['no word'])[-1]})")
            found.append(json.loads(done.stdout))
    fastest = min(found, key=lambda one: one["first_score_s"])
    return Cold(tries=_TRIES, faces=faces, **fastest)


def _start(pictures: str, begun: float, config_path: str) -> dict[str, float]:
    config = load_config(Path(config_path)) if config_path else Config()
    clock, model = FileClock(), load_model(config.model, config.engine)
    sink = JsonLines(io.StringIO())
    device = build_device(config, camera=NoCamera(), model=model, sink=sink, clock=clock)
    shown, first = np.load(pictures, mmap_mode="r"), 0.0
    for index in range(_FRAMES):
        clock.now_ns = index * NS // _FPS
        look = device.step(Frame(pixels=shown[index % len(shown)].copy(), captured_ns=clock.now_ns, index=index))
        if isinstance(look, Look) and look.scores and not first:
            first = time.time()
    return {
        "first_score_s": round(first - begun, 3),
        "import_s": round(_IMPORTED - begun, 3),
        "rss_mb": round(_most_kb() / 1024, 1),
    }


def _most_kb() -> int:
    """The most resident memory of this program, kB. `getrusage` would count the parent's: it outlives `exec`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    print(json.dumps(_start(sys.argv[1], float(sys.argv[2]), sys.argv[3])))
