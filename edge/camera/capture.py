"""The one way to a `cv2.VideoCapture`: quiet, and with files confined to the file system.

OpenCV and FFmpeg write to the process's stderr by themselves; here it belongs to the program.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import cv2
import numpy as np
from cv2.typing import MatLike

from edge.values import UInt8Array

# Read by FFmpeg's part of OpenCV when it is first used; −8 is AV_LOG_QUIET. Someone who debugs may set it first.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
_SILENT = 0  # LOG_LEVEL_SILENT
# A playlist is a file too, but must not make FFmpeg open an address that it names.
_LOCAL_ONLY = "protocol_whitelist;file"


def open_capture(source: str, api: int, options: Mapping[int, int] | None = None) -> cv2.VideoCapture:
    """Opens a device or file; ask `isOpened` whether that worked.

    Args:
        source: path of the device or file.
        api: `cv2.CAP_V4L2` or `cv2.CAP_FFMPEG`.
        options: properties to open with, by their `cv2.CAP_PROP_` numbers.
    """
    _silence()
    before = os.environ.get("OPENCV_FFMPEG_CAPTURE_OPTIONS")
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = _LOCAL_ONLY
    try:
        return cv2.VideoCapture(source, api, [number for pair in (options or {}).items() for number in pair])
    finally:
        if before is None:
            del os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"]
        else:
            os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = before


def _silence() -> None:
    # OpenCV 5.0 has it in `cv2.utils.logging`, 4.11 only as `cv2.setLogLevel` (both tried in November 2026).
    module = getattr(cv2.utils, "logging", cv2)
    module.setLogLevel(_SILENT)


def to_rgb(pixels: MatLike) -> UInt8Array:
    """OpenCV's picture, uint8 (H, W, 3) BGR, as uint8 (H, W, 3) RGB."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
