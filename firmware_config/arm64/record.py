"""What `affect-edge` says in one place, this machine or an emulated root: about itself, and about each video."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge.cli.doctor.finding import EXIT_CODES, Finding
from firmware_config.arm64.clip import Clip
from firmware_config.arm64.comparison import Row
from firmware_config.arm64.emulation import Emulation
from firmware_config.errors import PackageError

_RUN_S = 3600.0  # a guard against what hangs
# Short windows, so that a short video makes several; a broker that is not there, since nothing may be sent from here.
CONFIG = """[device]
site = "arm64"
name = "check"
[camera]
backend = "replay"
path = {video}
[window]
window_s = 10
min_people = 3
"""
Call = Callable[[Sequence[str], Sequence[int]], str]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What `affect-edge info` says of the place.

    Attributes:
        system: kernel and architecture.
        python, packages: versions.
        commit: of the program.
        engine: that computes the model.
        golden: largest differences to the bundle's expected outputs, by output.
    """

    system: str
    python: str
    packages: dict[str, str]
    commit: str
    engine: str
    golden: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the program runs.

    Attributes:
        folder: a scratch folder, as this process sees it.
        seen: the same folder, as the program sees it.
        call: runs `affect-edge` with arguments; exit codes that are expected; returns its standard output.
    """

    folder: Path
    seen: Path
    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was said.

    Attributes:
        machine: about itself.
        findings: the doctor's.
        windows, steps: of each video, by its title.
    """

    machine: Machine
    findings: list[Finding]
    windows: Mapping[str, list[Row]]
    steps: Mapping[str, list[Row]]


def this_machine(folder: Path) -> Place:
    """The checkout's own program."""

    def call(arguments: Sequence[str], expected: Sequence[int]) -> str:
        command = [sys.executable, "-I", "-m", "edge", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_RUN_S)
        if done.returncode not in expected:
            raise PackageError(f"affect-edge {arguments[0]}: fails on this machine: {done.stderr.strip()[-300:]}")
        return done.stdout

    return Place(folder=folder, seen=folder, call=call)


def emulated(root: Path, emulation: Emulation, name: str = "check") -> Place:
    """The package in a root. `name`: of a folder that is made in it."""
    folder = root / name
    folder.mkdir()

    def call(arguments: Sequence[str], expected: Sequence[int]) -> str:
        return emulation.run(root, ["affect-edge", *arguments], timeout_s=_RUN_S, expected=expected)

    return Place(folder=folder, seen=Path("/", name), call=call)


def record(place: Place, clips: Sequence[Clip], tick: Callable[[], None]) -> Record:
    """Asks `info` and `doctor`, and replays every video.

    Raises:
        PackageError: the program failed.
    """
    seen = [place.seen / f"{number}{clip.path.suffix}" for number, clip in enumerate(clips)]
    for clip, path in zip(clips, seen, strict=True):
        shutil.copyfile(clip.path, place.folder / path.name)
    config = place.folder / "config.toml"
    config.write_text(CONFIG.format(video=json.dumps(str(seen[0]))), encoding="utf-8")
    named = ["--config", str(place.seen / config.name)]
    machine = read_machine(json.loads(place.call(["info", "--json"], (0,))))
    said = place.call(["doctor", "--json", *named], sorted(set(EXIT_CODES.values())))
    said = said.replace("/root/", "~/")  # whose home it was tells a reader nothing
    findings = msgspec.convert(json.loads(said)["findings"], list[Finding])
    tick()
    windows, steps = {}, {}
    for clip, path in zip(clips, seen, strict=True):
        scores = path.with_suffix(".jsonl")
        out = place.call(
            ["replay", str(path), "--scores", str(scores), "--consent", "nobody: drawn faces", *named], (0,)
        )
        windows[clip.title] = read_lines(out)
        steps[clip.title] = read_lines((place.folder / scores.name).read_text(encoding="utf-8").partition("\n")[2])
        tick()
    return Record(machine=machine, findings=findings, windows=windows, steps=steps)


def read_machine(facts: Mapping[str, Any]) -> Machine:
    """What `info --json` says, as far as it is about the place."""
    bundle = facts["bundle"]
    return Machine(
        system=facts["machine"],
        python=facts["python"],
        packages=facts["packages"],
        commit=facts["commit"],
        engine=bundle["engine"],
        golden=bundle["golden_max_difference"],
    )


def read_lines(text: str) -> list[Row]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]
