"""How arm64 programs are run here: what they see of this machine, and what is said when something is missing."""

from __future__ import annotations

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from firmware_config.arm64.emulation import (
    ENTRY,
    Emulation,
    holds_elsewhere,
    prepare_emulation,
    session,
    surroundings,
    write_cpuinfo,
)  # fmt: skip
from firmware_config.arm64.roots import bootstrap_line, require_suite
from firmware_config.errors import PackageError

TOOLS = ("unshare", "setpriv", "mount", "chroot", "tar", "debootstrap", "dpkg-deb", "qemu-aarch64-static")


def test_the_processor_is_one_of_a_board() -> None:
    cores = write_cpuinfo(4).split("\n\n")
    assert [core.splitlines()[0] for core in cores] == [f"processor\t: {number}" for number in range(4)]
    assert all("CPU implementer\t: 0x41" in core and "CPU part\t: 0xd08" in core for core in cores)
    assert surroundings()["QEMU_CPU"] == "cortex-a72"


def test_nothing_of_this_machines_environment_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    assert "PYTHONPATH" not in surroundings()


def test_a_session_has_mounts_processes_and_network_of_its_own_and_no_sys() -> None:
    line = session(Path("/r"), ["true"], emulator="/usr/bin/q", cpuinfo=Path("/c"), told=False)
    assert {"--mount", "--pid", "--net", "--kill-child"} <= set(line[: line.index("sh")])
    assert line[-6:] == [ENTRY, "/r", line[-4], line[-3], "/c", "true"]
    assert line[-3].startswith(f":{line[-4]}:M::")
    assert line[-3].endswith(":/usr/bin/q:F")
    assert "sysfs" not in " ".join(line)


def test_a_session_that_ends_takes_no_other_sessions_entry_away() -> None:
    lines = [session(Path("/r"), ["true"], emulator="/q", cpuinfo=Path("/c"), told=False) for _ in range(2)]
    assert lines[0][-4] != lines[1][-4]
    assert all(line[-4].startswith(ENTRY) for line in lines)


def test_a_kernel_that_knows_qemu_is_told_nothing() -> None:
    line = session(Path("/r"), ["true"], emulator="/usr/bin/q", cpuinfo=Path("/c"), told=True)
    assert line[-6:] == [ENTRY, "/r", "", "", "/c", "true"]


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
def test_the_sessions_script_is_one_that_a_shell_reads() -> None:
    line = session(Path("/r"), ["true"], emulator="/usr/bin/q", cpuinfo=Path("/c"), told=False)
    script = line[line.index("-c") + 1]
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\n", True),
        ("enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OC\n", False),  # not there in another root
        ("disabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\n", False),
    ],
)
def test_only_an_enabled_entry_with_an_open_file_holds_in_another_root(text: str, holds: bool, tmp_path: Path) -> None:
    assert not holds_elsewhere(tmp_path)
    (tmp_path / "qemu-aarch64").write_text(text)
    assert holds_elsewhere(tmp_path) is holds


@pytest.mark.parametrize(
    ("tool", "package"),
    [("debootstrap", "debootstrap"), ("qemu-aarch64-static", "qemu-user-static"), ("unshare", "util-linux")],
)
def test_a_missing_tool_is_named_with_its_package(tool: str, package: str, tmp_path: Path) -> None:
    here = {name: f"/usr/bin/{name}" for name in TOOLS if name != tool}
    with pytest.raises(PackageError, match=rf"^{tool}: not on this machine; apt-get install {package}$"):
        prepare_emulation(tmp_path, which=here)


def test_without_root_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_config.arm64.emulation.os.geteuid", lambda: 1000)
    with pytest.raises(PackageError, match="needs root"):
        prepare_emulation(tmp_path, which={name: f"/usr/bin/{name}" for name in TOOLS})


def test_the_root_holds_what_the_package_depends_on() -> None:
    line = bootstrap_line("trixie", Path("/r"))
    assert line[:3] == ["debootstrap", "--foreign", "--arch=arm64"]
    assert "--include=python3,libc6,libgcc-s1,libstdc++6,zlib1g" in line
    assert line[-2:] == ["trixie", "/r"]
    assert bootstrap_line("trixie", Path("/r"), "file:/mirror")[-1] == "file:/mirror"


def test_a_debootstrap_older_than_the_suite_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bookworm").touch()
    require_suite("bookworm", tmp_path)
    with pytest.raises(PackageError, match="does not know trixie"):
        require_suite("trixie", tmp_path)


def test_a_step_that_fails_or_hangs_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emulation = Emulation(emulator="/q", version="7", cpuinfo=tmp_path, told=True)
    monkeypatch.setattr(
        "firmware_config.arm64.emulation.session",
        lambda root, command, **_: ["sh", "-c", "echo first; echo last >&2; exit 7"],
    )
    with pytest.raises(PackageError, match=r"^dpkg: exit code 7 in the emulated trixie: last$"):
        emulation.run(tmp_path / "trixie", ["dpkg"], timeout_s=5)
    assert emulation.run(tmp_path, ["dpkg"], timeout_s=5, expected=(7,)) == "first\n"
    monkeypatch.setattr(
        "firmware_config.arm64.emulation.session", lambda root, command, **_: ["sh", "-c", "exec sleep 30"]
    )
    with pytest.raises(PackageError, match="given up after"):
        emulation.run(tmp_path, ["dpkg"], timeout_s=0.2)


def test_what_runs_in_another_thread_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emulation = Emulation(emulator="/q", version="7", cpuinfo=tmp_path, told=True)
    monkeypatch.setattr(
        "firmware_config.arm64.emulation.session", lambda root, command, **_: ["sh", "-c", "exec sleep 600"]
    )
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(emulation.run, tmp_path / "trixie", ["dpkg"], timeout_s=600)
        while not emulation.running:
            time.sleep(0.01)
        emulation.stop()
        with pytest.raises(PackageError, match="exit code -9"):
            step.result()
    assert not emulation.running
