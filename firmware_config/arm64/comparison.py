"""What two machines made of one video, side by side: their windows, and their scores step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

TOLERANCE = 0.02  # of valence and arousal, −1..1: twice what a window's rounding can do alone
AXES = ("valence", "arousal")
# What has to be equal in a window: counts and reasons. `id` and `model` are the file's and the bundle's.
COUNTED = ("start", "end", "partial", "visits", "peak_simultaneous", "unscored_visits", "suppressed", "model")
# As many digits as both sides' outputs have: what a difference of two decimals shows beyond is its own rounding.
_WINDOW_DIGITS, _STEP_DIGITS = 2, 4

Row = Mapping[str, Any]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One video on both machines.

    Attributes:
        clip: which, in words.
        sha256: of the file.
        windows, steps, faces: how many both made; of the reference where they differ.
        visits, peak_simultaneous: in all windows together; the most in any.
        scored_windows: that carry scores: the others had too few visits.
        window_max: largest difference of a window's mean or standard deviation, by axis.
        step_max, step_mean: largest and mean difference of a score, by axis.
        different: what is not the same, in words; empty when all is well.
    """

    clip: str
    sha256: str
    windows: int
    steps: int
    faces: int
    visits: int
    peak_simultaneous: int
    scored_windows: int
    window_max: dict[str, float]
    step_max: dict[str, float]
    step_mean: dict[str, float]
    different: list[str]


def compare(
    clip: str, sha256: str, *, windows: tuple[Sequence[Row], Sequence[Row]], steps: tuple[Sequence[Row], Sequence[Row]]
) -> Comparison:
    """Compares what two machines made of one video.

    Args:
        clip, sha256: of the video.
        windows: the reference's and the other's, as `replay` prints them.
        steps: the reference's and the other's, as `replay --scores` writes them.
    """
    reference, other = windows
    scored = [(a, b) for a, b in zip(reference, other, strict=False) if a["valence"] and b["valence"]]
    window_max = {
        axis: _most(abs((a[axis][key] or 0) - (b[axis][key] or 0)) for a, b in scored for key in ("mean", "std"))
        for axis in AXES
    }
    here, there = _by_step(steps[0]), _by_step(_renumber(*steps))
    shared = sorted(here.keys() & there.keys())
    gaps = {axis: [abs(here[key][axis] - there[key][axis]) for key in shared] for axis in AXES}
    return Comparison(
        clip=clip,
        sha256=sha256,
        windows=len(reference),
        steps=len(here),
        faces=_faces(here.values()),
        visits=sum(window["visits"] for window in reference),
        peak_simultaneous=max((window["peak_simultaneous"] for window in reference), default=0),
        scored_windows=len(scored),
        window_max={axis: round(gap, _WINDOW_DIGITS) for axis, gap in window_max.items()},
        step_max={axis: round(_most(gap), _STEP_DIGITS) for axis, gap in gaps.items()},
        step_mean={axis: round(sum(gap) / len(gap), _STEP_DIGITS) if gap else 0.0 for axis, gap in gaps.items()},
        different=[
            *_counts(reference, other),
            *_missing(here, there),
            *_beyond("window", {axis: round(gap, _WINDOW_DIGITS) for axis, gap in window_max.items()}),
            # One step may swing further, see decision 40; no single step is ever sent.
            *_beyond("mean of the steps", {axis: sum(gap) / len(gap) for axis, gap in gaps.items() if gap}),
        ],
    )


def _counts(reference: Sequence[Row], other: Sequence[Row]) -> list[str]:
    if not reference:
        return ["windows: none at all"]
    said = [] if len(reference) == len(other) else [f"windows: {len(reference)} here, {len(other)} on arm64"]
    for number, (a, b) in enumerate(zip(reference, other, strict=False), 1):
        said += [
            f"window {number}: {key} is {a[key]!r} here, {b[key]!r} on arm64" for key in COUNTED if a[key] != b[key]
        ]
    return said


def _missing(here: Mapping[tuple[int, int], Row], there: Mapping[tuple[int, int], Row]) -> list[str]:
    if not here:
        return ["steps: none at all"]
    said = []
    if (a := _faces(here.values())) != (b := _faces(there.values())):
        said.append(f"faces: {a} here, {b} on arm64")
    if only := len(here.keys() - there.keys()):
        said.append(f"steps: {only} of {len(here)} only here")
    if only := len(there.keys() - here.keys()):
        said.append(f"steps: {only} of {len(there)} only on arm64")
    cold = sum(here[key]["warm"] != there[key]["warm"] for key in here.keys() & there.keys())
    return [*said, *([f"steps: {cold} warm on one machine only"] if cold else [])]


def _beyond(what: str, gaps: Mapping[str, float]) -> list[str]:
    return [f"{what}: {axis} differs by {gap:.4f}" for axis, gap in gaps.items() if gap > TOLERANCE]


def _by_step(rows: Iterable[Row]) -> dict[tuple[int, int], Row]:
    return {(row["frame"], row["track"]): row for row in rows}


def _renumber(reference: Sequence[Row], other: Sequence[Row]) -> list[Row]:
    """The other's steps with the reference's track numbers.

    Faces that are first seen in one frame are numbered by how sure the detector is of them, and two of them may be that
    to a rounding. So tracks belong together that share most frames, and of those whose scores are closest.
    """
    ours, theirs = _by_track(reference), _by_track(other)
    close = sorted((_apart(one, two), mine, its) for mine, one in ours.items() for its, two in theirs.items())
    numbers: dict[int, int] = {}
    for _, mine, its in close:
        if its not in numbers and mine not in numbers.values():
            numbers[its] = mine
    # Whoever has no partner gets a number that nobody has, and so is found to be one too many.
    return [{**row, "track": numbers.get(row["track"], -row["track"] - 1)} for row in other]


def _by_track(rows: Iterable[Row]) -> dict[int, dict[int, Row]]:
    tracks: dict[int, dict[int, Row]] = {}
    for row in rows:
        tracks.setdefault(row["track"], {})[row["frame"]] = row
    return tracks


def _apart(one: Mapping[int, Row], two: Mapping[int, Row]) -> tuple[int, float]:
    """How many frames only one of two tracks has, and how far apart their scores are in the others."""
    shared = one.keys() & two.keys()
    return len(one.keys() ^ two.keys()), sum(abs(one[at][axis] - two[at][axis]) for at in shared for axis in AXES)


def _faces(rows: Iterable[Row]) -> int:
    return len({row["track"] for row in rows})


def _most(values: Iterable[float]) -> float:
    return max(values, default=0.0)
