"""The programs, libraries and fonts that the tests need, and the Debian packages that bring them.

    python3 scripts/programs.py

As root, where apt is, it installs what is missing. It starts no service: the broker's package would start one. Anybody
else is told what to install. Needs nothing but Python's standard library.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = {
    "apt-ftparchive": ("apt-utils",),
    "cc": ("gcc", "libc6-dev"),
    "dpkg-deb": ("dpkg",),
    "fc-list": ("fontconfig",),
    "ffmpeg": ("ffmpeg",),
    "git": ("git",),
    "gpg": ("gnupg",),
    "man": ("man-db",),
    "mosquitto": ("mosquitto",),
    "mosquitto_passwd": ("mosquitto",),
    "mosquitto_sub": ("mosquitto-clients",),
    "openssl": ("openssl",),
    "postgres": ("postgresql",),
    "pdffonts": ("poppler-utils",),
    "pdfinfo": ("poppler-utils",),
    "pdftotext": ("poppler-utils",),
    "promtool": ("prometheus",),
    "strace": ("strace",),
    "systemd-analyze": ("systemd",),
    # Papers are made with these; a path is a pattern.
    "/usr/lib/*/libpangoft2-1.0.so.0": ("libpango-1.0-0", "libpangoft2-1.0-0"),
    "/usr/lib/*/libharfbuzz-subset.so.0": ("libharfbuzz-subset0",),
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf": ("fonts-dejavu-core",),
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc": ("fonts-noto-cjk",),
}
# Programs that the default run does without: it skips the tests that need them.
OPTIONAL = {
    "buildah": "builds the container image, from a root that whoever runs the test has to make first",
    "cloud-init": "its package changes the machine at the next boot",
    "ffmpeg": "makes the video files of `python -m benchmarks videos`, and brings a hundred packages",
    "lintian": "judges packages that `make deb` made, which is not part of the tests",
    "systemd-nspawn": "boots a root that whoever runs the test has to make first",
}
SERVICES = ("mosquitto", "postgresql", "prometheus")  # what the packages above would start, now and at the next boot
MAY_SKIP = "AFFECT_EDGE_SKIP"
_POLICY = Path("/usr/sbin/policy-rc.d")  # Debian asks it before a package starts a service; 101 means no


def main() -> int:
    """Runs from the command line; the exit code is 1 when something is missing at the end and may not be."""
    missing = packages_of(missing_programs())
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing " + " ".join(missing))
        install(missing)
        missing = packages_of(missing_programs())
    if not missing or may_skip():
        return 0
    print(advice(missing), file=sys.stderr)
    return 1


def find_program(name: str) -> str | None:
    """A program's path, or a file's; servers lie where a user's PATH often does not lead."""
    if name.startswith("/"):
        return next((str(path) for path in Path("/").glob(name[1:])), None)
    versions = [str(folder) for folder in Path("/usr/lib/postgresql").glob("*/bin")]  # Debian puts it on no PATH
    places = [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin", *versions]
    return shutil.which(name, path=":".join(places))


def missing_programs() -> list[str]:
    """Programs that are not on this machine."""
    return [name for name in PACKAGES if find_program(name) is None]


def packages_of(programs: list[str]) -> list[str]:
    """The packages that bring them, each once."""
    return sorted({package for program in programs for package in PACKAGES[program]})


def advice(packages: list[str]) -> str:
    """One line for a user who is not root."""
    return (
        f"The tests need programs that are not here: sudo apt-get install --no-install-recommends {' '.join(packages)}"
        f" (or accept that tests are skipped: {MAY_SKIP}=1)"
    )


def may_skip() -> bool:
    """Whether whoever runs the tests accepts that some are skipped for want of a program or a file."""
    return os.environ.get(MAY_SKIP) == "1"


def install(packages: list[str]) -> None:
    """Installs packages with apt and starts none of their services; what fails is said by apt on standard error."""
    with services_held_back():
        _apt_get("update")
        _apt_get("install", "-y", "--no-install-recommends", *packages)
    if shutil.which("systemctl"):
        for service in set(SERVICES) & set(packages):
            subprocess.run(["systemctl", "disable", "--quiet", service], capture_output=True, check=False)


def _apt_get(*arguments: str) -> None:
    subprocess.run(
        ["apt-get", "-qq", *arguments],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=False,
    )


@contextmanager
def services_held_back(policy: Path = _POLICY) -> Iterator[None]:
    """While it lasts, a package that is installed starts no service; a policy that the machine has stays."""
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
