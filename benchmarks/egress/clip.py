"""The drawn scene as a video file, for a run where nobody was filmed."""

from __future__ import annotations

from pathlib import Path

import cv2

from convert.errors import DataError
from edge.demo.scene import Scene

_FPS, _WIDTH, _HEIGHT = 10, 320, 240


def draw_clip(path: Path, *, seconds: float = 65) -> Path:
    """Writes the drawn scene as MJPEG in AVI; a bit over a minute of it makes the device report its health too.

    Raises:
        DataError: OpenCV cannot write such a file here.
    """
    scene = Scene(_WIDTH, _HEIGHT)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), float(_FPS), (_WIDTH, _HEIGHT))
    if not writer.isOpened():
        raise DataError(f"{path}: OpenCV cannot write MJPEG into AVI here")
    for index in range(round(seconds * _FPS)):
        writer.write(cv2.cvtColor(scene.draw(index / _FPS), cv2.COLOR_RGB2BGR))
    writer.release()
    return path
