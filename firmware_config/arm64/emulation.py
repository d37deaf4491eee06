"""Programs of an arm64 root, run here under QEMU's user emulation; what a run mounts and starts ends with it.

Each run has mounts, processes and a network of its own, and that network has no interface: what is run here reaches
nobody. Nothing of the host's /sys is there: XNNPACK would read this machine's processors from it and crash.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from firmware_config.errors import PackageError

# QEMU's `max` has instructions that no board here has, and its int8 results under XNNPACK are wrong (7.2, 2026-11).
CPU = "cortex-a72"
CORES = 4
ENTRY = "affect-edge-arm64"  # the name under which the kernel is told of QEMU, where nobody has told it before
# An ELF header for AArch64, little-endian, and which bits of it count: as in qemu-user-static's own entry.
_MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
# Runs as the first process of its namespaces: root, entry or nothing, its text, cpuinfo, then the command.
_SESSION = """set -eu
root=$1 entry=$2 text=$3 cpuinfo=$4
shift 4
mount -t proc proc "$root/proc"
mount --bind "$cpuinfo" "$root/proc/cpuinfo"
mount -o remount,bind,ro "$root/proc/cpuinfo"
if [ -n "$entry" ]; then
    binfmt=/proc/sys/fs/binfmt_misc
    [ -e $binfmt/register ] || mount -t binfmt_misc binfmt_misc $binfmt
    trap 'echo -1 > "$binfmt/$entry"' EXIT
    printf %s "$text" > $binfmt/register
fi
chroot "$root" "$@"
"""
_TOOLS = {
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
    "chroot": "coreutils",
    "tar": "tar",
    "debootstrap": "debootstrap",
    "dpkg-deb": "dpkg",
}
_EMULATORS = ("qemu-aarch64-static", "qemu-aarch64")
_BINFMT = Path("/proc/sys/fs/binfmt_misc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulation:
    """How this machine runs programs for arm64.

    Attributes:
        emulator: QEMU's program, a static one.
        version: as it says itself.
        cpuinfo: the file that stands for /proc/cpuinfo.
        told: the kernel knows of QEMU already, in a way that holds in another root.
        running: what has not ended yet.
    """

    emulator: str
    version: str
    cpuinfo: Path
    told: bool
    running: set[subprocess.Popen[str]] = field(default_factory=set)

    def run(self, root: Path, command: Sequence[str], *, timeout_s: float, expected: Sequence[int] = (0,)) -> str:
        """Runs one program in a root, returns its standard output; at the end nothing that it started goes on.

        Args:
            root: a Debian for arm64.
            command: as it is called there.
            timeout_s: after so long it is given up.
            expected: exit codes that are no failure.

        Raises:
            PackageError: it failed or took too long; says its last line.
        """
        line = session(root, command, emulator=self.emulator, cpuinfo=self.cpuinfo, told=self.told)
        with subprocess.Popen(
            line,
            text=True,
            env=surroundings(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            self.running.add(process)
            try:
                out, err = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                raise PackageError(
                    f"{command[0]}: given up after {timeout_s:g} s in the emulated {root.name}"
                ) from None
            finally:
                process.kill()  # does nothing to one that has ended
                self.running.discard(process)
        if process.returncode not in expected:
            said = [text for text in (out + err).splitlines() if text.strip()] or ["nothing was said"]
            what = f"exit code {process.returncode} in the emulated {root.name}"
            raise PackageError(f"{command[0]}: {what}: {said[-1][:300]}")
        return out

    def stop(self) -> None:
        """Ends what is running, in whichever thread."""
        for process in list(self.running):
            process.kill()


def prepare_emulation(folder: Path, *, which: Mapping[str, str | None] | None = None) -> Emulation:
    """Looks for what is needed and writes the stand-in for /proc/cpuinfo.

    Args:
        folder: where that file is written.
        which: for tests, where programs are; None looks on the PATH.

    Raises:
        PackageError: a program or root is missing; names the package that brings it.
    """
    find = which.get if which is not None else shutil.which
    for tool, package in _TOOLS.items():
        if find(tool) is None:
            raise PackageError(f"{tool}: not on this machine; apt-get install {package}")
    emulator = next((found for name in _EMULATORS if (found := find(name))), None)
    if emulator is None:
        raise PackageError(f"{_EMULATORS[0]}: not on this machine; apt-get install qemu-user-static")
    if os.geteuid() != 0:
        raise PackageError("arm64-check: needs root, for chroot and mount; run it with sudo, or in a container as root")
    said = subprocess.run([emulator, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"version (\d[\w.]*)", said)
    cpuinfo = folder / "cpuinfo"
    cpuinfo.write_text(write_cpuinfo(), encoding="ascii")
    return Emulation(
        emulator=emulator, version=version[1] if version else "unknown", cpuinfo=cpuinfo, told=holds_elsewhere(_BINFMT)
    )


def session(root: Path, command: Sequence[str], *, emulator: str, cpuinfo: Path, told: bool) -> list[str]:
    """The command line that runs a program in a root, in namespaces of its own."""
    # A name of its own: the kernel's list is one for all sessions, and who ends first may not take another's away.
    entry = "" if told else f"{ENTRY}-{uuid4().hex[:8]}"
    text = f":{entry}:M::{_MAGIC}:{_MASK}:{emulator}:F" if entry else ""
    # Whatever ends this process, the session ends with it.
    walls = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
    return [*walls, "sh", "-c", _SESSION, ENTRY, str(root), entry, text, str(cpuinfo), *command]


def surroundings() -> dict[str, str]:
    """The environment of what runs there: nothing of this machine's. dpkg need not wait for a disk that goes anyway."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "DPKG_FORCE": "unsafe-io",
        "QEMU_CPU": CPU,
    }


def write_cpuinfo(cores: int = CORES) -> str:
    """/proc/cpuinfo as a Cortex-A72 shows it; XNNPACK reads it, and QEMU 7.2 would show this machine's."""
    core = (
        "processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n"
    )
    return "\n".join(core.format(number=number) for number in range(cores))


def holds_elsewhere(binfmt: Path) -> bool:
    """Whether the kernel starts QEMU by itself, enabled, with its file opened beforehand (`F`), so in any root."""
    for entry in sorted(binfmt.glob("qemu-aarch64*")):
        lines = entry.read_text(encoding="utf-8").splitlines()
        flags = next((line for line in lines if line.startswith("flags:")), "")
        if "enabled" in lines and "F" in flags.removeprefix("flags:"):
            return True
    return False
