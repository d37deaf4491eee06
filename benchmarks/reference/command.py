"""`python -m benchmarks reference`: everything that a device's folder holds, measured anew, one after the other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

_REPO = Path(__file__).resolve().parents[2]


def reference(
    device_name: Annotated[
        str, typer.Option("--device-name", help="Call this machine so; default: its own name.")
    ] = "",
    faces: Annotated[str, typer.Option("--faces", help="Drawn faces in view, for `device`.")] = "1,2,4,8,16",
    frames: Annotated[int, typer.Option("--frames", min=60, help="Frames of each load, for `device`.")] = 1500,
    sustained: Annotated[int, typer.Option("--sustained", min=0, help="Minutes of work, for `device`.")] = 5,
    rounds: Annotated[int, typer.Option("--rounds", min=6, help="Of `floor` and `peers`.")] = 60,
    with_peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Peers need the `convert` group and the pictures.")
    ] = True,
    data: Annotated[Path, typer.Option("--data", help="Folder of the data sets, for `peers`.")] = Path(
        "../shared/data"
    ),
    teacher: Annotated[
        Path | None, typer.Option("--teacher", help="What `convert teacher` wrote, for `peers`.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder; default: benchmarks/reference/DEVICE.")] = None,
) -> None:
    """Runs `device`, `floor` and `peers` in turn and keeps their results where `report` finds them.

    A new result takes the place of the device's older one of the same bundle. Close what else runs first:
    a note goes into each file when the load average says that others worked.

    Example: python -m benchmarks reference --device-name x86-64 --sustained 30
    """
    from benchmarks.reference.kept import FOLDER, Kind, find_kept, retire_older
    from edge.cli.bench.result import describe_host
    from edge.config import EngineConfig

    folder = (out or FOLDER / describe_host(EngineConfig(), "litert", device_name).device).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    named = ["--device-name", device_name] if device_name else []
    known = ["--teacher", str(teacher.resolve())] if teacher else []
    shown = ["--faces", faces, "--frames", str(frames), "--sustained", str(sustained), "--every-frame"]
    runs: dict[Kind, list[str]] = {
        "bench": ["benchmarks", "device", *shown],
        "floor": ["benchmarks", "floor", "--rounds", str(rounds)],
    }
    if with_peers:
        runs["peers"] = ["benchmarks", "peers", "--rounds", str(rounds), "--data", str(data.resolve()), *known]
    for kind, run in runs.items():
        before = find_kept(folder, kind)
        done = subprocess.run([sys.executable, "-m", *run, *named, "--out", str(folder)], cwd=_REPO, check=False)
        if done.returncode != 0:
            raise typer.Exit(done.returncode)
        retire_older(folder, kind, before)
    print(f"now `python -m benchmarks report`: {folder} holds the results")
