"""A service's user has no home: nothing that looks for one may stop the device."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from edge.model.assets import asset_folders
from edge.paths import NOWHERE, home_folder


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under systemd's DynamicUser=: no HOME, and a number that no user database knows."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "XDG_CACHE_HOME", "AFFECT_EDGE_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_user_without_a_home_still_finds_what_the_system_installed(homeless: None) -> None:
    with pytest.raises(RuntimeError):
        Path.home()
    assert home_folder() == NOWHERE
    assert Path("/usr/share/affect-edge/assets") in asset_folders()


def test_user_with_a_home_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_folder() == tmp_path
