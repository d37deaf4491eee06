"""Puts what an installer sees into docs/installing.md: `init` run in a pseudo-terminal, and what `watch` draws.

The page's own words stay; what stands between `<!-- NAME -->` and `<!-- end -->` is exchanged.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from edge.affect.network import load_model
from edge.camera import open_camera
from edge.cli.watch import Screen
from edge.clock import NS, FileClock
from edge.config import CameraConfig, Config
from edge.device import build_device
from edge.publish import Discard
from edge.values import Look

PAGE = Path(__file__).resolve().parent.parent / "docs/installing.md"
ROOT = "/mnt"  # stands for the scratch folder that `init` writes into
# Typed one after the other, each when its question waits: board, site (wrong at first), device, time zone, broker (one
# that is not there at first), user, purpose, jurisdiction (wrong at first), and the rest of [deployment].
ANSWERS = (
    ("Board", "rpi5"),
    ("Site", "Main Hall"),
    ("Site", "museum"),
    ("This device", "hall-2"),
    ("Time zone", "Europe/Berlin"),
    ("Broker", "broker.invalid"),
    ("Broker", "192.0.2.10"),
    ("User name", "hall-2"),
    ("Purpose", "exhibition-feedback"),
    ("Whose law", "Germany"),
    ("Whose law", "DE"),
    ("Legal basis", "legitimate-interest"),
    ("Who answers", "Museum"),
    ("How to reach", "privacy@museum.example"),
    ("Days that", "90"),
    ("Where does the notice", "on the door, at eye level"),
    ("Its version", ""),
    ("Its date", "2026-11-01"),
)
_WATCHED_S = 6


def main() -> int:
    """Runs from the command line."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(put(put(text, "init", run_init()), "watch", draw_watch()), encoding="utf-8")
    print(PAGE)
    return 0


def put(text: str, name: str, screen: str) -> str:
    """The page with a screen between its markers.

    Raises:
        ValueError: the page has no such markers.
    """
    block = f"<!-- {name} -->\n```text\n{screen.rstrip()}\n```\n<!-- end -->"
    made, count = re.subn(rf"<!-- {name} -->\n.*?<!-- end -->", lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{PAGE.name}: needs one <!-- {name} --> with an <!-- end -->")
    return made


def run_init(answers: Sequence[tuple[str, str]] = ANSWERS) -> str:
    """What `affect-edge init` shows to someone who answers."""
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as folder:
        command = [sys.executable, "-m", "edge", "init", "--root", folder]
        keyboard, terminal = pty.openpty()
        try:
            process = subprocess.Popen(
                command, stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "NO_COLOR": "1"}
            )
            os.close(terminal)
            shown = _converse(keyboard, answers)
        finally:
            os.close(keyboard)
            process.kill()
            process.wait()
    return shown.replace("\r\n", "\n").replace(folder, ROOT)


def _converse(keyboard: int, answers: Sequence[tuple[str, str]]) -> str:
    """Types each answer when its question stands at the end; returns everything that was shown."""
    shown, left = b"", list(answers)
    while True:
        try:
            read = os.read(keyboard, 4096)
        except OSError:  # how Linux says that the other side closed a terminal
            return shown.decode()
        if not read:
            return shown.decode()
        shown += read
        line = shown.decode(errors="replace").rpartition("\n")[2]
        if left and line.startswith(left[0][0]) and line.endswith(": "):
            os.write(keyboard, left.pop(0)[1].encode() + b"\n")


def draw_watch(seconds: float = _WATCHED_S) -> str:
    """What `affect-edge watch` shows after some seconds of the drawn scene; the same every time."""
    config, clock = Config(camera=CameraConfig(backend="scene", fps=10, pace="fast")), FileClock()
    model = load_model(config.model, config.engine)
    device = build_device(config, camera=open_camera(config, clock), model=model, sink=Discard(), clock=clock)
    screen = Screen(config.face, config.camera.backend)
    for look in device.looks():
        if isinstance(look, Look):
            screen.add(look)
        if clock.now_ns >= seconds * NS:
            device.stop()
    drawn = io.StringIO()
    Console(file=drawn, width=80, highlight=False, color_system=None).print(screen.draw())
    return "\n".join(line.rstrip() for line in drawn.getvalue().splitlines())


if __name__ == "__main__":
    sys.exit(main())
