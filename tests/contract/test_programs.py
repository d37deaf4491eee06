"""The programs that tests run are installed by `make test`, and a test never does silently without one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import programs

LOOKED_FOR = re.compile(r'(?:which|find_program|program|needs)\(("[^)]+")')
EVERYWHERE = {"sh", "true"}
TRIAL = """
import pytest

@pytest.mark.needs("strace")
def test_marked():
    pass

def test_fixture(needs_mosquitto):
    pass
"""


def test_every_program_that_a_test_looks_for_has_its_package(repo: Path) -> None:
    named = {
        name
        for path in (repo / "tests").rglob("*.py")
        for words in LOOKED_FOR.findall(path.read_text("utf-8"))
        for name in re.findall(r'"([a-z][a-z_-]+)"', words)
    }
    assert {"mosquitto", "man", "cloud-init"} <= named
    assert named - programs.PACKAGES.keys() - programs.OPTIONAL.keys() - EVERYWHERE == set()


@pytest.mark.parametrize(("accepted", "outcome"), [("", "2 errors"), ("1", "2 skipped")])
def test_a_missing_program_fails_the_test_unless_the_skip_is_accepted(
    repo: Path, tmp_path: Path, bare_environment: dict[str, str], accepted: str, outcome: str
) -> None:
    (tmp_path / "conftest.py").write_text(
        "import scripts.programs as programs\nprograms.find_program = lambda name: None\nfrom tests.conftest import *\n"
    )
    (tmp_path / "test_trial.py").write_text(TRIAL)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-c", repo / "pyproject.toml", "--rootdir", tmp_path, tmp_path],
        cwd=repo,
        env=bare_environment | {"PYTHONPATH": str(repo), programs.MAY_SKIP: accepted, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout, done.stdout
    assert "needs mosquitto: apt-get install mosquitto" in done.stdout


def test_one_line_says_what_a_user_has_to_install() -> None:
    said = programs.advice(programs.packages_of(["mosquitto", "mosquitto_passwd", "cc"]))
    assert "apt-get install --no-install-recommends gcc libc6-dev mosquitto (" in said
    assert "\n" not in said


def test_a_user_without_root_is_told_and_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(programs, "find_program", lambda name: None if name == "strace" else "/bin/true")
    monkeypatch.setattr(programs.os, "geteuid", lambda: 1000)
    monkeypatch.delenv(programs.MAY_SKIP, raising=False)
    assert programs.main() == 1
    assert "strace" in capsys.readouterr().err
    monkeypatch.setenv(programs.MAY_SKIP, "1")
    assert programs.main() == 0


def test_services_are_held_back_while_packages_are_installed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with programs.services_held_back(policy):
        assert subprocess.run([policy], check=False).returncode == 101
    assert not policy.exists()


def test_a_policy_of_the_machine_stays(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    with programs.services_held_back(policy):
        assert policy.read_text().endswith("exit 0\n")
    assert policy.exists()
