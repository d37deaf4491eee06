import json
from dataclasses import replace
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import FileClock
from edge.errors import ConfigError
from edge.publish.example import BUSY, ORIGIN, QUIET, example_health, example_windows
from edge.publish.machine import CameraTroubles, FrameCounts, Level, Rejections, Stages, WindowCounts
from edge.publish.message import (
    Origin,
    PublishCounts,
    health_message,
    instant,
    nanoseconds,
    number_window,
    offline_message,
    online_message,
    window_message,
)
from edge.publish.payload import MAX_BYTES, ModelPayload, decode_health, decode_status, decode_window, encode
from edge.publish.schema import KINDS, json_schema
from edge.values import BoardState, HealthReport, LoadState, Quadrants, Spread, WindowAggregate

slugs = st.from_regex("[a-z0-9-]{1,32}", fullmatch=True)
counts = st.integers(0, 10**12)
means = st.floats(-1, 1)
shares = st.floats(0, 1)
spreads = st.builds(Spread, mean=means, std=shares)
starts_ns = st.integers(0, 250_000_000_000).map(lambda seconds: seconds * 1_000_000_000)
models = st.builds(
    ModelPayload,
    name=slugs,
    version=st.integers(1, 10**9),
    sha256=st.from_regex("[0-9a-f]{64}", fullmatch=True),
)
tags = st.dictionaries(
    st.from_regex("[a-z][a-z0-9_]{0,31}", fullmatch=True), st.text(min_size=1, max_size=64), max_size=4
).filter(lambda value: len(msgspec.json.encode(value)) <= 1024)
origins = st.builds(
    Origin,
    site=slugs,
    device=slugs,
    model=models,
    tz=st.sampled_from(["UTC", "America/Argentina/ComodRivadavia"]),
    tags=tags,
)


@st.composite
def aggregates(draw: st.DrawFn) -> WindowAggregate:
    start_ns = draw(starts_ns)
    suppressed = draw(st.sampled_from([None, "min_visits", "closed"]))
    return WindowAggregate(
        start_ns=start_ns,
        end_ns=start_ns + draw(st.integers(10, 3600)) * 1_000_000_000,
        synced=draw(st.booleans()),
        partial=draw(st.booleans()),
        visits=draw(counts),
        peak_simultaneous=draw(counts),
        scored_s=draw(st.floats(0, 1e12)),
        unscored_visits=draw(counts),
        valence=None if suppressed else draw(spreads),
        arousal=None if suppressed else draw(spreads),
        quadrants=None
        if suppressed
        else Quadrants(pos_high=draw(shares), pos_low=draw(shares), neg_high=draw(shares), neg_low=draw(shares)),
        suppressed=suppressed,
    )


def kinds(named: type) -> st.SearchStrategy[dict[str, int]]:
    return st.dictionaries(st.sampled_from(sorted(named.__annotations__)), counts)


maybe = st.none() | st.booleans()
stages = st.dictionaries(st.sampled_from(sorted(Stages.__annotations__)), st.floats(0, 1e12))
healths = st.builds(
    HealthReport,
    uptime_s=st.floats(0, 1e12),
    frames=kinds(FrameCounts),
    rejections=kinds(Rejections),
    faces=counts,
    stage_ms=stages,
    camera=kinds(CameraTroubles),
    stage_p50_ms=stages,
    stage_p95_ms=stages,
    latency_ms=st.none() | st.tuples(st.floats(0, 1e12), st.floats(0, 1e12)),
    windows=kinds(WindowCounts),
    load=st.builds(
        LoadState, level=st.sampled_from(get_args(Level)), demand=st.none() | st.floats(0, 1e12), skipped=counts
    ),
    board=st.builds(
        BoardState,
        temperature_c=st.none() | st.floats(-40, 130),
        throttled=maybe,
        throttled_since_boot=maybe,
        under_voltage=maybe,
        cpu_mhz=st.none() | st.integers(0, 99_999),
        cpu_max_mhz=st.none() | st.integers(0, 99_999),
    ),
)


def _window(aggregate: WindowAggregate, origin: Origin = ORIGIN) -> bytes:
    window = number_window(aggregate, origin, epoch="00c0ffee", seq=1)
    return window_message(window, historical=False).payload


@settings(deadline=None)  # a shared machine pauses
@given(aggregates(), origins, st.integers(1, 10**15 - 1), st.booleans())
def test_any_legal_window_is_small_finite_and_encodes_to_the_same_bytes_again(aggregate, origin, seq, historical):
    window = number_window(aggregate, origin, epoch="00c0ffee", seq=seq)
    message = window_message(window, historical=historical)
    assert len(message.payload) <= MAX_BYTES
    assert encode(decode_window(message.payload)) == message.payload
    _refuse_non_numbers(message.payload)


@settings(deadline=None)
@given(healths, counts, st.integers(0, 10**9))
def test_any_legal_health_report_is_small_finite_and_encodes_to_the_same_bytes_again(report, count, now_s):
    total = PublishCounts(outbox=count, evicted=count, refused=count, reconnects=count, interrupted=count, resets=count)
    message = health_message(report, ORIGIN, total, FileClock(now_ns=now_s * 10**9))
    assert len(message.payload) <= MAX_BYTES
    assert encode(decode_health(message.payload)) == message.payload
    _refuse_non_numbers(message.payload)


