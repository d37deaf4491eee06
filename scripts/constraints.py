"""Keeps `constraints.txt`: one version of each package, with a marker where Pythons differ.

`write` asks pip, for each Python given, what it would install, and merges the answers; the versions already pinned
are kept unless `--upgrade` is said. `check` compares the file with what is installed where it runs.
The files hold names, versions and markers, never where a package came from: that is each machine's own affair.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAIN = ROOT / "constraints.txt"
TFLITE = ROOT / "constraints-tflite.txt"  # its NumPy is older than the other extras': an environment of its own
EXTRAS = ".[demo,onnx,metrics,web]"
OURS = "affect-edge"
HEADERS = {
    MAIN: "# The versions that are tested: device and demo on Python 3.10-3.13, tools on 3.11-3.13.\n",
    TFLITE: "# The versions that are tested with the tflite extra, Python 3.10 and 3.11.\n",
}

Version = tuple[int, int]
Pins = dict[str, dict[Version, str]]


def main() -> int:
    """Runs from the command line; the exit code is 1 when `check` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    write = verbs.add_parser("write", help="resolve anew")
    write.add_argument("--upgrade", action="store_true", help="take the newest versions")
    write.add_argument("pythons", nargs="+", help="interpreters, one of each Python from 3.10 to 3.13")
    verbs.add_parser("check", help="compare with what is installed here")
    arguments = parser.parse_args()
    if arguments.verb == "check":
        return check()
    write_files(arguments.pythons, upgrade=arguments.upgrade)
    return 0


def check() -> int:
    """Prints what is installed here in another version than pinned, or not pinned at all."""
    pinned = pins_here(MAIN.read_text(encoding="utf-8"))
    wrong = []
    for found in distributions():
        name = normalize(found.metadata["Name"])
        if name not in (OURS, "setuptools", "wheel") and pinned.get(name) != found.version:
            wrong.append(f"{name} {found.version} is installed, {pinned.get(name, 'nothing')} is pinned")
    print("\n".join(sorted(wrong)) or f"All packages are as {MAIN.name} says.")
    return 1 if wrong else 0


def pins_here(text: str) -> dict[str, str]:
    """The pinned version of each package for the Python that runs this."""
    pins = {}
    for line in text.splitlines():
        requirement, _, marker = line.partition(";")
        if requirement.strip() and not requirement.startswith("#") and holds(marker.strip(), sys.version_info[:2]):
            name, _, version = requirement.partition("==")
            pins[normalize(name)] = version.strip()
    return pins


def holds(marker: str, python: Version) -> bool:
    """Whether one of the markers that `render` writes is true for a Python."""
    for clause in filter(None, marker.split(" and ")):
        match = re.fullmatch(r'python_version (<|>=) "3\.(\d+)"', clause.strip())
        if match is None:
            raise ValueError(f"constraints: marker {clause!r} is not understood")
        bound = (3, int(match[2]))
        if not (python < bound if match[1] == "<" else python >= bound):
            return False
    return True


def write_files(pythons: list[str], *, upgrade: bool) -> None:
    """Resolves for each interpreter and writes both files."""
    found: dict[Path, Pins] = {MAIN: {}, TFLITE: {}}
    for python in pythons:
        with tempfile.TemporaryDirectory(prefix="constraints-") as scratch:
            pip = make_pip(python, Path(scratch))
            version = version_of(python)
            print(f"Resolving for Python {version[0]}.{version[1]}")
            wanted = [(MAIN, [EXTRAS] if version < (3, 11) else [EXTRAS, "--group", "dev"])]
            if version < (3, 12):
                wanted.append((TFLITE, [".[tflite,demo]"]))
            for target, what in wanted:
                kept = ["-c", str(target)] if target.exists() and not upgrade else []
                for name, pinned in resolve(pip, [*kept, *what]).items():
                    found[target].setdefault(name, {})[version] = pinned
    for target, pins in found.items():
        if pins:
            target.write_text(HEADERS[target] + render(pins), encoding="utf-8")


def make_pip(python: str, folder: Path) -> list[str]:
    """An empty environment with a new pip, so that nothing installed elsewhere takes part."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-qq", "--upgrade", "pip"], check=True)
    return pip


def version_of(python: str) -> Version:
    """Major and minor version of an interpreter."""
    code = "import sys; print(*sys.version_info[:2])"
    major, minor = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    return int(major), int(minor)


def resolve(pip: list[str], arguments: list[str]) -> dict[str, str]:
    """What pip would install into an empty environment: name to version, pip itself with it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [*pip, "install", "-qq", "--dry-run", "--ignore-installed", "--report", report.name]
        subprocess.run([*command, "pip", *arguments], check=True, cwd=ROOT)
        items = json.loads(Path(report.name).read_text(encoding="utf-8"))["install"]
    named = {normalize(item["metadata"]["name"]): item["metadata"]["version"] for item in items}
    return {name: version for name, version in named.items() if name != OURS}


def render(pins: Pins) -> str:
    """The file's lines, sorted by name; Pythons that agree share one."""
    lines = []
    for name in sorted(pins):
        runs: list[tuple[Version, str]] = []  # from which Python on, which version
        for python in sorted(pins[name]):
            if not runs or runs[-1][1] != pins[name][python]:
                runs.append((python, pins[name][python]))
        for index, (start, version) in enumerate(runs):
            clauses = [f'python_version >= "{start[0]}.{start[1]}"'] if index else []
            if index + 1 < len(runs):
                until = runs[index + 1][0]
                clauses.append(f'python_version < "{until[0]}.{until[1]}"')
            lines.append(f"{name}=={version}" + (f" ; {' and '.join(clauses)}" if clauses else "") + "\n")
    return "".join(lines)


def normalize(name: str) -> str:
    """A package's name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
