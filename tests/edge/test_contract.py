"""The messages that leave a device: their bytes, their limits, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge import contract
from edge.errors import ConfigError
from scripts.mqtt_examples import BUSY, HEALTH, NOON, OFFLINE, ONLINE, ORIGIN, QUIET

slugs = st.from_regex("[a-z0-9-]{1,32}", fullmatch=True)
counts = st.integers(0, 10**12)
hundredths = st.integers(-100, 100).map(lambda number: contract.rounded(number / 100))
shares = hundredths.map(abs)
seconds = st.integers(0, 10**12).map(lambda tenths: contract.rounded(tenths / 10, 1))
spreads = st.builds(contract.Spread, mean=hundredths, std=st.none() | shares)
quadrants = st.builds(contract.Quadrants, pos_high=shares, pos_low=shares, neg_high=shares, neg_low=shares)
models = st.builds(
    contract.Model, name=slugs, version=st.integers(1, 10**9), sha256=st.from_regex("[0-9a-f]{64}", fullmatch=True)
)
tags = st.dictionaries(
    st.from_regex("[a-z][a-z0-9_]{0,31}", fullmatch=True), st.text(min_size=1, max_size=64), max_size=4
).filter(lambda value: len(msgspec.json.encode(value)) <= 1024)


@st.composite
def windows(draw: st.DrawFn) -> contract.Window:
    start_ns = draw(st.integers(0, 250_000_000_000)) * 10**9
    suppressed = draw(st.sampled_from([None, *get_args(contract.Suppressed)]))
    epsilon = None if suppressed else draw(st.sampled_from([None, 1.0]))
    device, epoch, seq = (
        draw(slugs),
        draw(st.from_regex("[0-9a-f]{8}", fullmatch=True)),
        draw(st.integers(1, 10**15 - 1)),
    )
    return contract.Window(
        schema="affect/v1/window",
        id=f"{device}/{epoch}/{seq}",
        seq=seq,
        epoch=epoch,
        site=draw(slugs),
        device=device,
        tags=draw(tags),
        start=contract.instant(start_ns),
        end=contract.instant(start_ns + draw(st.integers(1, 3600)) * 10**9),
        tz=draw(st.sampled_from(["UTC", "America/Argentina/ComodRivadavia"])),
        clock=draw(st.sampled_from(get_args(contract.Trust))),
        partial=draw(st.booleans()),
        observed_s=draw(seconds),
        visits=draw(st.none() | counts),
        visits_begun=draw(st.none() | counts),
        peak_simultaneous=draw(st.none() | counts),
        scored_s=None if suppressed or epsilon else draw(seconds),
        unscored_visits=draw(st.none() | counts),
        people=None if suppressed else draw(counts),
        valence=None if suppressed else draw(spreads),
        arousal=None if suppressed else draw(spreads),
        quadrants=None if suppressed else draw(st.none() | quadrants),
        epsilon=epsilon,
        suppressed=suppressed,
        model=draw(models),
        policy=draw(st.from_regex("[0-9a-f]{32}", fullmatch=True)),
    )


def kinds(section: type) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries(dict.fromkeys(section.__annotations__, counts))


times = st.integers(0, 99_999_999).map(lambda number: contract.rounded(number / 100))
maybe = st.none() | st.booleans()
stages = st.builds(contract.StageTime, mean_ms=times, p50_ms=st.none() | times, p95_ms=st.none() | times)
healths = st.builds(
    replace,
    st.just(HEALTH),
    uptime_s=seconds,
    model=models,
    model_state=st.sampled_from(get_args(contract.ModelState)),
    accelerated=maybe,
    frames=kinds(contract.Frames),
    rejections=kinds(contract.Rejections),
    faces=counts,
    camera_events=kinds(contract.CameraEvents),
    stages=st.fixed_dictionaries(dict.fromkeys(contract.Stages.__annotations__, stages)),
    latency=st.builds(contract.Latency, p50_ms=st.none() | times, p95_ms=st.none() | times),
    windows=kinds(contract.Windows),
    load=st.builds(
        contract.Load, level=st.sampled_from(get_args(contract.Level)), demand=st.none() | shares, skipped=counts
    ),
    board=st.builds(
        contract.Board,
        temperature_c=st.none() | hundredths,
        throttled=maybe,
        throttled_since_boot=maybe,
        under_voltage=maybe,
        cpu_mhz=st.none() | st.integers(0, 99_999),
        cpu_max_mhz=st.none() | st.integers(0, 99_999),
    ),
    delivery=st.builds(contract.Delivery, connected=st.booleans(), waiting=counts, reconnects=counts),
)


@settings(deadline=None, max_examples=200)  # a shared machine pauses
@given(windows() | healths | st.sampled_from([ONLINE, OFFLINE]))
def test_any_legal_message_is_small_and_reads_back_as_it_was(message: Any) -> None:
    data = contract.encode(message)
    assert len(data) <= contract.MAX_BYTES
    assert contract.decode(data, type(message)) == message
    assert contract.encode(contract.decode(data, type(message))) == data
    assert msgspec.json.encode(json.loads(data)) == data.rstrip()  # plain JSON: no NaN, no sign before a zero


def largest_window() -> contract.Window:
    spread = contract.Spread(mean=-0.99, std=0.99)
    return contract.Window(
        schema="affect/v1/window",
        id=f"{'d' * 32}/00c0ffee/{10**15 - 1}",
        seq=10**15 - 1,
        epoch="00c0ffee",
        site="s" * 32,
        device="d" * 32,
        tags={f"key{i:029}": "\0" * 30 + "m" * 34 for i in range(4)},
        start=NOON + timedelta(milliseconds=1),
        end=NOON + timedelta(milliseconds=999),
        tz="z" * 64,
        clock="unsynced",
        partial=False,
        observed_s=999_999_999_999.9,
        visits=10**12,
        visits_begun=10**12,
        peak_simultaneous=10**12,
        scored_s=999_999_999_999.9,
        unscored_visits=10**12,
        people=10**12,
        epsilon=None,
        valence=spread,
        arousal=spread,
        quadrants=contract.Quadrants(pos_high=0.11, pos_low=0.11, neg_high=0.11, neg_low=0.11),
        suppressed=None,
        model=contract.Model(name="m" * 32, version=10**9, sha256="0" * 64),
        policy="0" * 32,
    )


def largest_health() -> contract.Health:
    def most(section: type) -> Any:
        return dict.fromkeys(section.__annotations__, 10**12)

    slow = contract.StageTime(mean_ms=contract.MAX_MS, p50_ms=contract.MAX_MS, p95_ms=contract.MAX_MS)
    return contract.Health(
        schema="affect/v1/health",
        site="s" * 32,
        device="d" * 32,
        at=NOON + timedelta(milliseconds=1),
        clock="unsynced",
        uptime_s=999_999_999_999.9,
        version="v" * 32,
        commit="c" * 64,
        model=contract.Model(name="m" * 32, version=10**9, sha256="0" * 64),
        model_state="rolled_back",
        accelerated=False,
        frames=most(contract.Frames),
        rejections=most(contract.Rejections),
        faces=10**12,
        camera_events=most(contract.CameraEvents),
        stages=dict.fromkeys(contract.Stages.__annotations__, slow),
        latency=contract.Latency(p50_ms=contract.MAX_MS, p95_ms=contract.MAX_MS),
        windows=most(contract.Windows),
        load=contract.Load(level="detector", demand=contract.MAX_DEMAND, skipped=10**12),
        board=contract.Board(
            temperature_c=-39.9,
            throttled=False,
            throttled_since_boot=False,
            under_voltage=False,
            cpu_mhz=99_999,
            cpu_max_mhz=99_999,
        ),
        delivery=contract.Delivery(**most(contract.Delivery) | {"connected": False}),
    )


@pytest.mark.parametrize("message", [largest_window(), largest_health()], ids=["window", "health"])
def test_the_largest_legal_messages_fit(message: contract.Window | contract.Health) -> None:
    data = contract.encode(message)
    assert contract.decode(data, type(message)) == message
    assert 1700 < len(data) <= contract.MAX_BYTES


def test_all_windows_of_one_configuration_have_one_length() -> None:
    busiest = replace(
        BUSY, id="door/9f3c21ab/9999999", seq=9_999_999, visits=99_999, visits_begun=99_999, scored_s=99_999.9,
        peak_simultaneous=999, unscored_visits=99_999, people=99_999,
        valence=contract.Spread(mean=-0.12, std=0.12), arousal=contract.Spread(mean=-0.12, std=0.12),
        quadrants=contract.Quadrants(pos_high=0.25, pos_low=0.25, neg_high=0.25, neg_low=0.25),
        start=BUSY.start + timedelta(milliseconds=1), end=BUSY.end + timedelta(milliseconds=1), clock="unsynced",
        model=replace(BUSY.model, version=10**6),
    )  # fmt: skip
    assert {len(contract.encode(window)) for window in (BUSY, QUIET, busiest)} == {1024}
    assert len(contract.encode(replace(QUIET, tags={"a": "x" * 64, "b": "y" * 64}))) % 256 == 0
    assert contract.encode(QUIET).rstrip() == msgspec.json.encode(QUIET)


def test_the_encoder_refuses_a_message_that_is_too_large() -> None:
    with pytest.raises(ValueError, match="more than 2048"):
        contract.encode(replace(BUSY, tags={"key": "x" * 3000}))


@pytest.mark.parametrize(
    "change",
    [
        {"scored_s": float("nan")},
        {"scored_s": float("inf")},
        {"scored_s": -1.0},
        {"observed_s": -0.1},
        {"visits": -1},
        {"visits": 0.5},
        {"visits_begun": "5"},
        {"valence": contract.Spread(mean=1.2, std=0.1)},
        {"valence": contract.Spread(mean=0.2, std=-0.1)},
        {"valence": contract.Spread(mean=float("nan"), std=0.1)},
        {"quadrants": contract.Quadrants(pos_high=1.5, pos_low=0, neg_high=0, neg_low=0)},
        {"device": "Door"},
        {"id": "door/1"},
        {"tags": {f"key{i}": "x" for i in range(5)}},
        {"tags": {"Zone": "x"}},
        {"schema": "affect/v2/window"},
    ],
)
def test_a_window_that_breaks_a_limit_is_not_read(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Window"):
        contract.decode(contract.encode(replace(BUSY, **change)), contract.Window)


@pytest.mark.parametrize(
    "change",
    [
        {"valence": None},
        {"people": None},
        {"scored_s": None},
        {"suppressed": "few_people"},
        {"end": BUSY.start},
        {"end": BUSY.start - timedelta(seconds=1)},
    ],
)
def test_a_window_that_contradicts_itself_cannot_be_made_or_read(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"null|before"):
        replace(BUSY, **change)
    written = json.loads(contract.encode(BUSY)) | json.loads(msgspec.json.encode(change))
    with pytest.raises(ValueError, match=r"null|before"):
        contract.decode(json.dumps(written).encode(), contract.Window)


@pytest.mark.parametrize(
    "change",
    [
        {"uptime_s": float("nan")},
        {"faces": -1},
        {"frames": HEALTH.frames | {"seen": -1}},
        {"frames": {"seen": 1}},
        {"rejections": {}},
        {"load": contract.Load(level="bored", demand=0.5, skipped=0)},
        {"board": contract.Board(temperature_c=float("inf"), cpu_mhz=10**6)},
        {"model_state": "lost"},
        {"stages": HEALTH.stages | {"embed": contract.StageTime(mean_ms=-1.0, p50_ms=None, p95_ms=None)}},
    ],
)
def test_a_health_report_that_breaks_a_limit_is_not_read(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Health"):
        contract.decode(contract.encode(replace(HEALTH, **change)), contract.Health)


@pytest.mark.parametrize("section", ["frames", "rejections", "stages", "camera_events", "windows"])
def test_no_text_but_the_contracts_own_survives_the_reading_of_a_health_message(section: str) -> None:
    """So a reader that encodes what it has read finds other bytes than it got."""
    data = contract.encode(replace(HEALTH, **{section: getattr(HEALTH, section) | {"anna_smiled": 1}}))
    assert b"anna" in data
    assert contract.encode(contract.decode(data, contract.Health)) == contract.encode(HEALTH)


def test_fields_and_kinds_of_a_later_release_are_ignored() -> None:
    window = json.loads(contract.encode(BUSY)) | {"weather": "rain"}
    assert contract.decode(json.dumps(window).encode(), contract.Window) == BUSY
    health = json.loads(contract.encode(HEALTH))
    health["rejections"]["masked"] = 3
    health["board"]["fan_rpm"] = 900
    assert contract.decode(json.dumps(health).encode(), contract.Health) == HEALTH


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"schema":"affect/v2/window"}', b"\xff", b"[" * 100_000])
def test_what_is_no_window_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="Window"):
        contract.decode(data, contract.Window)


def test_numbers_are_rounded_and_zero_has_no_sign() -> None:
    assert [contract.rounded(value) for value in (-0.004, 0.126, 5)] == [0.0, 0.13, 5.0]
    assert str(contract.rounded(-0.004)) == "0.0"
    assert contract.rounded(1.26, 1) == 1.3
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            contract.rounded(value)


def test_times_are_rfc_3339_utc_with_z() -> None:
    window = json.loads(contract.encode(BUSY))
    assert (window["start"], window["end"]) == ("2026-11-02T11:00:00Z", "2026-11-02T11:15:00Z")


def test_an_instant_comes_back_to_the_millisecond() -> None:
    assert contract.nanoseconds(contract.instant(1_793_617_200_123_456_789)) == 1_793_617_200_123_000_000
    for utc_ns in (-1, 10**30):
        with pytest.raises(ValueError, match="no time between"):
            contract.instant(utc_ns)


def test_a_suppressed_window_still_says_that_the_device_looked() -> None:
    window = json.loads(contract.encode(QUIET))
    assert window["valence"] is window["arousal"] is window["quadrants"] is None
    assert (window["suppressed"], window["visits"], window["observed_s"]) == ("few_people", 5, 900.0)


def test_offline_says_nothing_more() -> None:
    """It is the last will, which the broker has kept since the session began."""
    data = contract.encode(OFFLINE)
    assert data == b'{"schema":"affect/v1/status","site":"berlin","device":"door","state":"offline"}'


def test_topics_are_below_site_and_device() -> None:
    assert [ORIGIN.topic(kind) for kind in contract.KINDS] == [
        f"affect/v1/berlin/door/{kind}" for kind in ("window", "status", "health")
    ]


def test_tags_that_would_make_a_window_too_large_are_refused_at_start() -> None:
    with pytest.raises(ConfigError, match=r"device\.tags: \d+ bytes of JSON, at most 1024 together; shorten them"):
        replace(ORIGIN, tags={f"key{i}": "\N{SMILING FACE WITH SMILING EYES}" * 64 for i in range(4)})


def test_counts_by_kind_begin_with_every_kind_at_0() -> None:
    assert set(contract.zeros(contract.Windows).values()) == {0}
    assert set(get_args(contract.Suppressed)) | {"scored"} == contract.zeros(contract.Windows).keys()
    assert contract.zeros(contract.Stages).keys() == set(get_args(contract.Stage))
