"""Tags and zones of a device in a table: from the cell into the configuration, and what is no such cell."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.cli.init.configuration import write_config
from edge.config import Config, load_config
from edge.deployment import Deployment
from edge.errors import ConfigError
from firmware_config.fleet.places import read_tags, read_zones

FRACTION = st.decimals(0, 1, places=3).map(float)
ZONE = st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.lists(st.tuples(FRACTION, FRACTION), min_size=3))
VALUE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=64)

WHY = Deployment(
    purpose="installation-art", jurisdiction="DE", legal_basis="legitimate-interest", controller="Museum",
    contact="privacy@museum.example", retention_days=90, notice="on the door", notice_version="1",
    notice_date=date(2026, 11, 1),
)  # fmt: skip


def load(tags: str, zones: str) -> Config:
    device = {"site": "s", "name": "d", "tags": read_tags(tags)}
    mqtt = {"host": "localhost"}
    return write_config("rpi5", device=device, mqtt=mqtt, deployment=WHY, zones=read_zones(zones))[1]


@settings(deadline=None, max_examples=30)
@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True), VALUE, max_size=4),
    st.lists(ZONE, max_size=3),
)
def test_what_the_cells_say_is_what_the_device_loads(tags: dict[str, str], zones: list) -> None:
    tag_cell = " ".join(f"{key}={value}" for key, value in tags.items())
    zone_cell = " | ".join(
        f"{name}: " + " ".join(f"{x:g},{y:g}" for x, y in area) for name, area in zones if len(area) < 33
    )
    config = load(tag_cell, zone_cell)
    assert config.device.tags == tags
    assert [zone.name for zone in config.zones] == [name for name, area in zones if len(area) < 33]
    assert all(0 <= x <= 1 and 0 <= y <= 1 for zone in config.zones for x, y in zone.exclude)


@pytest.mark.parametrize("cell", ["entrance", "zone=", "=entrance", "zone=a zone=b"])
def test_what_is_no_tag_is_named(cell: str) -> None:
    with pytest.raises(ConfigError, match=r"^tags: "):
        read_tags(cell)


@pytest.mark.parametrize(
    "cell", ["till", "till: 0,0 1,1", "till: 0,0 1,0 1,2", "0,0 1,0 1,1", "till: 0,0 1,0 1,1 |", "till: 0;0 1;0 1;1"]
)
def test_what_is_no_zone_is_named(cell: str) -> None:
    with pytest.raises(ConfigError, match=r"^zones: "):
        read_zones(cell)


def test_five_tags_are_one_too_many() -> None:
    with pytest.raises(ConfigError, match=r"device\.tags"):
        load("a=1 b=2 c=3 d=4 e=5", "")


def test_a_table_gives_each_device_its_own(enrol, tmp_path) -> None:
    table = "site,device,tags,zones\nberlin,door,zone=entrance variant=b,\n"
    table += 'berlin,hall,,"till: 0,0.4 0.3,0.4 0.3,1 0,1 | desk: 0.5,0 1,0 1,0.2"\n'
    assert enrol(table)[0] == 0
    door, hall = (load_config(tmp_path / f"fleet/devices/berlin/{name}/config.toml") for name in ("door", "hall"))
    assert door.device.tags == {"zone": "entrance", "variant": "b"}
    assert door.zones == []
    assert [zone.name for zone in hall.zones] == ["till", "desk"]
    assert hall.zones[0].exclude[1] == (0.3, 0.4)


def test_a_wrong_cell_is_told_with_its_line(enrol, tmp_path) -> None:
    code, _, err = enrol("site,device,zones\nberlin,door,till\n")
    assert code == 2
    assert "fleet.csv:2: zones: 'till' is not places never looked at" in err
