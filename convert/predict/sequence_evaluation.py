"""A bundle against labelled frames of a data set: pictures one by one, clips as the device would watch them.

Of a clip, one frame a step of the bundle's time grid is looked at. `frame` is the backbone's answer to it; `stream` the
head's, whose state has followed the clip so far. Where no face is found both keep their last answer, as the device
holds a missing step. Steps before the head is warm are scored for neither, so that both answer to the same labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import msgspec
import numpy as np

from convert.errors import DataError
from convert.faces.finder import FaceFinder, cut_face
from convert.faces.pixels import find_labelled, open_frames
from convert.faces.records import LabelledFrame
from convert.predict.evaluation import NS, Device, Evaluation, compare, embed_crop
from edge.affect.stream import StreamState
from edge.values import Float32Array


class SetEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle's agreement with a data set.

    Attributes:
        found: the agreement; intervals draw whole groups.
        groups: persons or videos behind it.
        not_scored: frames left out, by reason.
    """

    found: Evaluation
    groups: int
    not_scored: dict[str, int]


class _Scored:
    """Collects answers with what was rated."""

    def __init__(self) -> None:
        self.rated: list[tuple[float, float]] = []
        self.answers: list[Float32Array] = []
        self.groups: list[str] = []
        self.faces = 0
        self.not_scored: Counter[str] = Counter()

    def add(self, frame: LabelledFrame, answer: Float32Array, *, face: bool) -> None:
        self.rated.append((frame.valence, frame.arousal))
        self.answers.append(answer)
        self.groups.append(frame.group)
        self.faces += face


def evaluate_frames(
    frames: Iterable[LabelledFrame], device: Device, finder: FaceFinder, *, advance: Callable[[], None] = lambda: None
) -> SetEvaluation:
    """Scores and compares.

    Args:
        frames: those of one clip together, in order, as the readers give them.
        device: the bundle.
        finder: of the device's detector.
        advance: called for each frame, looked at or not.

    Raises:
        DataError: a picture or video is missing or unreadable, or no frame could be scored.
    """
    scored = _Scored()
    for clip, together in groupby(frames, lambda frame: frame.clip):
        if clip is None:
            _score_pictures(together, device, finder, scored, advance)
        else:
            _score_clip(_on_grid(together, device, scored, advance), device, finder, scored)
    if not scored.rated:
        why = ", ".join(f"{count} {reason}" for reason, count in scored.not_scored.items()) or "no frames"
        raise DataError(f"nothing could be scored: {why}")
    rated = np.array(scored.rated, np.float32)
    found = compare(rated, np.stack(scored.answers), scored.faces, groups=scored.groups)
    return SetEvaluation(found=found, groups=len(set(scored.groups)), not_scored=dict(scored.not_scored))


def _score_pictures(
    frames: Iterable[LabelledFrame],
    device: Device,
    finder: FaceFinder,
    scored: _Scored,
    advance: Callable[[], None],
) -> None:
    crop = device.manifest.crop
    for frame, pixels in open_frames(frames):
        advance()
        if pixels is None:
            scored.not_scored["the video ends before the frame"] += 1
            continue
        face = find_labelled(finder, frame, pixels)
        scored.add(frame, device.answer(cut_face(pixels, face, crop.size, crop.rule)), face=face is not None)


def _on_grid(
    frames: Iterable[LabelledFrame], device: Device, scored: _Scored, advance: Callable[[], None]
) -> Iterator[LabelledFrame]:
    last: int | None = None
    for frame in frames:
        advance()
        slot = device.stream.slot(_ns(frame))
        if last is not None and slot <= last:
            scored.not_scored["between two steps of the time grid"] += 1
            continue
        last = slot
        yield frame


def _score_clip(frames: Iterable[LabelledFrame], device: Device, finder: FaceFinder, scored: _Scored) -> None:
    crop = device.manifest.crop
    state: StreamState | None = None
    held: Float32Array | None = None
    for frame, pixels in open_frames(frames):
        if pixels is None:
            scored.not_scored["the video ends before the frame"] += 1
            continue
        face = find_labelled(finder, frame, pixels)
        if face is not None:
            seen = embed_crop(device.backbone, cut_face(pixels, face, crop.size, crop.rule), captured_ns=_ns(frame))
            (score,), (state,) = device.stream.step([seen], [state])
            warm = np.array([seen.va, (score.valence, score.arousal)], np.float32)
            held = warm if score.warm else None
        if held is None:
            scored.not_scored["before the head was warm" if state is not None else "before the first face"] += 1
        else:
            scored.add(frame, held, face=face is not None)


def _ns(frame: LabelledFrame) -> int:
    return round((frame.time_s or 0.0) * NS)
