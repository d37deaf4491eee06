"""What runs on the device: our wheel and the wheels it needs, for another machine, in a folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from firmware_config.debian.elf import MACHINES, read_elf
from firmware_config.debian.target import ROOT, Target
from firmware_config.errors import PackageError

# Libraries that a wheel does not bring itself, and the package that `Target.depends` takes each from.
NEEDED = {
    "libc.so.6": "libc6",
    "libm.so.6": "libc6",
    "libdl.so.2": "libc6",
    "librt.so.1": "libc6",
    "libpthread.so.0": "libc6",
    "ld-linux-aarch64.so.1": "libc6",
    "ld-linux-x86-64.so.2": "libc6",
    "libgcc_s.so.1": "libgcc-s1",
    "libstdc++.so.6": "libstdc++6",
    "libz.so.1": "zlib1g",
}
# Not needed to run: pip's notes (one names a folder of this machine), programs of other packages, tests, headers.
_NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
# Parts of LiteRT for graphics and other makers' accelerators, which its interpreter never opens: 17 MB and more.
_UNUSED = (
    "ai_edge_litert/aot",
    "ai_edge_litert/tools",
    "ai_edge_litert/vendors",
    "ai_edge_litert/libLiteRtWebGpuAccelerator.so",
)
_LEFT_OUT = ("*.pyi", "*.h", "*.hpp", "*.a", "*.pxd", "*.pyx")


def build_wheel(folder: Path, environment: dict[str, str]) -> Path:
    """Our own wheel.

    Raises:
        PackageError: the build failed.
    """
    command = [sys.executable, "-I", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    _run(command, "the wheel cannot be built", environment)
    return next(folder.glob("*.whl"))


def install_runtime(wheel: Path, target: Target, folder: Path, environment: dict[str, str]) -> None:
    """Unpacks a wheel and what it needs: the wheels that the target's lock lists by SHA-256, and no others.

    Markers are read for the Python that runs this; the base's markers tell only 3.10 from later ones.

    Raises:
        PackageError: a wheel cannot be had, is not the listed one, or is for another machine.
    """
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    wanted = wheel.with_suffix(".txt")
    wanted.write_text(f"-r {target.lock}\naffect-edge @ {wheel.absolute().as_uri()} --hash=sha256:{sha256}\n")
    command = [sys.executable, "-I", "-m", "pip", "install", *pip_options(target, folder)]
    command += ["--require-hashes", f"--requirement={wanted}"]
    _run(command, f"the wheels for {target.architecture} and Python {target.python} cannot be had", environment)
    trim(folder)
    for said in strangers(folder, target.architecture):
        raise PackageError(said)


def pip_options(target: Target, folder: Path) -> list[str]:
    """pip's options to install a target's wheels, and nothing that has to be built, into a folder."""
    options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary=:all:", "--implementation=cp"]
    platforms = [f"--platform={platform}" for platform in target.platforms]
    return [*options, f"--python-version={target.python}", *platforms, f"--target={folder}"]


def trim(folder: Path) -> None:
    """Removes what is not needed to run, and what would differ between two machines that build."""
    for name in ("bin", *_UNUSED):
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for tests in [path for path in folder.rglob("tests") if path.is_dir()]:
        shutil.rmtree(tests, ignore_errors=True)
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
    for pattern in _LEFT_OUT:
        for path in list(folder.rglob(pattern)):
            path.unlink()
    for information in folder.glob("*.dist-info"):
        for name in _NOTES:
            (information / name).unlink(missing_ok=True)


def strangers(folder: Path, architecture: str) -> list[str]:
    """Compiled files that another machine would need, or that name a library no package brings; one line each."""
    shared = sorted(path for path in folder.rglob("*") if path.is_file() and ".so" in path.name)
    own = {path.name for path in shared}
    said = []
    for path in shared:
        elf = read_elf(path)
        name = path.relative_to(folder)
        if elf is None or elf.machine != MACHINES[architecture]:
            said.append(f"{name}: is not for {architecture}; build with a package source that has its wheel")
            continue
        unknown = sorted(set(elf.needed) - own - NEEDED.keys())
        if unknown:
            said.append(f"{name}: needs {', '.join(unknown)}; add the package to debian/target.py and runtime.NEEDED")
    return said


def _run(command: Sequence[str], what: str, environment: dict[str, str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    if done.returncode != 0:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        reason = next(
            (line for line in reversed(lines) if "ERROR" in line or "Error" in line), lines[-1] if lines else ""
        )
        raise PackageError(f"{what}: {reason.removeprefix('ERROR: ')[:300]}; is `make test`'s environment in use?")
