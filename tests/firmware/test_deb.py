"""The Debian package: what is in it, what its scripts do, and that twice the same source gives twice the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
import struct
import subprocess
from collections.abc import Callable
from email import message_from_string
from pathlib import Path

import pytest

from edge.cli import VERBS
from edge.config import load_config, require_deployment
from edge.errors import ConfigError, DeploymentError
from firmware_config.debian.command import source_date
from firmware_config.debian.elf import MACHINES, read_elf
from firmware_config.debian.manual import write_manual
from firmware_config.debian.runtime import strangers, trim
from firmware_config.debian.target import Target, read_name
from firmware_config.debian.tree import SCRIPTS, packaged_unit
from firmware_config.errors import PackageError

EPOCH = 1_790_000_000  # of the fixture that builds
Build = Callable[..., Path]
SYSTEMD = Path(__file__).parents[2] / "firmware_config/systemd"
FILES = (
    "usr/share/affect-edge/config.toml",
    "usr/bin/affect-edge",
    "usr/lib/affect-edge/bin/affect-edge",
    "usr/lib/affect-edge/bin/python3",
    "usr/lib/affect-edge/lib/python3.13/site-packages/edge/__init__.py",
    "usr/lib/affect-edge/pyvenv.cfg",
    "usr/lib/systemd/system/affect-edge.service",
    "usr/lib/systemd/system/affect-edge@.service",
    "usr/lib/udev/rules.d/65-affect-edge.rules",
    "usr/share/doc/affect-edge/changelog.Debian.gz",
    "usr/share/doc/affect-edge/changelog.gz",
    "usr/share/doc/affect-edge/copyright",
    "usr/share/doc/affect-edge/examples/config.toml",
    "usr/share/man/man1/affect-edge.1.gz",
)


def test_the_package_holds_what_a_device_needs(opened: Path) -> None:
    assert [name for name in FILES if not os.path.lexists(opened / name)] == []


def test_nothing_lies_outside_the_folders_of_a_package(opened: Path) -> None:
    tops = {str(path.relative_to(opened)) for path in opened.iterdir()}
    assert tops == {"DEBIAN", "usr"}  # /etc is the place's, /var the service's, made by systemd


def test_control_says_for_which_machine_and_python(opened: Path) -> None:
    control = message_from_string((opened / "DEBIAN/control").read_text())
    assert (control["Package"], control["Architecture"]) == ("affect-edge", "arm64")
    assert control["Version"].endswith("+py3.13")
    depends = control["Depends"].split(", ")
    assert {"python3 (>= 3.13)", "python3 (<< 3.14)", "libc6 (>= 2.28)"} <= set(depends)
    assert control["Suggests"] == "python3-picamera2"
    assert int(control["Installed-Size"]) > 0


def test_a_package_for_a_newer_python_replaces_one_for_an_older(opened: Path) -> None:
    older, newer = (Target(architecture="arm64", python=python).version for python in ("3.11", "3.13"))
    assert subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=False).returncode == 0


def test_nothing_is_a_conffile_so_dpkg_asks_nothing_where_a_seed_wrote_the_configuration(opened: Path) -> None:
    assert not (opened / "DEBIAN/conffiles").exists()
    assert not (opened / "etc").exists()


def test_modes_and_owners(package: Path) -> None:
    listed = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {line.split()[1] for line in listed} == {"root/root"}
    programs = {line.split()[5] for line in listed if line.startswith("-rwxr-xr-x")}
    assert programs == {"./usr/bin/affect-edge"}
    assert {line[:10] for line in listed} == {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}


def test_sums_are_those_of_the_files(opened: Path) -> None:
    lines = [line.split("  ") for line in (opened / "DEBIAN/md5sums").read_text().splitlines()]
    assert lines
    for digest, name in lines:
        assert hashlib.md5((opened / name).read_bytes()).hexdigest() == digest


def test_the_configuration_that_comes_along_does_not_start_a_camera(opened: Path) -> None:
    config = load_config(opened / "usr/share/affect-edge/config.toml")
    assert config.camera.live
    with pytest.raises(DeploymentError):
        require_deployment(config)


def test_units_differ_from_their_source_in_the_program_only(opened: Path) -> None:
    for name in ("affect-edge.service", "affect-edge@.service"):
        ours = (opened / "usr/lib/systemd/system" / name).read_text().splitlines()
        theirs = (SYSTEMD / name).read_text().splitlines()
        changed = [line for line in ours if line not in theirs and not line.startswith("#")]
        assert [line.split()[0] for line in changed] == ["ExecStart=/usr/bin/affect-edge"]
        assert not any("/opt/" in line for line in ours)


def test_a_unit_that_no_longer_fits_is_refused() -> None:
    text = (SYSTEMD / "affect-edge.service").read_text()
    with pytest.raises(PackageError, match=r"correct debian/tree\.py"):
        packaged_unit(text.replace("/opt/affect-edge/bin/affect-edge", "/srv/affect-edge"))


def test_no_service_is_enabled(opened: Path) -> None:
    assert not list(opened.rglob("*.wants"))
    assert not [name for name in SCRIPTS if "enable" in commands((opened / "DEBIAN" / name).read_text())]


def commands(script: str) -> str:
    return "\n".join(line for line in script.splitlines() if not line.lstrip().startswith("#"))


def test_rules_give_cameras_and_accelerators_to_the_services_group(opened: Path) -> None:
    rules = (opened / "usr/lib/udev/rules.d/65-affect-edge.rules").read_text()
    lines = [line for line in rules.splitlines() if not line.startswith("#")]
    assert all('GROUP="video", MODE="0660"' in line for line in lines)
    for vendor, product in (("1a6e", "089a"), ("18d1", "9302")):
        assert any(f'idVendor}}=="{vendor}"' in line and f'idProduct}}=="{product}"' in line for line in lines)
    assert any('SUBSYSTEM=="video4linux"' in line for line in lines)


def test_copyright_names_every_package_and_model_file(opened: Path) -> None:
    text = (opened / "usr/share/doc/affect-edge/copyright").read_text()
    assert "needed 1.0\n    MIT" in text
    assert "yunet.tflite" in text
    assert "WIDER FACE" in text
    assert "/usr/share/common-licenses/Apache-2.0" in text


@pytest.mark.needs("man")
def test_the_manual_page_is_clean_and_names_every_command(opened: Path) -> None:
    page = gzip.decompress((opened / "usr/share/man/man1/affect-edge.1.gz").read_bytes()).decode()
    assert page == write_manual(EPOCH)
    command = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", "-"]
    done = subprocess.run(
        command, input=page, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    for verb in (*VERBS, "bundle install", "bundle rollback"):
        assert re.search(rf'^\.SS "{verb}', page, re.MULTILINE)


def test_twice_the_same_source_is_twice_the_same_package(
    package: Path, target: Target, build_package: Build, tmp_path: Path
) -> None:
    assert build_package(tmp_path, target).read_bytes() == package.read_bytes()


def test_another_date_is_another_package(package: Path, target: Target, build_package: Build, tmp_path: Path) -> None:
    later = build_package(tmp_path, target, EPOCH + 1)
    assert later.read_bytes() != package.read_bytes()


def test_what_pip_notes_and_tests_are_left_out(tmp_path: Path) -> None:
    for name in (
        "a/tests/test_a.py",
        "a/__pycache__/a.pyc",
        "a-1.dist-info/RECORD",
        "a-1.dist-info/direct_url.json",
        "bin/a",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "a-1.dist-info/METADATA").write_text("")
    trim(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == [
        "a-1.dist-info/METADATA"
    ]


def test_a_wheel_for_another_machine_is_noticed(tmp_path: Path) -> None:
    header = b"\x7fELF\x02\x01" + bytes(12) + struct.pack("<H", MACHINES["amd64"]) + bytes(44)
    (tmp_path / "a.so").write_bytes(header)
    assert strangers(tmp_path, "amd64") == []
    assert strangers(tmp_path, "arm64") == ["a.so: is not for arm64; build with a package source that has its wheel"]


def test_the_libraries_a_file_names_are_read(tmp_path: Path, program: Callable[[str], str]) -> None:
    compiler = program("cc")
    (tmp_path / "a.c").write_text("int a(void) { return 1; }\n")
    subprocess.run([compiler, "-shared", "-o", tmp_path / "libmine.so", tmp_path / "a.c"], check=True)
    named = ["-Wl,--no-as-needed", f"-L{tmp_path}", "-lmine"]
    subprocess.run([compiler, "-shared", "-o", tmp_path / "b.so", tmp_path / "a.c", *named], check=True)
    elf = read_elf(tmp_path / "b.so")
    assert elf is not None
    assert "libmine.so" in elf.needed
    machine = next(name for name, number in MACHINES.items() if number == elf.machine)
    (tmp_path / "libmine.so").rename(tmp_path / "gone")
    assert any("needs libmine.so" in line for line in strangers(tmp_path, machine))


def test_the_old_camera_stack_gets_the_old_numpy() -> None:
    assert Target(architecture="arm64", python="3.11").constraints.name == "constraints-tflite.txt"
    assert Target(architecture="arm64", python="3.13").constraints.name == "constraints.txt"
    assert Target(architecture="amd64", python="3.11").constraints.name == "constraints.txt"


@pytest.mark.parametrize(("architecture", "python"), [("riscv64", "3.13"), ("arm64", "3.10"), ("amd64", "3")])
def test_a_machine_without_a_package_is_refused(architecture: str, python: str) -> None:
    with pytest.raises(ConfigError, match="choose one of"):
        Target(architecture=architecture, python=python)


def test_a_file_name_says_its_target(target: Target) -> None:
    assert read_name(target.file_name) == target


def test_a_date_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH"):
        source_date()


@pytest.fixture
def run_script(opened: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Runs a maintainer script on a system whose systemd is a stand-in with two cameras running; what it was asked."""
    said, programs = tmp_path / "said", tmp_path / "programs"
    for name in ("systemctl", "deb-systemd-invoke"):
        programs.mkdir(exist_ok=True)
        (programs / name).write_text(
            "#!/bin/sh\n"
            'if [ "$1" = list-units ]; then printf "affect-edge%s.service loaded active\\n" "" @door\n'
            f'else echo "$*" >> {said}; fi\n'
        )
        (programs / name).chmod(0o755)
    (tmp_path / "run").mkdir()

    def run_script(name: str, *arguments: str) -> list[str]:
        script = (opened / "DEBIAN" / name).read_text().replace("/run/systemd/system", str(tmp_path / "run"))
        script = script.replace("/run/udev/control", "/nowhere").replace("/usr/lib/affect-edge", str(tmp_path))
        script = script.replace("/etc/", f"{tmp_path}/etc/").replace("/var/", f"{tmp_path}/var/")
        script = script.replace("/usr/share/", f"{opened}/usr/share/")
        said.write_text("")
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-s", *arguments], input=script, text=True, check=False, env=environment)
        assert done.returncode == 0
        return said.read_text().splitlines()

    return run_script


