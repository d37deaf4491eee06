"""A release made of stand-in packages: what its signatures, sums, lists and apt's own reading of them let through."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.errors import ConfigError
from firmware_config.debian.archive import pack
from firmware_config.debian.lock import read_lock
from firmware_config.debian.runtime import install_runtime
from firmware_config.debian.target import ARCHITECTURES, PYTHONS, Target
from firmware_config.debian.tree import lay_out, site_packages
from firmware_config.errors import PackageError
from firmware_config.release.command import SUMS, publish, refuse_changes
from firmware_config.release.repository import KEY
from firmware_config.release.sbom import write_sbom
from firmware_config.release.signing import Signer, draft_signer

EPOCH = 1_790_000_000
TARGET = Target(architecture="amd64", python="3.11")
TARGETS = [Target(architecture=arch, python=python) for arch in ARCHITECTURES for python in PYTHONS]
LIBRARY = b"stand-in"


@pytest.fixture(scope="module")
def signer(program: Callable[[str], str]) -> Iterator[Signer]:
    program("gpg")
    with draft_signer() as signer:
        yield signer


def build(root: Path, target: Target, **packages: str) -> Path:
    """A package whose runtime is the given Python packages, ours, and one native library."""
    tree = root / f"tree-{target.file_name}"
    site = site_packages(tree, target)
    for name, version in {"affect_edge": "0.1.0", **packages}.items():
        (site / f"{name}-{version}.dist-info").mkdir(parents=True)
        text = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\n"
        (site / f"{name}-{version}.dist-info/METADATA").write_text(text)
    (site / "opencv_python_headless.libs").mkdir()
    (site / "opencv_python_headless.libs/libavcodec-c4204469.so.62.28.101").write_bytes(LIBRARY)
    lay_out(tree, target, epoch=EPOCH)
    return pack(tree, target, root, EPOCH)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str], signer: Signer) -> Path:
    """A release of two packages."""
    program("dpkg-deb"), program("apt-ftparchive")
    folder = tmp_path_factory.mktemp("release")
    scratch = tmp_path_factory.mktemp("scratch")
    version = read_lock(TARGET.lock)["msgspec"][0]
    packages = []
    for target in (TARGET, Target(architecture="arm64", python="3.13")):
        package = build(scratch, target, msgspec=version)
        packages.append(package.rename(folder / package.name))
    publish(packages, folder, signer, EPOCH)
    return folder


def test_the_sums_name_every_file_and_are_signed(out: Path, signer: Signer, tmp_path: Path) -> None:
    named = {line.split("  ")[1] for line in (out / SUMS).read_text().splitlines()}
    there = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert there - named == {SUMS, f"{SUMS}.asc"}
    assert "apt/dists/bookworm/InRelease" in named
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", SUMS], cwd=out, check=True)
    keys = ["gpg", "--batch", "--homedir", tmp_path]
    tmp_path.chmod(0o700)
    subprocess.run([*keys, "--import", out / "apt" / KEY], check=True, capture_output=True)
    subprocess.run([*keys, "--verify", f"{SUMS}.asc", SUMS], cwd=out, check=True, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", tmp_path, "--kill", "all"], check=False)


def apt(folder: Path, out: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """apt with a state of its own, for bookworm on amd64, that knows this release alone."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    source = f"deb [arch=amd64 signed-by={out}/apt/{KEY}] file:{out}/apt bookworm main\n"
    (folder / "sources.list").write_text(source)
    (folder / "status").touch()
    options = [
        f"-oDir::State={folder}/state",
        f"-oDir::State::status={folder}/status",
        f"-oDir::Cache={folder}/cache",
        f"-oDir::Etc={folder}/etc",
        f"-oDir::Etc::sourcelist={folder}/sources.list",
        "-oAPT::Sandbox::User=",
        "-oAPT::Architecture=amd64",
    ]
    return subprocess.run(["apt-get", *options, *command], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.needs("apt-ftparchive")
def test_apt_takes_this_systems_package_and_nothing_that_was_changed(out: Path, tmp_path: Path) -> None:
    assert apt(tmp_path, out, "update", "--error-on=any").returncode == 0
    done = apt(tmp_path, out, "--print-uris", "download", "affect-edge")
    assert TARGET.file_name.replace("+", "%2b") in done.stdout.replace("%2B", "%2b"), done.stdout + done.stderr

    index = out / "apt/dists/bookworm/main/binary-amd64/Packages"
    texts = {path: path.read_bytes() for path in (index, index.with_suffix(".gz"), index.parents[2] / "InRelease")}
    try:
        for path in list(texts)[:2]:
            path.write_bytes(texts[path].replace(b"affect", b"effect") if path == index else b"")
        (tmp_path / "other").mkdir()
        said = apt(tmp_path / "other", out, "update", "--error-on=any")
        assert said.returncode != 0
        release = list(texts)[2]
        release.write_bytes(texts[release].replace(b"Label: affect-edge", b"Label: effect-edge"))
        (tmp_path / "third").mkdir()
        said = apt(tmp_path / "third", out, "update", "--error-on=any")
        assert said.returncode != 0
        assert "signature" in said.stderr.lower()
    finally:
        for path, data in texts.items():
            path.write_bytes(data)


def test_the_bill_of_materials_names_packages_native_libraries_and_is_the_same_twice(out: Path) -> None:
    package = out / TARGET.file_name
    text = package.with_suffix(".cdx.json").read_text()
    assert write_sbom(package, EPOCH) == text
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    found = {part["name"]: part for part in bill["components"]}
    assert found["msgspec"]["version"] == read_lock(TARGET.lock)["msgspec"][0]
    assert found["libavcodec"]["version"] == "62.28.101"


def test_a_package_that_holds_what_its_lock_does_not_list_is_refused(tmp_path: Path, program) -> None:
    program("dpkg-deb")
    with pytest.raises(PackageError, match=r"msgspec 0\.0\.1"):
        write_sbom(build(tmp_path, TARGET, msgspec="0.0.1"), EPOCH)


def make_wheel(folder: Path, name: str, needs: str = "") -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    information = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + (f"Requires-Dist: {needs}\n" if needs else "")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{information}/METADATA", metadata)
        archive.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{information}/RECORD", f"{name}.py,,\n{information}/METADATA,,\n{information}/WHEEL,,\n")
    return path


def test_only_listed_wheels_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, needed = make_wheel(tmp_path, "affect_edge", "needed"), make_wheel(tmp_path, "needed")
    lock = tmp_path / "lock.txt"
    monkeypatch.setattr(Target, "lock", lock)
    environment = {"PATH": "/usr/bin:/bin", "PIP_NO_" + "INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    sha256 = subprocess.run(["sha256sum", needed], capture_output=True, text=True, check=True).stdout.split()[0]

    lock.write_text(f"needed==1.0 --hash=sha256:{sha256}\n")
    install_runtime(own, TARGET, tmp_path / "site", environment)
    assert (tmp_path / "site/needed.py").is_file()
    lock.write_text(f"needed==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(PackageError, match=r"(?i)hash"):
        install_runtime(own, TARGET, tmp_path / "other", environment)
    lock.write_text("")
    with pytest.raises(PackageError):
        install_runtime(own, TARGET, tmp_path / "third", environment)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.file_name)
def test_the_lock_has_the_versions_of_the_constraints(target: Target) -> None:
    lines = target.constraints.read_text().splitlines()
    pins = {line.split(" ;")[0].strip() for line in lines if 'python_version < "3.11"' not in line}
    locked = read_lock(target.lock)
    assert {f"{name}=={version}" for name, (version, _) in locked.items()} <= pins
    assert {"numpy", "opencv-python-headless", "ai-edge-litert", "cryptography"} <= locked.keys()


def test_a_release_is_refused_from_files_that_no_commit_has(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no git checkout"):
        refuse_changes(tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    refuse_changes(tmp_path)
    (tmp_path / "changed.py").touch()
    with pytest.raises(ConfigError, match=r"changed\.py"):
        refuse_changes(tmp_path)
