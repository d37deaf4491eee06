"""`python -m benchmarks privacy`: how often the release rule releases whom, and what attacks get out of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer

from convert.progress import Progress


def privacy(
    windows: Annotated[int, typer.Option("--windows", help="Windows of 15 minutes a scene; eight make one run.")] = 200,
    trials: Annotated[int, typer.Option("--trials", help="Trials of the newcomer's attack, for each crowd.")] = 1000,
    work: Annotated[
        Path, typer.Option("--work", help="Folder that keeps what was played; a second call goes on there.")
    ] = Path("out/privacy"),
    docs: Annotated[
        Path | None, typer.Option("--docs", help="Folder that gets privacy-bench.json and privacy-bench.md.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, not the page.")] = False,
) -> None:
    """Simulate visitors through the tracker, the visits and the release rule, and attack what is released.

    Example: python -m benchmarks privacy --docs docs
    """
    import msgspec

    import edge.affect
    import edge.face.tracker
    from benchmarks.privacy.play import RUN_WINDOWS, Played, play_run
    from benchmarks.privacy.record import make_record, render_page, shorten
    from benchmarks.privacy.scenes import SCENES
    from edge.affect.release import Rule

    rule, runs = Rule(), -(-windows // RUN_WINDOWS)
    sources = [Path(__file__).parent / f"{name}.py" for name in ("play", "scenes", "world")]
    sources += [Path(edge.affect.__path__[0]) / f"{name}.py" for name in
                ("presence", "release", "residents", "summary", "visits")]  # fmt: skip
    sources.append(Path(str(edge.face.tracker.__file__)))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    folder = work / digest.hexdigest()[:12]  # whatever is played by other code is played again
    folder.mkdir(parents=True, exist_ok=True)
    played: dict[str, list[Played]] = {}
    with Progress("privacy", runs * len(SCENES), every=25) as progress:
        for name, scene in SCENES.items():
            for run in range(runs):
                kept = folder / f"{name}-{run}.json"
                if not kept.exists():
                    fresh = kept.with_suffix(".new")
                    fresh.write_bytes(msgspec.json.encode(play_run(scene, name, run, rule)))
                    fresh.replace(kept)
                played.setdefault(name, []).extend(msgspec.json.decode(kept.read_bytes(), type=list[Played]))
                progress.advance()
    record = make_record({name: all_[:windows] for name, all_ in played.items()}, rule, trials=trials)
    if docs is not None:
        (docs / "privacy-bench.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (docs / "privacy-bench.md").write_text(render_page(record), encoding="utf-8")
    print(json.dumps(shorten(record), indent=1) if as_json else render_page(record))
