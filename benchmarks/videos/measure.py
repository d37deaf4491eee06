"""What the device makes of each file: its pictures beside the clip's, its scores beside its twin's."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.videos.recipes import FPS, RECIPES, Recipe, draw_clip, make
from convert.progress import Progress
from edge.errors import CameraError, FrameError
from edge.values import UInt8Array
from edge.video_file import VideoFile

SCORE_OFF = 0.02  # how far a mean may be from the twin's
PICTURE_OFF = 8.0  # grey levels, the mean over all pixels and frames; codecs that lose much stay below 5
_SHAPE_OFF = 0.02  # ratio of width and height
_REFUSED = 6  # exit code of a video that cannot be used


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Means over all scored faces and steps, and how many there were."""

    steps: int
    valence: float
    arousal: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One file.

    Attributes:
        recipe: how it was made.
        frames: how many came out.
        picture_off: mean difference to the twin's pictures at the same times, grey levels; None when refused.
        scores, twin: of it and of its plain twin; None when refused or not asked for.
        refused: what the device said instead; empty when it played the file.
        cured: after the command in `refused` was run, the same of the file that it made.
        held: whether all is as it should be.
    """

    recipe: Recipe
    frames: int = 0
    picture_off: float | None = None
    scores: Scores | None = None
    twin: Scores | None = None
    refused: str = ""
    cured: Result | None = None
    held: bool = False


def measure_all(recipes: Sequence[Recipe], folder: Path, *, scored: bool) -> list[Result]:
    """Makes the files in `folder` and replays them; with `scored` through the whole device.

    Raises:
        DataError: FFmpeg is missing or cannot make a file.
    """
    clip = folder / "clip.mkv"
    draw_clip(clip)
    by_name = {recipe.name: recipe for recipe in RECIPES}
    names = {recipe.twin for recipe in recipes}
    twins = {name: make(by_name[name], clip, folder) for name in sorted(names)}
    pictures = {name: _pictures(path)[1] for name, path in twins.items()}
    scores = {name: _score(path)[0] if scored else None for name, path in twins.items()}
    results = []
    with Progress("files", len(recipes)) as progress:
        for recipe in recipes:
            path = twins.get(recipe.name) or make(recipe, clip, folder)
            results.append(_measure(recipe, path, pictures[recipe.twin], scores[recipe.twin], scored=scored))
            progress.advance()
    return results


def _measure(
    recipe: Recipe, path: Path, pictures: dict[int, UInt8Array], twin: Scores | None, *, scored: bool, cure: bool = True
) -> Result:
    shown: dict[int, UInt8Array] = {}
    try:
        count, shown = _pictures(path)
        refused = ""
    except CameraError as error:
        refused = str(error)
    scores, said = _score(path) if scored and not refused else (None, refused)
    if refused or said:
        refused = refused or said
        fixed = _cure(refused, path) if cure else None
        cured = _measure(recipe, fixed, pictures, twin, scored=scored, cure=False) if fixed else None
        held = cured.held if cured else "ffmpeg" not in refused
        return Result(recipe=recipe, refused=refused, cured=cured, held=held)
    off = _difference(shown, pictures)
    close = scores is None or twin is None or (
        max(abs(scores.valence - twin.valence), abs(scores.arousal - twin.arousal)) <= SCORE_OFF
    )  # fmt: skip
    return Result(
        recipe=recipe, frames=count, picture_off=off, scores=scores, twin=twin, held=close and off <= PICTURE_OFF
    )


def _pictures(path: Path) -> tuple[int, dict[int, UInt8Array]]:
    """How many frames a file has, and every third by its place in the clip, a half of its size."""
    video, count = VideoFile(path), 0
    kept: dict[int, UInt8Array] = {}
    for _, time_ns in video:
        try:
            picture = video.read()
        except FrameError:
            continue
        count += 1
        number = round(time_ns / 1e9 * FPS)
        if number % 3 == 0:
            kept.setdefault(number, picture)
    video.close()
    return count, kept


def _difference(one: dict[int, UInt8Array], other: dict[int, UInt8Array]) -> float:
    """Mean absolute difference of pictures of the same time, grey levels; infinite where none has the same shape."""
    offs = []
    for number in sorted(set(one) & set(other)):
        first, second = one[number], other[number]
        height, width = second.shape[:2]
        if abs(first.shape[1] / first.shape[0] - width / height) > _SHAPE_OFF:
            return float("inf")
        same = cv2.resize(first, (width, height), interpolation=cv2.INTER_AREA)
        offs.append(float(np.abs(same.astype(np.int16) - second).mean()))
    return float(np.mean(offs)) if offs else float("inf")


def _score(path: Path) -> tuple[Scores | None, str]:
    """Replays a file as a user would: the scores, or one line that says why there are none."""
    out = path.with_suffix(path.suffix + ".jsonl")
    command = [
        sys.executable,
        "-m",
        "edge",
        "replay",
        str(path),
        "--scores",
        str(out),
        "--consent",
        "nobody: drawn faces",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in out.read_text().splitlines()[1:]] if out.exists() else []
    out.unlink(missing_ok=True)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1] if done.returncode == _REFUSED else done.stderr[-500:]
    warm = [line for line in lines if line["warm"]]
    if not warm:
        return Scores(steps=0, valence=float("nan"), arousal=float("nan")), ""
    return (
        Scores(
            steps=len(warm),
            valence=float(np.mean([line["valence"] for line in warm])),
            arousal=float(np.mean([line["arousal"] for line in warm])),
        ),
        "",
    )


def _cure(refused: str, path: Path) -> Path | None:
    """Runs the command that a refusal names; the file that it made, or None where there is no command or no file."""
    at = refused.find("ffmpeg -i ")
    if at < 0:
        return None
    command = shlex.split(refused[at:])
    subprocess.run([command[0], "-nostdin", "-v", "error", "-y", *command[1:]], capture_output=True, check=False)
    made = Path(command[-1])
    return made if made != path and made.exists() else None
