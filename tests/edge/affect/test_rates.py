"""The camera's rate does not move a window: the drawn scene, whose people live the same story at every rate."""

from __future__ import annotations

from typing import Any

import pytest

from edge.affect.network import load_model
from edge.camera import open_camera
from edge.clock import NS, FileClock
from edge.config import CameraConfig, Config, WindowConfig
from edge.contract import Window
from edge.device import build_device
from edge.values import Look


def watch(fps: float, seconds: int, sink: Any) -> list[Window]:
    """The whole windows of the first seconds of the scene."""
    config = Config(
        camera=CameraConfig(backend="scene", pace="fast", fps=fps, width=480, height=360),
        window=WindowConfig(window_s=10, min_people=3),
    )
    clock = FileClock()
    device = build_device(
        config,
        camera=open_camera(config, clock),
        model=load_model(config.model, config.engine),
        sink=sink,
        clock=clock,
    )
    for look in device.looks():
        if isinstance(look, Look) and look.captured_ns >= seconds * NS:
            device.stop()
    return [window for window in sink.windows if not window.partial]


@pytest.mark.slow
def test_windows_are_the_same_at_thirty_fifteen_and_ten_frames_a_second(new_sink: Any) -> None:
    thirty, fifteen, ten = (watch(fps, 20, new_sink()) for fps in (30, 15, 10))
    assert len(thirty) == len(fifteen) == len(ten) == 2
    for windows in zip(thirty, fifteen, ten, strict=True):
        for name in ("valence", "arousal"):
            means = [getattr(window, name).mean for window in windows]
            assert max(means) - min(means) <= 0.2  # one step of the grid for so few people
        seconds = [window.scored_s for window in windows]
        assert max(seconds) - min(seconds) <= 0.05 * max(seconds)
        assert [window.observed_s for window in windows] == [10.0] * 3