def test_an_upgrade_restarts_what_runs_and_an_installation_nothing(run_script: Callable[..., list[str]]) -> None:
    assert run_script("postinst", "configure", "") == ["--system daemon-reload"]
    restarted = ["try-restart affect-edge.service", "try-restart affect-edge@door.service"]
    assert run_script("postinst", "configure", "0.1.0-1+py3.13") == ["--system daemon-reload", *restarted]


def test_the_configuration_is_written_once_and_one_that_is_there_is_kept(
    run_script: Callable[..., list[str]], tmp_path: Path
) -> None:
    written = tmp_path / "etc/affect-edge/config.toml"
    run_script("postinst", "configure", "")
    assert "sudo affect-edge init" in written.read_text()
    written.write_text("of this place")
    run_script("postinst", "configure", "0.1.0-1+py3.13")
    assert written.read_text() == "of this place"


def test_a_removal_stops_what_runs_and_an_upgrade_does_not(run_script: Callable[..., list[str]]) -> None:
    assert run_script("prerm", "remove") == ["stop affect-edge.service", "stop affect-edge@door.service"]
    assert run_script("prerm", "upgrade", "0.1.0-2+py3.13") == []


def test_a_purge_takes_what_the_place_wrote_and_a_removal_does_not(
    run_script: Callable[..., list[str]], tmp_path: Path
) -> None:
    kept = [tmp_path / name for name in ("etc/affect-edge/door.toml", "var/lib/private/affect-edge/outbox.db")]
    kept.append(tmp_path / "var/lib/private/affect-edge-door/outbox.db")
    kept.append(tmp_path / "etc/systemd/system/affect-edge@door.service.d/installation.conf")
    others = tmp_path / "etc/systemd/system/other.service"
    for path in (*kept, others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    run_script("postrm", "remove")
    assert all(path.exists() for path in kept)
    run_script("postrm", "purge")
    run_script("postrm", "purge")
    assert not any(path.exists() for path in kept)
    assert others.exists()


@pytest.mark.parametrize("name", SCRIPTS)
def test_maintainer_scripts_do_nothing_harmful_without_systemd(name: str, opened: Path) -> None:
    script = opened / "DEBIAN" / name
    assert stat.S_IMODE(script.stat().st_mode) == 0o755
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    assert script.read_text().startswith("#!/bin/sh\nset -e\n")
