"""The page of all files."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import cv2

from benchmarks.videos.measure import SCORE_OFF, Result, Scores

_HEAD = """# Video files that can be replayed

Written by `python -m benchmarks videos`; run it again with another OpenCV. One clip of the drawn scene, {seconds} s
long, was written to {count} files with FFmpeg {ffmpeg} and replayed with OpenCV {opencv}. Each has to be scored as its
plain twin, within {off} in the means of valence and arousal over all scored faces and steps, or to be refused with exit
code 6 and what to do.

- **Time is the file's.** Variable rates, offsets and pauses count as they stand in the time stamps. A bare stream has
  none: 25 frames a second are assumed.
- **Pixels become squares, and pictures are turned and mirrored as an MP4 or MOV file says.** In other containers turns
  by quarters are followed. An orientation that stands only in the coded stream (SEI) is not.
- **Interlaced video is refused**: OpenCV {opencv} gives zeros or old memory for it and calls that a good frame.
- **AV1 is refused** where OpenCV's FFmpeg has no decoder for it, as in the wheels of PyPI.

`off` is the mean difference to the twin's pictures in grey levels of 0 to 255: what the codec loses.

| file | | frames | off | valence | arousal | twin | |
|---|---|---|---|---|---|---|---|
"""


def render(results: Sequence[Result]) -> str:
    """The page, Markdown."""
    from benchmarks.videos.recipes import SECONDS

    version = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    head = _HEAD.format(
        seconds=SECONDS, count=len(results), ffmpeg=version, opencv=cv2.__version__, off=f"{SCORE_OFF:g}"
    )
    if all(result.scores is None for result in results):
        head = head.replace("\n\n", "\n\n**Only pictures were compared in this run; no scores were made.**\n\n", 1)
    rows = [_row(result) for result in results]
    refusals = [f"- `{result.recipe.name}`: {_anonymous(result.refused)}" for result in results if result.refused]
    return head + "\n".join(rows) + "\n\n## What is said of those that are refused\n\n" + "\n".join(refusals) + "\n"


def _row(result: Result) -> str:
    recipe = result.recipe
    verdict = "as its twin" if result.held else "**wrong**"
    shown = result
    if result.refused:
        verdict = "refused" if result.held else "**refused, wrong**"
        if result.cured is not None:
            verdict += "; converted as told, as its twin" if result.cured.held else "; **converted as told, wrong**"
            shown = result.cured
    off = "" if shown.picture_off is None else f"{shown.picture_off:.1f}"
    valence, arousal = _means(shown.scores)
    frames = str(shown.frames) if shown.frames else ""
    return (
        f"| `{recipe.name}` | {recipe.title} | {frames} | {off} | {valence} | {arousal} | `{recipe.twin}` | {verdict} |"
    )


def _means(scores: Scores | None) -> tuple[str, str]:
    return ("", "") if scores is None else (f"{scores.valence:+.3f}", f"{scores.arousal:+.3f}")


def _anonymous(said: str) -> str:
    """A refusal without the folder that this run made its files in."""
    words = said.replace("affect-edge: ", "").split(" ")
    return " ".join(word.rpartition("/")[2] if word.startswith("/") else word for word in words)
