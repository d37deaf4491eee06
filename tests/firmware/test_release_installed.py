"""A real release: installed by apt from a web server in a fresh Debian, and built into a container image.

Off by default, since it takes root, minutes and a package source; `make check-all` makes what it needs:

    python -m firmware_config release --draft --arch amd64 --python 3.11 --out out/release
    AFFECT_EDGE_RELEASE=out/release AFFECT_EDGE_RELEASE_ROOT=/tmp/root AFFECT_EDGE_BASE=bookworm.tar \
        python -m pytest tests/firmware/test_release_installed.py

AFFECT_EDGE_RELEASE_ROOT is a Debian 12 as debootstrap leaves it, AFFECT_EDGE_BASE an archive of one.
AFFECT_EDGE_RECORD names a JSON file to write what was seen into.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

RELEASE, ROOT, BASE, RECORD = (
    os.environ.get(f"AFFECT_EDGE_{name}") for name in ("RELEASE", "RELEASE_ROOT", "BASE", "RECORD")
)
CONTAINERFILE = Path(__file__).parents[2] / "firmware_config/container/Containerfile"
pytestmark = pytest.mark.skipif(RELEASE is None, reason="needs AFFECT_EDGE_RELEASE; see this file's head")


def keep(name: str, **seen: object) -> None:
    """Adds to the record."""
    if RECORD:
        path = Path(RECORD)
        found = json.loads(path.read_text()) if path.exists() else {}
        day = time.strftime("%Y-%m-%d", time.gmtime())
        path.write_text(json.dumps({**found, name: {"date": day, **seen}}, indent=1) + "\n")


@pytest.fixture
def served() -> Iterator[str]:
    """The address of a plain web server over the release's apt folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    folder = str(Path(str(RELEASE)) / "apt")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_apt_installs_it_in_a_fresh_debian_and_the_package_runs(served: str) -> None:
    if ROOT is None or os.geteuid() != 0:
        pytest.skip("needs root, for chroot, and AFFECT_EDGE_RELEASE_ROOT, a folder of debootstrap's")
    root = Path(ROOT)
    shutil.copy(Path(str(RELEASE)) / "apt/affect-edge.asc", root / "etc/apt/keyrings/affect-edge.asc")
    source = f"deb [signed-by=/etc/apt/keyrings/affect-edge.asc] {served} bookworm main\n"
    (root / "etc/apt/sources.list.d/affect-edge.list").write_text(source)

    def run(*command: str) -> str:
        walls = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={root}/proc", "chroot", str(root)]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}
        done = subprocess.run(
            [*walls, *command],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("apt-get", "update", "--error-on=any")
    begun_s = time.monotonic()
    run("apt-get", "install", "--yes", "--no-install-recommends", "affect-edge")
    seconds = round(time.monotonic() - begun_s, 1)
    facts = json.loads(run("affect-edge", "info", "--json"))
    assert facts["bundle"]["runtime"] == "litert"
    policy = run("apt-cache", "policy", "affect-edge")
    (line,) = (line for line in run("apt-cache", "policy").splitlines() if "o=affect-edge" in line)
    assert "n=bookworm" in line, "unattended-upgrades matches by these two"
    version = next(line.split()[1] for line in policy.splitlines() if "Installed:" in line)
    keep("apt", system="Debian 12", version=version, install_s=seconds, commit=facts["commit"])


def test_the_container_recipe_builds_and_its_program_runs(tmp_path: Path) -> None:
    if BASE is None or shutil.which("buildah") is None:
        pytest.skip("needs AFFECT_EDGE_BASE, an archive of a Debian 12, and buildah: apt-get install buildah")
    machine = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (package,) = Path(str(RELEASE)).glob(f"affect-edge_*+py3.11_{machine}.deb")
    shutil.copy(package, tmp_path)
    stores = [f"--root={tmp_path}/root", f"--runroot={tmp_path}/run", "--storage-driver=vfs"]

    def buildah(*arguments: str) -> str:
        done = subprocess.run(["buildah", *stores, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    base = buildah("from", "scratch")
    buildah("add", base, BASE, "/")
    buildah("commit", "--rm", base, "docker.io/library/debian:bookworm-slim")
    alone = ["--isolation=chroot", "--network=host"]  # works in a container, too
    buildah(
        "bud", *alone, f"--build-arg=DEB={package.name}", "-t=affect-edge", f"--file={CONTAINERFILE}", str(tmp_path)
    )
    container = buildah("from", "affect-edge")
    inside = functools.partial(buildah, "run", "--isolation=chroot", container, "--")
    facts = json.loads(inside("/usr/bin/affect-edge", "info", "--json"))
    assert facts["bundle"]["runtime"] == "litert"
    assert inside("/usr/bin/id", "-u") == "65534"
    inside("/usr/bin/touch", "/var/lib/affect-edge/writable")
    rootless = os.geteuid() != 0
    keep("container", builder=subprocess.getoutput("buildah --version"), rootless=rootless, commit=facts["commit"])
