"""Where the store lies, and how root changes what belongs to the service."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.config import Config, DeviceConfig, ModelConfig
from edge.errors import BundleError
from edge.model.bundle import default_bundle, load_bundle
from edge.model.store import state as steps
from edge.model.store.place import as_owner, store_path
from edge.model.store.store import Store

SERVICE = 61_184  # of the range that systemd gives to dynamic users


@pytest.mark.parametrize(
    ("store", "file", "state", "expected"),
    [
        ("", "/etc/affect-edge/config.toml", "", "/var/lib/affect-edge/bundles"),
        ("", "/etc/affect-edge/door.toml", "", "/var/lib/affect-edge/door/bundles"),
        ("", "/etc/affect-edge/door.toml", "/var/lib/affect-edge/door", "/var/lib/affect-edge/door/bundles"),
        ("", "/etc/affect-edge/config.toml", "/a:/b", "/a/bundles"),
        ("", "/home/me/config.toml", "", "/home/me/.local/state/affect-edge/berlin-door/bundles"),
        ("/data/models", "/etc/affect-edge/config.toml", "/a", "/data/models"),
    ],
)
def test_service_and_operator_find_the_same_folder(store: str, file: str, state: str, expected: str) -> None:
    config = Config(device=DeviceConfig(site="berlin", name="door"), model=ModelConfig(store=store))
    assert store_path(config, Path(file), state=state, home=Path("/home/me")) == Path(expected)


@pytest.fixture
def private() -> Iterator[Path]:
    """A state folder of the service's user behind a door that only root passes, as systemd makes it."""
    if os.geteuid() != 0:
        pytest.skip("needs root, which becomes the service's user")
    door = Path(tempfile.mkdtemp())
    state = door / "affect-edge"
    state.mkdir(mode=0o700)
    os.chown(state, SERVICE, SERVICE)
    yield state
    shutil.rmtree(door)


def test_what_root_installs_belongs_to_the_service(private: Path) -> None:
    here, bundle = Path.cwd(), load_bundle(default_bundle())
    with as_owner(private / "bundles") as mine:
        assert os.geteuid() == SERVICE
        Store(mine).add(bundle)
        Store(mine).change(lambda s: steps.activate(s, bundle.sha256))
    assert (os.geteuid(), Path.cwd()) == (0, here)
    owners = {path: path.stat().st_uid for path in private.rglob("*")}
    assert len(owners) > 8
    assert set(owners.values()) == {SERVICE}
    assert Store(private / "bundles").state().active == bundle.sha256


def test_a_link_that_somebody_left_in_the_store_leads_root_nowhere(private: Path, tmp_path: Path) -> None:
    (private / "bundles").symlink_to(tmp_path)
    before = tmp_path.stat().st_mtime_ns
    tmp_path.chmod(0o755)
    with pytest.raises(BundleError, match="Permission denied"), as_owner(private / "bundles") as mine:
        Store(mine).change(lambda s: steps.activate(s, "a" * 64))
    assert tmp_path.stat().st_mtime_ns == before


def test_root_is_root_again_after_an_error(private: Path) -> None:
    with pytest.raises(ValueError, match="on the way"), as_owner(private / "bundles"):
        raise ValueError("on the way")
    assert os.geteuid() == 0


def test_a_folder_of_one_s_own_is_left_as_it_is(tmp_path: Path) -> None:
    with as_owner(tmp_path / "state" / "bundles") as mine:
        assert mine == tmp_path / "state" / "bundles"
