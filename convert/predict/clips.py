"""Clips and acts as the device would watch them: every step of the time grid is looked at, rated or not.

Where no face is found both answers keep their last value, as the device holds a missing step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from convert.faces.finder import FaceFinder, cut_face, read_picture
from convert.faces.pictures import find_near, open_pictures
from convert.faces.videos import frame_at, frame_times, read_video
from convert.metrics import TARGETS, ccc
from convert.predict.corruption import CLEAN
from convert.predict.evaluation import ANSWERS, NS, Device
from convert.predict.table import hash_graphs, make_predictions
from edge.affect.stream import StreamState
from edge.model.bundle import Bundle
from edge.values import FaceCrop, Float32Array, UInt8Array

_WEIGHTS = np.concatenate([np.arange(0.04, 0.2, 0.02), np.arange(0.2, 1.01, 0.05)])  # of the newest answer
_LEAD_IN = 2  # warm-ups before the first rating


def predict_set(
    bundle: Bundle, faces: pd.DataFrame, finder: FaceFinder, *, advance: Callable[[], None] = lambda: None
) -> pd.DataFrame:
    """`frame` and `stream` of all rows of a data set: its clips as `predict_clips`, its pictures one by one.

    Where no face is found in a picture, the whole of it is scored.

    Args:
        bundle: whose graphs are run as the device runs them.
        faces: a face table.
        finder: of the device's detector.
        advance: called after each picture and clip.

    Raises:
        DataError: a picture or video is missing or unreadable.
    """
    stills, clips = (faces[faces["clip"].eq("") == still].reset_index(drop=True) for still in (True, False))
    device, rows = Device(bundle), []
    crop = device.manifest.crop
    for row, pixels in open_pictures(stills):
        if pixels is not None:
            face = find_near(finder, pixels, stills.at[row, "box_px"])
            for answer, va in zip(ANSWERS, device.answer(cut_face(pixels, face, crop.size, crop.rule)), strict=True):
                rows.append((stills.at[row, "id"], CLEAN, answer, *va, face is not None, None))
        advance()
    said = make_predictions(rows, hash_graphs(bundle.manifest))
    if clips.empty:
        return said
    return pd.concat([said, predict_clips(bundle, clips, finder, advance=advance)], ignore_index=True)


class Step(NamedTuple):
    """One step of a face.

    Attributes:
        row: of the face table that was rated at it, or −1.
        frame, stream: (valence, arousal); NaN before the first face, the stream's before it is warm.
        vector: the embedding, or None where no face was found.
    """

    row: int
    frame: tuple[float, float]
    stream: tuple[float, float]
    vector: Float32Array | None


def follow(device: Device, steps: Iterable[tuple[int, int, UInt8Array | None]]) -> Iterator[Step]:
    """The device's answers to one face.

    Args:
        device: the bundle.
        steps: (number on the time grid, row, crop uint8 (S, S, 3) RGB or None), in order of time.
    """
    step_ns = round(device.manifest.step_s * NS)
    state: StreamState | None = None
    frame = stream = (np.nan, np.nan)
    for slot, row, crop in steps:
        vector = None
        if crop is not None:
            seen = device.backbone.embed(FaceCrop(track_id=0, pixels=crop, captured_ns=slot * step_ns))
            (score,), (state,) = device.stream.step([seen], [state])
            (valence, arousal), vector = seen.va, seen.vector
            frame = valence, arousal
            stream = (score.valence, score.arousal) if score.warm else (np.nan, np.nan)
        yield Step(row, frame, stream, vector)


def predict_clips(
    bundle: Bundle, faces: pd.DataFrame, finder: FaceFinder, *, advance: Callable[[], None] = lambda: None
) -> pd.DataFrame:
    """`frame`, `stream` and `average` at the rated frames of clips; see `convert.predict.table`.

    Args:
        bundle: whose graphs are run as the device runs them.
        faces: rows with a `clip`; one clip is one face over time.
        finder: of the device's detector.
        advance: called after each clip.

    Raises:
        DataError: a picture or video is missing or unreadable.
    """
    device = Device(bundle)
    series = []
    faces = faces.reset_index(drop=True)
    for _, clip in faces.groupby("clip", sort=False):
        series.append(list(follow(device, _watch(clip.sort_values("time_s"), device, finder))))
        advance()
    return tabulate(faces, series, hash_graphs(bundle.manifest))


def tabulate(faces: pd.DataFrame, series: list[list[Step]], bundle: str) -> pd.DataFrame:
    """The predictions of followed faces; the average is the best that any one weight gives on these ratings."""
    answers = [np.array([[step.frame, step.stream] for step in steps], np.float32) for steps in series]
    rated = faces[list(TARGETS)].to_numpy(np.float32)
    at = [np.array([step.row for step in steps]) for steps in series]
    best = np.stack([_best_average(answers, at, rated, column) for column in range(2)], axis=1)
    table: list[tuple[Any, ...]] = []
    n = 0
    for steps, rows in zip(series, at, strict=True):
        for step, row in zip(steps, rows, strict=True):
            if row >= 0:
                name, found = faces.at[row, "id"], step.vector is not None
                table.append((name, CLEAN, "frame", *step.frame, found, step.vector))
                table.append((name, CLEAN, "stream", *step.stream, found, None))
                table.append((name, CLEAN, "average", *best[n], found, None))
            n += 1
    return make_predictions(table, bundle)


def smooth(answers: Float32Array, weight: float) -> Float32Array:
    """Exponential average of (T,), beginning with the first answer that is a number."""
    out = answers.copy()
    for step in range(1, len(out)):
        if not np.isnan(out[step - 1]):
            out[step] = weight * answers[step] + (1 - weight) * out[step - 1]
    return out


def _best_average(answers: list[Float32Array], at: list[Any], rated: Float32Array, column: int) -> Float32Array:
    """Of all steps, with the weight that agrees best at the rated ones where the stream is warm."""
    rows = np.concatenate(at)
    warm = ~np.isnan(np.concatenate([each[:, 1, column] for each in answers])) & (rows >= 0)
    truth = rated[rows, column]
    counts = warm & ~np.isnan(truth)

    def average(weight: float) -> Float32Array:
        return np.concatenate([smooth(each[:, 0, column], weight) for each in answers])

    if not counts.any():
        return average(1.0)
    return max((average(float(w)) for w in _WEIGHTS), key=lambda said: ccc(truth[counts], said[counts]))


def _watch(clip: pd.DataFrame, device: Device, finder: FaceFinder) -> Iterator[tuple[int, int, UInt8Array | None]]:
    """The crops of one face, step by step."""
    crop, box = device.manifest.crop, clip["box_px"].iloc[0]
    for slot, row, pixels in _open(clip, device):
        own = clip.at[row, "box_px"] if row >= 0 else None
        face = find_near(finder, pixels, box if own is None else own)
        if face is not None and box is not None:
            box = face.box_px
        yield slot, row, None if face is None else cut_face(pixels, face, crop.size, crop.rule)


def _open(clip: pd.DataFrame, device: Device) -> Iterator[tuple[int, int, UInt8Array]]:
    """Number on the grid, row and picture, of a video's steps from before the first rating to the last one."""
    slots = {device.stream.slot(round(float(time) * NS)): row for row, time in clip["time_s"].items()}
    if clip["frame"].isna().any():  # a folder of pictures has no others
        for slot, row in slots.items():
            yield slot, row, read_picture(Path(clip.at[row, "picture"]), clip.at[row, "where"])
        return
    video = Path(clip["picture"].iloc[0])
    times, step_s = frame_times(video), device.manifest.step_s
    first = max(min(slots) - _LEAD_IN * device.manifest.warmup_steps, 0)
    between = (slot for slot in reversed(range(first, max(slots))) if slot not in slots)
    visited = {frame_at(times, slot * step_s): (slot, -1) for slot in between}  # of several steps the first
    visited |= {int(clip.at[row, "frame"]): (slot, row) for slot, row in slots.items()}
    for frame, pixels in read_video(video, sorted(visited)):
        yield *visited[frame], pixels
