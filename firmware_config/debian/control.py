"""The package's own papers: control, md5sums, changelog."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path

from firmware_config.debian.target import Target

_DESCRIPTION = """\
facial valence and arousal, estimated on the camera
 A camera that looks at faces and speaks only in scores: valence and arousal of
 expressions, computed on the device by a small network, averaged over several
 people and sent over MQTT. No picture leaves the process that sees it.
 .
 An expression is not a feeling. The service does not start until its
 configuration says why the camera is there, where the notice hangs and who
 answers for it: run "affect-edge init".
 .
 The Python packages that it needs lie in a folder of its own and change nothing
 for other programs."""


def maintainer() -> str:
    """Who answers for a package: `DEBFULLNAME` and `DEBEMAIL`, as Debian's own tools read them."""
    name = os.environ.get("DEBFULLNAME", "The affect-edge authors")
    return f"{name} <{os.environ.get('DEBEMAIL', 'affect-edge@example.org')}>"


def write_control(target: Target, installed_kib: int) -> str:
    """The control file."""
    fields = {
        "Package": "affect-edge",
        "Version": target.version,
        "Architecture": target.architecture,
        "Maintainer": maintainer(),
        "Installed-Size": str(installed_kib),
        "Depends": ", ".join(target.depends),
        # TLS to a broker with a public certificate; windows wait for a clock that is right.
        "Recommends": "ca-certificates, systemd-timesyncd | time-daemon",
        # Raspberry Pi OS has it, Debian has not.
        **({"Suggests": "python3-picamera2"} if target.architecture == "arm64" else {}),
        "Section": "science",
        "Priority": "optional",
        "Description": _DESCRIPTION,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def write_md5sums(tree: Path) -> str:
    """The sums that `dpkg --verify` compares with."""
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    named = {f"/{path.relative_to(tree)}": path for path in files if path.parts[len(tree.parts)] != "DEBIAN"}
    return "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {name[1:]}\n"
        for name, path in named.items()
    )


def write_changelog(target: Target, epoch: int) -> str:
    """Debian's changelog: this build; what changed in the program is in the other one beside it."""
    date = format_datetime(datetime.fromtimestamp(epoch, timezone.utc))
    return (
        f"affect-edge ({target.version}) stable; urgency=medium\n\n"
        f"  * For Python {target.python}. What changed in the program: changelog.gz.\n\n"
        f" -- {maintainer()}  {date}\n"
    )
