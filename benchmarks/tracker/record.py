"""What the benchmark found, as one JSON document, and the page that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.record import Record
from benchmarks.tracker.crowd import Seen
from benchmarks.tracker.judge import Counting, judge_tracks, judge_visits, split_stays
from benchmarks.tracker.play import REENTRY_S, Played
from benchmarks.tracker.scenes import SCENES


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of a scene by one checkout: means of HOTA and IDF1, sums of the rest.

    Attributes:
        hota, idf1, switches: of the tracks.
        visits_hota, visits_idf1: of the visits.
        counting: visits against people.
    """

    hota: float
    idf1: float
    switches: int
    visits_hota: float
    visits_idf1: float
    counting: Counting


class Tracker(Record, frozen=True, kw_only=True):
    """The measurement.

    Attributes:
        other: the commit of the checkout that was measured beside this one; "" for none.
        seeds: first and last of the drawn scenes.
        scenes, clips: results by name, of this checkout and of the other one.
        faces_us: microseconds a frame for tracker and visits by number of faces, of both.
    """

    other: str
    seeds: tuple[int, int]
    scenes: dict[str, list[Result]]
    clips: dict[str, list[Result]]
    faces_us: dict[str, list[float]]


def judge_runs(frames: Sequence[Sequence[Seen]], played: Sequence[Played]) -> Result:
    """Judges the runs of one scene, all with the same number of frames in and out."""
    tracks, visits, counts = [], [], []
    for seen, run in zip(frames, played, strict=True):
        stays = split_stays([frame.truth for frame in seen], [frame.at_s for frame in seen], REENTRY_S)
        tracks.append(judge_tracks([frame.truth for frame in seen], run.tracks))
        visits.append(judge_tracks(stays, run.visits))
        counts.append(judge_visits(stays, run.visits))
    return Result(
        hota=_mean([judged.hota for judged in tracks]),
        idf1=_mean([judged.idf1 for judged in tracks]),
        switches=sum(judged.switches for judged in tracks),
        visits_hota=_mean([judged.hota for judged in visits]),
        visits_idf1=_mean([judged.idf1 for judged in visits]),
        counting=Counting(*(sum(values) for values in zip(*counts, strict=True))),
    )


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)


def render_page(record: Tracker) -> str:
    """The page, in Markdown, from the record alone."""
    (first, last), times = record.seeds, record.faces_us
    head = "| | people | visits | double | missed | of nobody | mixed | HOTA | IDF1 | switches | visits' IDF1 |\n"
    head += "| --- |" + " ---: |" * 10 + "\n"
    spent = "; ".join(f"{n}: {_both(us, '{:.0f}')} µs" for n, us in times.items())
    return (Path(__file__).parent / "page.md").read_text(encoding="utf-8").format(
        runs=last - first + 1, first=first, last=last, spent=spent,
        scenes=head + _rows({SCENES[name].says: results for name, results in record.scenes.items()}),
        clips=head + _rows(record.clips),
        other=f" Before the arrow: commit {record.other}." if record.other else "",
        affect_edge=record.affect_edge, commit=record.commit, date=record.date,
    )  # fmt: skip


def _rows(results: Mapping[str, Sequence[Result]]) -> str:
    lines = []
    for name, pair in results.items():
        counts = [result.counting for result in pair]
        whole = [
            [count.visits for count in counts], [count.double for count in counts], [count.missed for count in counts],
            [count.false for count in counts], [count.mixed for count in counts],
        ]  # fmt: skip
        cells = [_both(values, "{}") for values in whole]
        cells += [_both([getattr(result, key) for result in pair], "{:.3f}") for key in ("hota", "idf1")]
        cells.append(_both([result.switches for result in pair], "{}"))
        cells.append(_both([result.visits_idf1 for result in pair], "{:.3f}"))
        lines.append(f"| {name} | {counts[0].people} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _both(values: Sequence[float], form: str) -> str:
    """The other checkout's value, an arrow and this one's; `values` begins with this one's."""
    return " → ".join(form.format(value) for value in reversed(values))
