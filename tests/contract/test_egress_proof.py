"""No picture leaves: the real process under strace accounts for every byte, and each planted leak is found.

Needs root, since the device seals its memory against its own user, with strace, mosquitto and the detector's file.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.egress.audit import Audit
from benchmarks.egress.clip import draw_clip
from benchmarks.egress.laboratory import LAUNCHER, Recording, record
from benchmarks.egress.network import WIRE
from benchmarks.egress.report import as_json, as_markdown, make_report
from benchmarks.egress.tracing import TraceError, require_trace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("mosquitto", "strace"),
    pytest.mark.usefixtures("detector_asset"),
]

LEAKS = Path(__file__).with_name("egress_leaks.py")


@pytest.fixture(scope="module")
def laboratory() -> None:
    try:
        require_trace()
    except TraceError as error:  # not root, or a container that forbids it
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def clean(laboratory: None, detector_asset: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """One run without a leak, long enough that the device also reports its health."""
    folder = tmp_path_factory.mktemp("clean")
    return record(draw_clip(tmp_path_factory.mktemp("clip") / "scene.avi", seconds=61), folder, timeout_s=300)


@pytest.fixture(scope="module")
def audit(clean: Recording) -> Audit:
    return Audit(clean)


@pytest.fixture(scope="module")
def leak(
    laboratory: None, detector_asset: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], list[tuple[str, str]]]:
    """Runs the device with one planted leak, on a clip of a second and a half; returns what was found, and where."""
    clip = draw_clip(tmp_path_factory.mktemp("clip") / "short.avi", seconds=1.5)

    def run(name: str) -> list[tuple[str, str]]:
        more = {"EGRESS_LEAK": name, "EGRESS_LAUNCHER": str(LAUNCHER)}
        try:
            audit = Audit(record(clip, tmp_path_factory.mktemp(name), launcher=LEAKS, more=more, timeout_s=300))
        finally:
            Path("/dev/shm/affect-edge-planted-leak").unlink(missing_ok=True)
        assert not audit.clean
        # The leak's own code was read, from a folder where no device has any.
        found = [(finding.where, finding.what) for finding in audit.ledger.findings]
        return [(where, what) for where, what in found if not where.startswith("<checkout>/tests/contract")]

    return run


def test_every_byte_of_a_clean_run_is_accounted_for(audit: Audit) -> None:
    assert audit.ledger.findings == []
    assert audit.clean
    for sink in audit.ledger.sinks.values():
        assert sink.size == sink.accounted.total() > 0, sink.name


def test_the_clean_run_showed_everything_that_a_device_sends(audit: Audit, clean: Recording) -> None:
    # PINGREQ depends on how long the run takes; the rest has to be there, or the test above means little.
    assert set(audit.unexercised) <= {"PINGREQ"}
    assert audit.ledger.seen["window with scores"] >= 5
    assert {sink for sink in audit.ledger.sinks if sink.startswith("<run>/outbox")}
    assert audit.ledger.sinks[WIRE].accounted["MQTT PUBLISH window"] > 1000
    assert len(clean.heard) == sum(audit.ledger.seen[f"PUBLISH {kind}"] for kind in ("window", "status", "health"))
    assert clean.exit_code == 0


def test_three_more_bytes_in_any_write_are_found(clean: Recording) -> None:
    """One write to each place, in turn, made three bytes longer."""
    writes = {"write", "pwrite64", "sendto"}
    last = {call.descriptor()[1] if call.name != "sendto" else call.arguments[0]: call
            for call in clean.calls if call.name in writes and not call.failed}  # fmt: skip
    assert len(last) >= 8, list(last)
    for place, call in last.items():
        data = call.arguments[1].removesuffix('"') + '\\xff\\xd8\\xff"'
        longer = dataclasses.replace(
            call, arguments=(call.arguments[0], data, *call.arguments[2:]), result=call.result + 3
        )
        calls = [longer if other is call else other for other in clean.calls]
        audit = Audit(dataclasses.replace(clean, calls=calls))
        assert audit.ledger.findings, place


def test_a_clip_of_real_people_leaves_nothing_either(laboratory: None, clips: Path, tmp_path: Path) -> None:
    clip = clips / "face-demographics-walking-and-pause.mp4"
    if not clip.is_file():
        pytest.skip(f"{clip.name} is not on this machine")
    audit = Audit(record(clip, tmp_path, timeout_s=300))
    assert audit.ledger.findings == []
    assert audit.ledger.seen["PUBLISH window"] >= 1


def test_the_report_says_what_a_reader_needs_and_no_path_of_this_machine(audit: Audit, clean: Recording) -> None:
    report = make_report(clean, audit, source="a drawn scene")
    text = as_markdown(report)
    assert report.verdict.startswith("Passed: each of the ")
    for words in ("outbox.db-wal", WIRE, "standard error", "does not prove", "SHA-256", "strace", "not a feeling"):
        assert words in text
    assert json.loads(as_json(report))["findings"] == []
    for place in (clean.folder, Path.home(), Path(__file__).parents[2], Path(clean.config.camera.path).parent):
        assert str(place) not in text + as_json(report)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("crop_to_file", [("<run>/crop.raw", "opened for writing"), ("<run>/crop.raw", "37632 bytes of binary data")]),
        ("embedding_to_file", [("<run>/embedding.npy", "a NumPy array")]),
        ("embedding_in_payload", [(WIRE, "something beside the fields of Window")]),
        ("jpeg_over_mqtt", [(WIRE, "PUBLISH window: .*a JPEG picture")]),
        ("thumbnail_in_model_name", [(WIRE, r"\.model\.name: a text that is neither")]),
        ("pixels_in_decimals", [(WIRE, r"\.observed_s: a number with more than 1 decimals")]),
        ("pixels_in_log", [("standard error", "no template .*base64 of a JPEG picture")]),
        ("picture_to_stdout", [("standard output", "a JPEG picture")]),
        ("dns_label", [("DNS", "a name that is not the broker's")]),
        ("udp_packet", [("network, 127.0.0.1 port 9", "a JPEG picture")]),
        ("shared_memory", [("/dev/shm/affect-edge-planted-leak", "mapped into memory for writing")]),
        ("extra_bytes_above_tls", [(WIRE, "within TLS: a JPEG picture")]),
        ("extra_bytes_below_tls", [(WIRE, "no TLS record: a JPEG picture")]),
        ("row_in_outbox", [("<run>/outbox.db-wal", "a kept window, .*a JPEG picture")]),
        ("child_process", [("processes", "a child process was made"), ("processes", "another program was started")]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_planted_leak_is_found_alone_and_named(
    leak: Callable[[str], list[tuple[str, str]]], name: str, expected: list[tuple[str, str]]
) -> None:
    found = leak(name)
    for where, what in expected:
        assert any(where == place and re.search(what, said) for place, said in found), (where, what, found)
    assert {place for place, _ in found} <= {where for where, _ in expected}
