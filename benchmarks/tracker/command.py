"""`python -m benchmarks tracker`: how well faces are followed, and how many visits are counted."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convert.errors import DataError
from convert.progress import Progress

if TYPE_CHECKING:
    from benchmarks.tracker.crowd import Seen
    from benchmarks.tracker.play import Played

CHECKOUT = Path(__file__).resolve().parents[2]
_FACES = (1, 4, 8, 16)
_ROUNDS = 8  # of timing


def tracker(
    runs: Annotated[int, typer.Option("--runs", min=1, help="Runs of each drawn scene.")] = 40,
    seed: Annotated[int, typer.Option("--seed", help="Of the first run. Choices were made on 0 to 19.")] = 1000,
    other: Annotated[
        Path | None, typer.Option("--other", help="Another checkout that is measured on the same scenes.")
    ] = None,
    docs: Annotated[Path | None, typer.Option("--docs", help="Folder that gets tracker.json and tracker.md.")] = None,
) -> None:
    """Follow faces in drawn crowds and labelled clips; judge tracks and count visits against people.

    Example: python -m benchmarks tracker --other ../before --docs docs
    """
    from benchmarks.record import describe_origin, read_load, write_record
    from benchmarks.tracker.clips import LABELS, detect_drawn, label_frames, read_labels
    from benchmarks.tracker.crowd import detect
    from benchmarks.tracker.record import Tracker, judge_runs, render_page
    from benchmarks.tracker.scenes import SCENES, draw_scene
    from edge.config import Config
    from edge.face.search import Search

    load, checkouts = read_load(), [CHECKOUT, *([other] if other else [])]
    scenes, clips = {}, {}
    with Progress("tracker", len(SCENES), every=1) as progress:
        for name in SCENES:
            drawn = [draw_scene(name, seed + run) for run in range(runs)]
            frames = [detect(crowd, rng) for crowd, rng in drawn]
            size = drawn[0][0].camera[:2]
            scenes[name] = [judge_runs(frames, play_all(frames, size, place)) for place in checkouts]
            progress.advance()
    for path in sorted(LABELS.glob("*.csv")):
        seen = [label_frames(read_labels(path))]
        clips[path.stem] = [judge_runs(seen, play_all(seen, (960, 540), place)) for place in checkouts]
    config = Config()
    seen = [detect_drawn(Search(config.face, config.engine))]
    clips["the drawn scene"] = [judge_runs(seen, play_all(seen, (640, 480), place)) for place in checkouts]
    record = Tracker(
        **describe_origin("", load_before=load),
        other=_commit(other) if other else "",
        seeds=(seed, seed + runs - 1),
        scenes=scenes,
        clips=clips,
        faces_us={str(count): time_all(count, checkouts) for count in _FACES},
    )
    page = render_page(record)
    if docs is not None:
        write_record(record, docs / "tracker.json")
        (docs / "tracker.md").write_text(page, encoding="utf-8")
    print(page)


def play_all(runs: Sequence[Sequence[Seen]], frame_px: tuple[int, int], checkout: Path) -> list[Played]:
    """Follows the detections of several runs with the tracker and visits of a checkout.

    Raises:
        DataError: that checkout's tracker does not run.
    """
    from benchmarks.tracker.play import Played

    asked = [([(frame.at_s, frame.boxes, frame.scores) for frame in run], frame_px) for run in runs]
    worker = Path(__file__).with_name("play.py")
    done = subprocess.run(
        [sys.executable, str(worker)], cwd=checkout, input=pickle.dumps(asked), stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise DataError(f"{checkout}: its tracker does not run; see above")
    return [Played(*played) for played in pickle.loads(done.stdout)]  # noqa: S301 - from our own child


def time_all(faces: int, checkouts: Sequence[Path]) -> list[float]:
    """Microseconds a frame of so many faces that sway, in turns: the median of each checkout's rounds."""
    import numpy as np

    from benchmarks.tracker.crowd import STEP_S, Seen

    rng = np.random.default_rng(faces)
    x, y = 60 + 70.0 * (np.arange(faces) % 8), 100 + 90.0 * (np.arange(faces) // 8)
    frames = []
    for step in range(300):
        u, v = x + 4 * np.sin(step / 9 + x) + rng.normal(0, 0.5, faces), y + rng.normal(0, 0.5, faces)
        boxes = [(float(a), float(b), float(a) + 50, float(b) + 50) for a, b in zip(u, v, strict=True)]
        frames.append(Seen(step * STEP_S, {}, boxes, [0.9] * faces))
    spent = [[float(np.median(play_all([frames], (640, 480), place)[0].spent_us)) for place in checkouts]
             for _ in range(_ROUNDS)]  # fmt: skip
    return [round(float(value), 1) for value in np.median(spent, axis=0)]


def _commit(checkout: Path) -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short=10", "HEAD"], cwd=checkout, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or checkout.name
