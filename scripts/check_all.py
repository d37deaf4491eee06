"""Runs the tests that `make test` leaves out, as root: what they need is made here.

    python3 scripts/check_all.py

These are the deep property tests, and a release for this machine's architecture: its package judged by lintian,
installed in a fresh Debian 12 by dpkg and by apt, started there by a booted systemd, and built into a container image.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import fresh_check, programs
from scripts.fresh_check import ROOT, ROOTS

PACKAGES = ["buildah", "debootstrap", "lintian", "systemd-container"]
BOOTED = "systemd systemd-sysv dbus mosquitto mosquitto-clients"
WORK = ROOTS / "package"


def main() -> int:
    """Runs from the command line; the exit code is pytest's, or 2 when what the tests need cannot be made."""
    try:
        if os.geteuid() == 0:
            programs.install(PACKAGES)
        fresh_check.require_tools()
        shutil.rmtree(WORK, ignore_errors=True)
        package = build_release(WORK / "dist")
        fresh_check.unpack("bookworm", WORK / "installed")
        fresh_check.unpack("bookworm", WORK / "apt")
        boot_root(WORK / "booted", package)
    except (fresh_check.CheckError, subprocess.CalledProcessError) as error:
        print(f"check-all: {error}", file=sys.stderr)
        return 2
    variables = {
        "AFFECT_EDGE_FUZZ": "deep",
        "AFFECT_EDGE_DEBS": str(package.parent),
        "AFFECT_EDGE_DEB_ROOT": str(WORK / "installed"),
        "AFFECT_EDGE_BOOT_ROOT": str(WORK / "booted"),
        "AFFECT_EDGE_RELEASE": str(package.parent),
        "AFFECT_EDGE_RELEASE_ROOT": str(WORK / "apt"),
        "AFFECT_EDGE_BASE": str(ROOTS / "bookworm.tar"),
        "AFFECT_EDGE_RECORD": str(ROOT / "docs" / "release-check.json"),
    }
    packages = [f"tests/firmware/test_{name}.py" for name in ("deb_installed", "booted_service", "release_installed")]
    tests = ["tests/fuzz", *packages]
    command = [sys.executable, "-m", "pytest", "-n", "logical", "--maxprocesses", "4", "--dist", "loadfile", *tests]
    code = subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=False).returncode
    if code == 0:
        shutil.rmtree(WORK)
    return code


def build_release(folder: Path) -> Path:
    """A draft of a release for this machine and Debian 12's Python; returns its package."""
    machine = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    options = ["--draft", "--arch", machine, "--python", "3.11", "--out", str(folder)]
    subprocess.run([sys.executable, "-m", "firmware_config", "release", *options], cwd=ROOT, check=True)
    (package,) = folder.glob("*.deb")
    return package


def boot_root(system: Path, package: Path) -> None:
    """A Debian 12 with systemd, a broker and the package in it."""
    fresh_check.unpack("bookworm", system)
    shutil.copy(package, system / "root")
    lines = f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {BOOTED} /root/{package.name}"
    with programs.services_held_back(system / "usr/sbin/policy-rc.d"):
        done, _, _ = fresh_check.run(
            system, "boot-root", f"env DEBIAN_FRONTEND=noninteractive sh -c '{lines}'", "/root"
        )
    if not done:
        raise fresh_check.CheckError(f"the packages cannot be installed; see {ROOTS}/{system.name}-boot-root.log")


if __name__ == "__main__":
    sys.exit(main())
