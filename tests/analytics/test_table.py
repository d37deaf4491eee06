"""The table of windows: a row holds what the contract says, and what is stored twice is there once."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from analytics.store import Store
from analytics.table import SCHEMA, row
from edge.contract import Window, encode
from scripts.mqtt_examples import BUSY, QUIET


def test_every_field_of_a_window_has_its_columns() -> None:
    columns = {
        "schema": set(),
        "end": {"stop"},
        "model": {"model", "model_sha256"},
        "valence": {"valence_mean", "valence_std"},
        "arousal": {"arousal_mean", "arousal_std"},
        "quadrants": {"pos_high", "pos_low", "neg_high", "neg_low"},
    }
    wanted = set().union(*(columns.get(name, {name}) for name in Window.__struct_fields__))
    assert set(SCHEMA.names) == wanted | {"local_start", "received"}


def test_a_row_is_the_window_flat() -> None:
    made = row(encode(replace(BUSY, tags={"zone": "door", "arm": "b"})))
    assert sorted(made) == sorted(SCHEMA.names)
    assert made["id"] == "door/9f3c21ab/412"
    assert made["tags"] == '{"arm":"b","zone":"door"}'
    assert made["local_start"] == datetime(2026, 11, 2, 12)  # noqa: DTZ001, a wall clock's time has no zone
    assert (made["valence_mean"], made["arousal_std"], made["pos_low"]) == (0.22, 0.12, 0.6)
    assert made["model"] == "affect-112/5"


def test_a_suppressed_window_has_no_numbers() -> None:
    made = row(QUIET)
    assert made["suppressed"] == "few_people"
    assert {made[name] for name in ("valence_mean", "valence_std", "pos_high", "people", "scored_s")} == {None}


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "posixrules\0"])
def test_a_time_zone_that_is_not_known_is_no_row(zone: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        row(replace(BUSY, tz=zone))


def test_a_window_that_comes_twice_is_stored_once(tmp_path: Path) -> None:
    with Store(tmp_path / "windows.duckdb") as store:
        assert store.upsert([row(BUSY)]) == 1
        assert store.upsert([row(BUSY, datetime(2030, 1, 1, tzinfo=timezone.utc)), row(QUIET)]) == 1
    with Store(tmp_path / "windows.duckdb", read_only=True) as store:
        kept = store.windows().order_by("seq").execute()
        assert list(kept["seq"]) == [412, 413]
        assert kept["received"].max().year < 2030
        assert kept["start"][0].isoformat() == "2026-11-02T11:00:00+00:00"
        assert kept["local_start"][0].isoformat() == "2026-11-02T12:00:00"