@settings(deadline=None)
@given(origins)
def test_any_status_encodes_to_the_same_bytes_again(origin):
    for message in (online_message(origin, FileClock()), offline_message(origin)):
        assert len(message.payload) <= MAX_BYTES
        assert encode(decode_status(message.payload)) == message.payload


def test_the_largest_legal_messages_fit(monkeypatch):
    model = ModelPayload(name="m" * 32, version=10**9, sha256="0" * 64)
    tags = {f"key{i:029}": "\0" * 30 + "m" * 34 for i in range(4)}
    origin = Origin(site="s" * 32, device="d" * 32, tz="z" * 64, tags=tags, model=model)
    assert len(msgspec.json.encode(tags)) in range(960, 1025)
    spread = Spread(mean=-0.99, std=0.99)
    most = replace(
        BUSY,
        start_ns=1_000_000,
        end_ns=BUSY.end_ns + 999_000_000,
        synced=False,
        visits=10**12,
        peak_simultaneous=10**12,
        unscored_visits=10**12,
        scored_s=999_999_999_999.9,
        valence=spread,
        arousal=spread,
        quadrants=Quadrants(pos_high=0.11, pos_low=0.11, neg_high=0.11, neg_low=0.11),
    )
    window = number_window(most, origin, epoch="00c0ffee", seq=10**15 - 1)
    slow = dict.fromkeys(Stages.__annotations__, 1e12)
    health = HealthReport(
        uptime_s=999_999_999_999.9,
        frames=dict.fromkeys(FrameCounts.__annotations__, 10**12),
        rejections=dict.fromkeys(Rejections.__annotations__, 10**12),
        faces=10**12,
        stage_ms=slow,
        camera=dict.fromkeys(CameraTroubles.__annotations__, 10**12),
        stage_p50_ms=slow,
        stage_p95_ms=slow,
        latency_ms=(1e12, 1e12),
        windows=dict.fromkeys(WindowCounts.__annotations__, 10**12),
        load=LoadState(level="detector", demand=1e12, skipped=10**12),
        board=BoardState(
            temperature_c=-39.9,
            throttled=False,
            throttled_since_boot=False,
            under_voltage=False,
            cpu_mhz=99_999,
            cpu_max_mhz=99_999,
        ),
    )
    monkeypatch.setattr("edge.publish.message.VERSION", "v" * 32)
    monkeypatch.setattr("edge.publish.message.commit", lambda: "c" * 64)
    counts = PublishCounts(
        outbox=10**12, evicted=10**12, refused=10**12, reconnects=10**12, interrupted=10**12, resets=10**12
    )
    sizes = [
        len(window_message(window, historical=False).payload),
        len(health_message(health, origin, counts, FileClock(now_ns=1_000_000)).payload),
    ]
    assert all(1700 < size <= MAX_BYTES for size in sizes), sizes


def _refuse_non_numbers(payload: bytes) -> None:
    def constant(name: str) -> None:
        raise AssertionError(name)

    json.loads(payload, parse_constant=constant)


@settings(deadline=None)
@given(st.sampled_from([float("nan"), float("inf"), float("-inf")]), st.sampled_from(["mean", "std"]))
def test_a_score_that_is_no_number_is_refused(value, key):
    with pytest.raises(ValueError, match="finite"):
        _window(replace(BUSY, valence=replace(BUSY.valence, **{key: value})))


@pytest.mark.parametrize(
    "change",
    [
        {"scored_s": float("nan")},
        {"scored_s": -1.0},
        {"visits": -1},
        {"valence": Spread(mean=1.2, std=0.1)},
        {"valence": Spread(mean=0.2, std=-0.1)},
        {"valence": None},
        {"suppressed": "min_visits"},
        {"suppressed": "bored"},
        {"quadrants": Quadrants(pos_high=1.5, pos_low=0, neg_high=0, neg_low=0)},
        {"end_ns": BUSY.start_ns},
        {"start_ns": -1},
        {"end_ns": 10**30},
    ],
)
def test_a_window_that_breaks_the_contract_is_refused(change):
    with pytest.raises(ValueError):
        _window(replace(BUSY, **change))


@pytest.mark.parametrize("change", [{"scored_s": float("nan")}, {"scored_s": float("inf")}, {"visits": 0.5}])
def test_the_encoder_refuses_what_was_not_checked_before_it(change):
    with pytest.raises(ValueError, match="WindowPayload"):
        encode(msgspec.structs.replace(example_windows()[0], **change))


def test_the_encoder_refuses_a_message_that_is_too_large():
    with pytest.raises(ValueError, match="more than 2048"):
        encode(msgspec.structs.replace(example_windows()[0], tags={"key": "x" * 3000}))


def test_a_health_report_that_is_no_number_is_refused():
    report = HealthReport(uptime_s=1.0, frames={}, rejections={}, faces=0, stage_ms={"detect": float("nan")})
    with pytest.raises(ValueError, match="finite"):
        health_message(
            report,
            ORIGIN,
            PublishCounts(outbox=0, evicted=0, refused=0, reconnects=0, interrupted=0, resets=0),
            FileClock(),
        )


