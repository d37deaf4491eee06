"""`python -m firmware_config check`: what it passes as shipped, and that each of its guards can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.cli.doctor.finding import Finding, Level
from firmware_config.check.files import check_profiles, check_rules, check_secrets, check_units
from firmware_config.check.seed import check_seed, fill_sample

FOLDER = Path(__file__).parents[2] / "firmware_config"
Change = Callable[[str, str, str], list[Finding]]


def wrong(findings: list[Finding]) -> list[str]:
    return [finding.check for finding in findings if finding.level is Level.FAIL]


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    fill_sample(FOLDER / "cloud-init", tmp_path)
    return tmp_path


@pytest.fixture
def without_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """cloud-init takes a second to start; one test asks it."""
    monkeypatch.setattr("firmware_config.check.seed.shutil.which", lambda _: None)


@pytest.fixture
def change(seed: Path, without_schema: None) -> Change:
    def change(name: str, old: str, new: str) -> list[Finding]:
        text = (seed / name).read_text()
        assert old in text
        (seed / name).write_text(text.replace(old, new))
        return check_seed(seed)

    return change


def test_what_is_shipped_has_nothing_wrong() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "firmware_config", "check"],
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 wrong" in done.stdout


def test_the_templates_as_they_are_would_let_nobody_in(without_schema: None) -> None:
    found = check_seed(FOLDER / "cloud-init")
    assert {"blanks", "login"} <= set(wrong(found))
    assert all(finding.fix for finding in found if finding.level is Level.FAIL)


def test_a_filled_seed_is_good(seed: Path, without_schema: None) -> None:
    assert wrong(check_seed(seed)) == []


@pytest.mark.skipif(shutil.which("cloud-init") is None, reason="needs cloud-init: apt-get install cloud-init")
def test_cloud_init_accepts_the_seed_and_refuses_a_word_that_is_none(seed: Path) -> None:
    assert "schema" not in wrong(check_seed(seed))
    text = (seed / "user-data").read_text()
    (seed / "user-data").write_text(text.replace("package_update: true", "package_update: [1]"))
    assert "schema" in wrong(check_seed(seed))


@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        ("ssh-ed25519 ", "", "login"),
        ("lock_passwd: true", "lock_passwd: false", "passwords"),
        ("ssh_pwauth: false", "ssh_pwauth: true", "passwords"),
        ("ssh_pwauth: false", "ssh_pwauth: false\npassword: camera", "passwords"),
        ("lock_passwd: true", "plain_text_passwd: camera", "passwords"),
        ("affect-edge_*.deb", "something.deb", "package"),
    ],
)
def test_a_bad_user_is_noticed(change: Change, old: str, new: str, check: str) -> None:
    assert check in wrong(change("user-data", old, new))


def test_a_seed_without_a_network_is_noticed(change: Change) -> None:
    assert "network" in wrong(change("network-config", "dhcp4: true", "dhcp4: false"))


def test_the_cable_alone_is_a_network(seed: Path, without_schema: None) -> None:
    text = (seed / "network-config").read_text()
    (seed / "network-config").write_text(text[: text.index("  wifis:")])
    assert wrong(check_seed(seed)) == []


def test_what_is_no_yaml_or_not_there_is_one_line(seed: Path, without_schema: None) -> None:
    (seed / "user-data").write_text("users: [\n")
    (finding,) = (one for one in check_seed(seed) if one.level is Level.FAIL)
    assert "\n" not in finding.said
    (seed / "meta-data").unlink()
    assert "meta-data" in check_seed(seed)[0].said


def test_a_profile_that_does_not_load_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_config.check.files.read_profile", lambda _: "[camera]\nwidht = 640\n")
    findings = check_profiles()
    assert all(finding.level is Level.FAIL and "camera.widht" in finding.said for finding in findings)


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize(("old", "new"), [("PrivateUsers=yes", "PrivateUserz=yes"), ("CapabilityBoundingSet=\n", "\n")])
def test_a_broken_or_open_unit_is_noticed(tmp_path: Path, old: str, new: str) -> None:
    for name in ("affect-edge.service", "affect-edge@.service"):
        text = (FOLDER / "systemd" / name).read_text()
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new))
    assert wrong(check_units(tmp_path)) == ["affect-edge.service", "affect-edge@.service"]


def test_rules_that_are_gone_are_noticed(tmp_path: Path) -> None:
    assert wrong(check_rules(tmp_path)) == ["udev rules"]


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
        "password: hunter2",
        'wifi_psk = "hunter2"',
        "user1pass" + "word=hunter2",
        "hash: $6" + "$abcdef",
    ],
)
def test_a_planted_secret_is_noticed(text: str, tmp_path: Path) -> None:
    path = tmp_path / "seed"
    path.write_text(f"# a file\n{text}\n")
    (finding,) = check_secrets([path])
    assert finding.level is Level.FAIL
    assert "seed:2 holds" in finding.said


@pytest.mark.parametrize(
    "text", ['password: "REPLACE-network-password"', "lock_passwd: true", "passwd:", "ssh_pwauth: no"]
)
def test_a_blank_is_no_secret(text: str, tmp_path: Path) -> None:
    path = tmp_path / "seed"
    path.write_text(text)
    assert wrong(check_secrets([path])) == []
