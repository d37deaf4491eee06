"""Where things lie: a service's user has no home, and a service and its administrator find the same folder."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from edge import paths
from edge.paths import NOWHERE, home_folder, state_folder


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under systemd's DynamicUser=: no HOME, and a number that no user database knows."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_user_without_a_home_has_none(homeless: None) -> None:
    with pytest.raises(RuntimeError):
        Path.home()
    assert home_folder() == NOWHERE


def test_user_with_a_home_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_folder() == tmp_path


@pytest.mark.parametrize(
    ("file", "given", "expected"),
    [
        ("/etc/affect-edge/config.toml", "", "/var/lib/affect-edge"),
        ("/etc/affect-edge/door.toml", "", "/var/lib/affect-edge-door"),
        ("/etc/affect-edge/door.toml", "/var/lib/affect-edge-door", "/var/lib/affect-edge-door"),
        ("/etc/affect-edge/config.toml", "/a:/b", "/a"),
        ("/home/me/config.toml", "", "/home/me/.local/state/affect-edge/berlin-door"),
        (None, "", "/home/me/.local/state/affect-edge/berlin-door"),
    ],
)
def test_service_and_administrator_find_the_same_folder(
    monkeypatch: pytest.MonkeyPatch, file: str | None, given: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("STATE_DIRECTORY", given)
    assert state_folder(Path(file) if file else None, "berlin", "door") == Path(expected)


def test_a_configuration_named_from_its_own_folder_is_a_service_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(paths, "CONFIGS", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert state_folder(Path("config.toml"), "site", "device") == Path("/var/lib/affect-edge")
