"""The pictures of labelled frames, opened one after the other; a video is decoded once, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np

from convert.faces.finder import FaceFinder, read_picture
from convert.faces.records import LabelledFrame
from convert.faces.videos import read_video
from edge.values import Detection, UInt8Array

_AROUND = 0.6  # of a given box's longer side, on each side: room for the detector


def open_frames(frames: Iterable[LabelledFrame]) -> Iterator[tuple[LabelledFrame, UInt8Array | None]]:
    """Each frame with its pixels uint8 (H, W, 3) RGB, or None where its video ends before it or it is damaged.

    Args:
        frames: those of one video together and in order, as the readers give them.

    Raises:
        DataError: a picture or video is missing or unreadable.
    """
    for video, together in groupby(frames, lambda frame: None if frame.frame is None else frame.path):
        if video is None:
            for frame in together:
                yield frame, read_picture(frame.path, frame.where)
            continue
        listed = list(together)
        numbers = sorted({frame.frame for frame in listed if frame.frame is not None})
        decoded = read_video(video, numbers)
        now: tuple[int, UInt8Array] | None = next(decoded, None)
        for frame in sorted(listed, key=lambda frame: frame.frame or 0):
            while now is not None and now[0] < (frame.frame or 0):
                now = next(decoded, None)
            yield frame, now[1] if now is not None and now[0] == frame.frame else None


def find_labelled(finder: FaceFinder, frame: LabelledFrame, pixels: UInt8Array) -> Detection | None:
    """The face that the label is about: near the box or landmarks the data set gives, else the picture's own.

    Args:
        finder: of the device's detector.
        frame: whose face it is.
        pixels: its picture, uint8 (H, W, 3), RGB.

    Returns:
        The face in pixels of the picture, or None.
    """
    box = frame.box_px
    if box is None and frame.landmarks_px is not None:
        low, high = frame.landmarks_px.min(axis=0), frame.landmarks_px.max(axis=0)
        box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    if box is None:
        return finder.find(pixels)
    height, width = pixels.shape[:2]
    around = _AROUND * max(box[2] - box[0], box[3] - box[1], 1.0)
    left, top = max(int(box[0] - around), 0), max(int(box[1] - around), 0)
    right, bottom = min(int(box[2] + around) + 1, width), min(int(box[3] + around) + 1, height)
    if right - left < 2 or bottom - top < 2:
        return None
    face = finder.find(np.ascontiguousarray(pixels[top:bottom, left:right]))
    if face is None:
        return None
    x1, y1, x2, y2 = face.box_px
    return Detection(
        box_px=(x1 + left, y1 + top, x2 + left, y2 + top),
        score=face.score,
        landmarks_px=(face.landmarks_px + np.array([left, top])).astype(np.float32),
    )
