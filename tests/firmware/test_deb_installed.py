"""The package with its real wheels in a fresh Debian: installed, run, upgraded, removed, purged; judged by lintian.

Off by default, since it takes root, minutes and a package source. To switch it on:

    debootstrap --variant=minbase --include=python3 bookworm /tmp/root
    make deb ARCH=amd64 PY=3.11
    AFFECT_EDGE_DEB_ROOT=/tmp/root AFFECT_EDGE_DEBS=dist python -m pytest tests/firmware/test_deb_installed.py
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_config.debian.target import read_name

ROOT, DEBS = os.environ.get("AFFECT_EDGE_DEB_ROOT"), os.environ.get("AFFECT_EDGE_DEBS")
Run = Callable[..., subprocess.CompletedProcess[str]]
INSTALLATION = ("etc/affect-edge/door.toml", "etc/systemd/system/affect-edge.service.d/installation.conf")
OUTBOX = "var/lib/private/affect-edge/outbox.db"

needs_packages = pytest.mark.skipif(DEBS is None, reason="needs AFFECT_EDGE_DEBS, a folder of `make deb`'s packages")


def find_package() -> Path:
    """The package for the Debian in ROOT."""
    python = next(Path(str(ROOT), "usr/lib").glob("python3.*")).name.removeprefix("python")
    for path in sorted(Path(str(DEBS)).glob("affect-edge_*_amd64.deb")):
        if read_name(path.name).python == python:
            return path
    pytest.fail(f"{DEBS} has no package for amd64 and Python {python}")


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A Debian without systemd running; left as it was found."""
    if ROOT is None or DEBS is None:
        pytest.skip("needs AFFECT_EDGE_DEB_ROOT, a folder of debootstrap's, and AFFECT_EDGE_DEBS; see this file's head")
    if os.geteuid() != 0:
        pytest.skip("needs root, for chroot")
    yield Path(ROOT)
    shutil.rmtree(Path(ROOT, "scratch"), ignore_errors=True)


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    """Runs a program in it, with a /proc of its own that goes when it ends."""

    def run(*command: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        walls = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={root}/proc", "chroot", str(root)]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}
        done = subprocess.run(
            [*walls, *command], capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL
        )
        assert fails or done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def packages(root: Path) -> tuple[str, str]:
    """The package, and the same with a later version, as paths inside the root."""
    folder = root / "scratch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(find_package(), folder / "first.deb")
    subprocess.run(["dpkg-deb", "-R", folder / "first.deb", folder / "tree"], check=True)
    control = folder / "tree/DEBIAN/control"
    control.write_text(control.read_text().replace("-1+py", "-2+py"))
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", folder / "tree", folder / "second.deb"]
    subprocess.run(command, check=True, capture_output=True)
    shutil.rmtree(folder / "tree")
    return "/scratch/first.deb", "/scratch/second.deb"


def test_from_nothing_to_nothing(
    root: Path, run: Run, packages: tuple[str, str], draw_clip: Callable[[Path, float], Path]
) -> None:
    first, second = packages
    run("dpkg", "--install", first)
    assert not list((root / "etc/systemd/system").rglob("*.wants/affect-edge*")), "it is enabled"
    assert list((root / "usr/lib/affect-edge/lib").rglob("edge/__pycache__/device.*.pyc")), "it is not compiled"

    # It runs, from its own packages, with the system's behind them and a user's out of sight.
    facts = json.loads(run("affect-edge", "info", "--json").stdout)
    assert facts["bundle"]["runtime"] == "litert"
    assert facts["commit"] not in ("checkout", "unknown")
    (root / "usr/lib/python3/dist-packages/picamera2_stand_in.py").write_text("")
    found = "import picamera2_stand_in, numpy, sys; print(numpy.__file__, sys.flags.no_user_site)"
    said = run("/usr/lib/affect-edge/bin/python3", "-I", "-c", found).stdout.split()
    (root / "usr/lib/python3/dist-packages/picamera2_stand_in.py").unlink()
    assert said[0].startswith("/usr/lib/affect-edge/lib/python3")
    assert said[1] == "1"
    draw_clip(root / "scratch/clip.avi", 2)
    windows = [json.loads(line) for line in run("affect-edge", "replay", "/scratch/clip.avi").stdout.splitlines()]
    assert windows[0]["schema"] == "affect/v1/window"

    # It starts no camera before it is configured; init fills the file that came along.
    refused = run("affect-edge", "run", "--config", "/etc/affect-edge/config.toml", fails=True)
    assert refused.returncode == 2
    assert "[deployment]" in refused.stderr
    answers = ("--profile=x86-kiosk", "--site=museum", "--device=hall-2", "--broker=192.0.2.10", "--username=hall-2")
    told = ("--purpose=exhibition-feedback", "--notice=on the door", "--controller=Museum", "--jurisdiction=DE")
    told += (
        "--legal-basis=public-task",
        "--contact=privacy@museum.example",
        "--retention-days=90",
        "--notice-date=2026-11-01",
    )
    run("affect-edge", "init", *answers, *told)
    configured = (root / "etc/affect-edge/config.toml").read_text()
    assert 'site = "museum"' in configured

    # An upgrade and a removal keep what the place wrote.
    kept = [root / name for name in (*INSTALLATION, OUTBOX)]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.read_text() if path.exists() else "of this place\n")
    run("dpkg", "--install", second)
    assert "-2+py" in run("dpkg-query", "--show", "affect-edge").stdout
    assert (root / "etc/affect-edge/config.toml").read_text() == configured
    run("dpkg", "--install", second)  # once more: the scripts are idempotent
    run("dpkg", "--remove", "affect-edge")
    assert not (root / "usr/lib/affect-edge").exists()
    assert (root / "etc/affect-edge/config.toml").read_text() == configured
    assert all(path.is_file() for path in kept)

    # A purge leaves nothing.
    run("dpkg", "--purge", "affect-edge")
    left = [path for path in root.rglob("*affect-edge*") if not {"scratch", "proc", "sys"} & set(path.parts)]
    assert [path for path in left if path.name != "dpkg.log"] == []


@needs_packages
@pytest.mark.skipif(shutil.which("lintian") is None, reason="needs lintian: apt-get install lintian")
def test_lintian_finds_no_error() -> None:
    packages = sorted(Path(str(DEBS)).glob("affect-edge_*.deb"))
    assert packages
    done = subprocess.run(["lintian", "--allow-root", *packages], capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if line.startswith("E:")] == []
