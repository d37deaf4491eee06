"""Checks of what this folder holds: profiles, units, udev rules, and that no file holds a secret."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from edge.cli.doctor.finding import Finding, failed, failed_with, passed, skipped
from edge.config import load_config
from edge.errors import EdgeError
from edge.profiles import profile_names, read_profile
from firmware_config.debian.tree import UNITS, packaged_unit

_EXPOSURE = 1.5  # what systemd 252 calls the units, of 10
# What only a secret looks like. A word that begins with REPLACE is a blank to fill in.
_SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a password hash": re.compile(r"\$(?:1|5|6|y|2[aby])\$[./A-Za-z0-9]"),
    "a password": re.compile(
        r"^\s*(?:[a-z0-9_-]*(?:passw(?:or)?d|passphrase|psk|token|secret))\s*[:=]\s*(?P<value>[^\s#].*)$",
        re.MULTILINE | re.IGNORECASE,
    ),
}
_NO_SECRET = re.compile(r"""^(?:["']?REPLACE-|(?:true|false|yes|no)\b|["']{2}|$)""", re.IGNORECASE)


def check_profiles() -> list[Finding]:
    """Each board's profile is a configuration of a live camera."""
    findings = []
    for name in profile_names():
        with tempfile.TemporaryDirectory(prefix="affect-edge-") as folder:
            path = Path(folder, "config.toml")
            path.write_text(read_profile(name), encoding="utf-8")
            try:
                load_config(path)
                findings.append(passed(f"profile {name}", "loads"))
            except EdgeError as error:
                findings.append(failed_with(f"profile {name}", error))
    return findings


def check_units(systemd: Path) -> list[Finding]:
    """systemd understands the package's units and calls them hardly exposed."""
    if shutil.which("systemd-analyze") is None:
        return [skipped("units", "there is no systemd-analyze here")]
    findings = []
    for name in UNITS:
        with tempfile.TemporaryDirectory(prefix="affect-edge-") as folder:
            unit = Path(folder, name.replace("@.", "@door."))
            text = packaged_unit((systemd / name).read_text(encoding="utf-8"))
            unit.write_text(text.replace("/usr/bin/affect-edge", shutil.which("true") or "/bin/true"), "utf-8")
            findings += _check_unit(name, unit)
    return findings


def _check_unit(name: str, unit: Path) -> list[Finding]:
    done = _run("systemd-analyze", "--no-pager", "verify", str(unit))
    said = [line for line in (done.stdout + done.stderr).splitlines() if unit.stem in line]
    if done.returncode != 0 or said:
        what = (said or done.stderr.strip().splitlines() or ["systemd-analyze verify refuses"])[0]
        return [failed(name, what.rpartition("/")[2], "correct the line in firmware_config/systemd")]
    done = _run("systemd-analyze", "--no-pager", "security", "--offline=true", str(unit))
    level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout + done.stderr)
    if level is None:
        return [skipped(name, "verified; this systemd cannot judge a file's exposure")]
    if float(level[1]) > _EXPOSURE:
        fix = "`systemd-analyze security --offline=true` names the setting that went"
        return [failed(name, f"exposure {level[1]}, more than {_EXPOSURE}", fix)]
    return [passed(name, f"verified, exposure {level[1]}")]


def check_rules(folder: Path) -> list[Finding]:
    """udev understands the rules; asked where it is new enough to say so."""
    paths = sorted(folder.glob("*.rules"))
    if not paths:
        return [failed("udev rules", f"there are none in {folder.name}", "restore them from the repository")]
    if shutil.which("udevadm") is None:
        return [skipped("udev rules", "there is no udevadm here")]
    done = _run("udevadm", "verify", "--no-style", *map(str, paths))
    if "Unknown command" in done.stderr or "unrecognized option" in done.stderr:
        return [skipped("udev rules", "this udev cannot verify rules; systemd 254 and later can")]
    if done.returncode != 0:
        return [failed("udev rules", (done.stderr.strip().splitlines() or ["refused"])[0], "correct that line")]
    return [passed("udev rules", "verified")]


def check_secrets(paths: Iterable[Path]) -> list[Finding]:
    """No file holds a password or a private key."""
    findings, count = [], 0
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        count += 1
        for what, pattern in _SECRETS.items():
            for found in pattern.finditer(text):
                if _NO_SECRET.match(found.groupdict().get("value") or "-"):
                    continue
                line = text.count("\n", 0, found.start()) + 1
                findings.append(
                    failed("secrets", f"{path.name}:{line} holds {what}", "remove it, and change it where it is used")
                )
    return findings or [passed("secrets", f"none in {count} files")]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
