"""The package's copyright file: who holds what, under which licence, and where the full text lies."""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path

from edge.face.detector import GRAPH, LICENCE, ORIGIN
from firmware_config.errors import PackageError
from scripts.third_party_licences import licence_of, normalize

_HEAD = """\
affect-edge
Copyright 2026 The affect-edge authors

Licensed under the Apache License, Version 2.0. On Debian systems its text is in
/usr/share/common-licenses/Apache-2.0.

The model in the folder edge/bundles/default names everything it was made with,
and under which licence, in its manifest.json and MODEL_CARD.md.

Third-party packages, unchanged but for tests, headers and stubs that were left
out; where a package gives its licence as a file, the full text lies in its
*.dist-info folder below
{site}

"""

_FILES = """
The face detector, converted to int8, in the folder edge/bundles, with its
licence beside it:

"""

_FOOT = """
OpenCV's package holds FFmpeg under the LGPL-2.1-or-later as shared libraries of
its own, which may be exchanged. On Debian systems that licence's text is in
/usr/share/common-licenses/LGPL-2.1.
"""


def write_copyright(site: Path, installed_at: str) -> str:
    """The file's text.

    Args:
        site: the folder that holds the packages.
        installed_at: where it lies on the device.

    Raises:
        PackageError: a package does not say its licence.
    """
    rows = []
    for found in sorted(distributions(path=[str(site)]), key=lambda one: normalize(one.metadata["Name"])):
        licence = licence_of(found)
        if licence is None:
            raise PackageError(f"{found.metadata['Name']}: its metadata names no licence; add it to KNOWN in scripts/")
        if normalize(found.metadata["Name"]) != "affect-edge":
            rows.append(f"  {normalize(found.metadata['Name'])} {found.version}\n    {licence}\n")
    detector = f"  {GRAPH.name}\n    {ORIGIN}, {LICENCE}\n"
    return _HEAD.format(site=installed_at) + "".join(rows) + _FILES + detector + _FOOT
