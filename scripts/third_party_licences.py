"""Writes THIRD_PARTY_LICENSES.md: what affect-edge brings onto a device, and under which licence.

Reads the metadata of what is installed where it runs (base and extras, with everything they need), and names
the face detector. Packages that only some boards have are listed by hand below.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from edge.face.detector import GRAPH, LICENCE, ORIGIN  # noqa: E402  (the checkout this script lies in, not another installation)

TARGET = ROOT / "THIRD_PARTY_LICENSES.md"
EXTRAS = ("demo", "onnx", "metrics", "web")

# Not installed on a workstation: from Raspberry Pi OS, and from wheels that end with Python 3.11.
BY_HAND = [
    ("picamera2", "from Raspberry Pi OS", "BSD-2-Clause", "picamera"),
    ("tflite-runtime", "2.14.0", "Apache-2.0", "tflite"),
]

# Where the metadata says too little; read in the package's own licence files.
KNOWN = {
    "opencv-python-headless": "Apache-2.0; its wheel holds FFmpeg, LGPL-2.1-or-later",
    "protobuf": "BSD-3-Clause",
    "websockets": "BSD-3-Clause",
}

_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}

_HEAD = """\
# Third-party licences

Written by `make licences` from what is installed; do not edit by hand.

## Packages on a device

None of them is part of the wheel; pip installs them beside it. `for` says which extra asks for a package, `base` that
every installation has it.

| package | version | licence | for |
|---|---|---|---|
"""

_FILES = """
## The face detector in the wheel

Converted to int8 by `python -m convert detector`; its licence's text lies beside it.

| file | origin | licence | out of |
|---|---|---|---|
"""

_TAIL = """
## The model in the wheel

`edge/bundles/default/manifest.json` lists under `sources` everything its weights were made with, with licence, origin
and use; `MODEL_CARD.md` beside it says the same in words.
"""


def main() -> int:
    """Writes the file; the exit code is 1 when a package has no licence that can be named."""
    rows, nameless = [], []
    for name, extra in needed():
        found = distribution(name)
        licence = licence_of(found)
        if licence is None:
            nameless.append(name)
        rows.append((normalize(name), found.version, licence or "?", extra))
    rows += BY_HAND
    files = [(GRAPH.name, ORIGIN, LICENCE, "face_detection_yunet_2023mar.onnx")]
    TARGET.write_text(_HEAD + table(sorted(rows)) + _FILES + table(files) + _TAIL, encoding="utf-8")
    if nameless:
        print(f"no licence in the metadata of {', '.join(nameless)}: read it and add it to KNOWN", file=sys.stderr)
    return 1 if nameless else 0


def needed() -> Iterator[tuple[str, str]]:
    """Each package that the base or an extra needs, with the first that asks for it."""
    seen: set[tuple[str, frozenset[str]]] = set()
    told: set[str] = set()
    for extra in ("", *EXTRAS):
        queue = asked_by("affect-edge", frozenset({extra}))
        while queue:
            name, extras = queue.pop()
            if (name, extras) in seen:
                continue
            seen.add((name, extras))
            if name not in told:
                told.add(name)
                yield name, extra or "base"
            queue += asked_by(name, extras)


def asked_by(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    """The packages that one asks for here with some of its extras, each with the extras that are asked of it."""
    try:
        asked = distribution(name).requires or []
    except PackageNotFoundError:
        raise SystemExit(f"{name} is not installed here; run this through `make licences`") from None
    return [
        (normalize(requirement.name), frozenset(requirement.extras))
        for requirement in map(Requirement, asked)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in (extras | {""}))
    ]


def licence_of(found: Distribution) -> str | None:
    """The licence in a few words, from the newest field that says it."""
    metadata = found.metadata
    known = KNOWN.get(normalize(metadata["Name"]))
    expression = _said(found, "License-Expression")
    if known or expression:
        return known or expression
    texts = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or [] if line.startswith("License")]
    named = sorted({_CLASSIFIERS.get(text, text) for text in texts} - {"OSI Approved"})
    if named:
        return " or ".join(named)
    field = _said(found, "License").strip()
    return field if field and "\n" not in field and len(field) <= 40 else None


def _said(found: Distribution, field: str) -> str:
    return next(iter(found.metadata.get_all(field) or ()), "")


def table(rows: list[tuple[str, str, str, str]]) -> str:
    """Markdown rows."""
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def normalize(name: str) -> str:
    """A package's name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