def test_numbers_are_rounded_as_the_contract_says_and_zero_has_no_sign():
    window = json.loads(_window(replace(BUSY, scored_s=1.26, valence=Spread(mean=-0.004, std=0.126))))
    assert window["scored_s"] == 1.3
    assert window["valence"] == {"mean": 0.0, "std": 0.13}
    assert b"-0.0," not in _window(replace(BUSY, valence=Spread(mean=-0.004, std=0.126)))


def test_times_are_rfc_3339_utc_with_z():
    window = json.loads(_window(BUSY))
    assert (window["start"], window["end"]) == ("2026-11-02T11:00:00Z", "2026-11-02T11:01:00Z")


def test_an_instant_comes_back_to_the_millisecond():
    assert nanoseconds(instant(1_793_617_200_123_456_789)) == 1_793_617_200_123_000_000


def test_a_suppressed_window_still_says_that_the_device_looked():
    window = json.loads(_window(QUIET))
    assert window["suppressed"] == "min_visits"
    assert window["valence"] is window["arousal"] is window["quadrants"] is None
    assert window["visits"] == 2


def test_a_subscriber_ignores_fields_of_a_later_release():
    window = example_windows()[0]
    grown = json.loads(encode(window)) | {"weather": "rain"}
    assert decode_window(json.dumps(grown).encode()) == window


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"schema":"affect/v2/window"}', b"\xff"])
def test_what_is_no_window_is_refused(data):
    with pytest.raises(ValueError, match="WindowPayload"):
        decode_window(data)


def test_the_last_will_is_constant_retained_and_says_nothing_more():
    will = offline_message(ORIGIN)
    assert will == offline_message(ORIGIN)
    assert (will.topic, will.qos, will.retain) == ("affect/v1/berlin/door/status", 1, True)
    assert will.payload == b'{"schema":"affect/v1/status","site":"berlin","device":"door","state":"offline"}'


def test_windows_are_acknowledged_and_never_retained():
    message = window_message(example_windows()[0], historical=False)
    assert (message.topic, message.qos, message.retain) == ("affect/v1/berlin/door/window", 1, False)


def test_tags_that_would_make_a_window_too_large_are_refused_at_start():
    with pytest.raises(ConfigError, match=r"device\.tags"):
        replace(ORIGIN, tags={f"key{i}": "\N{SMILING FACE WITH SMILING EYES}" * 64 for i in range(4)})


def test_every_field_says_what_it_means():
    for kind in KINDS:
        for struct in json_schema(kind)["$defs"].values():
            for name, field in struct["properties"].items():
                assert field.get("description"), f"{kind}.{name}"


def test_a_health_message_of_the_first_release_is_still_read():
    """As 0.1.0 wrote it, before stages had quantiles and boards a word."""
    text = (
        b'{"schema":"affect/v1/health","site":"berlin","device":"door","at":"2026-11-02T11:00:00Z","clock":"synced",'
        b'"uptime_s":86412.3,"frames":{"seen":2592369,"closed":0,"dropped":12,"failed":0},"rejections":{"small":310},'
        b'"faces":2,"stage_ms":{"detect":3.02,"embed":1.12},"outbox":0,"evicted":0,"refused":0,"reconnects":1}'
    )
    assert decode_health(text).frames["seen"] == 2592369
    assert encode(decode_health(text)) == text


def test_a_later_releases_kinds_are_ignored_like_its_fields():
    health = json.loads(encode(example_health()))
    health["rejections"]["masked"] = 3
    health["stage_ms"]["denoise"] = "fast"
    assert encode(decode_health(json.dumps(health).encode())) == encode(example_health())


@pytest.mark.parametrize("field", ["frames", "rejections", "stage_ms", "stage_p95_ms", "camera", "windows"])
def test_no_text_but_the_contracts_own_can_stand_in_a_health_message(field):
    given = {"uptime_s": 1.0, "frames": {}, "rejections": {}, "faces": 0, "stage_ms": {}} | {field: {"anna_smiled": 1}}
    counts = PublishCounts(outbox=0, evicted=0, refused=0, reconnects=0, interrupted=0, resets=0)
    with pytest.raises(ValueError, match="does not survive"):
        health_message(HealthReport(**given), ORIGIN, counts, FileClock())


@pytest.mark.parametrize(
    ("windows", "share"),
    [({}, None), ({"closed": 5}, None), ({"scored": 1, "min_visits": 2, "closed": 5}, 0.67), ({"scored": 4}, 0.0)],
)
def test_the_share_of_suppressed_windows_is_of_those_in_which_the_camera_looked(windows, share):
    report = HealthReport(uptime_s=1.0, frames={}, rejections={}, faces=0, stage_ms={}, windows=windows)
    counts = PublishCounts(outbox=0, evicted=0, refused=0, reconnects=0, interrupted=0, resets=0)
    assert decode_health(health_message(report, ORIGIN, counts, FileClock()).payload).suppressed_share == share
