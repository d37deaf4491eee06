"""No picture leaves: the real process under strace accounts for every byte, and each planted leak is found.

Needs root, since the device seals its memory against its own user, with strace, mosquitto and the detector's file.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import msgspec
import pytest

from benchmarks.egress import audit as auditing
from benchmarks.egress import network, outbox, system, texts, wire
from benchmarks.egress.audit import Audit
from benchmarks.egress.laboratory import SCENE, Recording, record
from benchmarks.egress.network import DNS, METRICS
from benchmarks.egress.report import Report, make_report, render
from benchmarks.egress.trace import TraceError, require_trace
from benchmarks.egress.wire import WIRE
from edge.demo.scene import Scene

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("mosquitto", "strace"),
    pytest.mark.usefixtures("laboratory"),
]

LEAKS = Path(__file__).with_name("egress_leaks.py")
LIMIT_S = 300
WRITES = {"write", "pwrite64", "sendto"}
Blind = Callable[[pytest.MonkeyPatch], object]


@pytest.fixture(scope="module")
def laboratory() -> None:
    try:
        require_trace()
    except TraceError as error:  # not root, or a container that forbids it
        pytest.skip(str(error))


def _replay(clip: Path) -> dict[str, object]:
    return {"backend": "replay", "path": str(clip), "pace": "fast"}


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory, repo: Path, program: Callable[[str], str]) -> Path:
    """The folder of a V4L2 camera without hardware, which shows the drawn scene; see `v4l2_stand_in.c`."""
    folder, scene = tmp_path_factory.mktemp("camera"), Scene(320, 240)
    source = repo / "tests/edge/camera/v4l2_stand_in.c"
    subprocess.run([program("cc"), "-shared", "-fPIC", "-o", folder / "stand_in.so", source, "-ldl"], check=True)
    (folder / "video0").symlink_to("/dev/null")
    (folder / "format").write_text("320 240 10 MJPG\n")
    (folder / "MJPG").mkdir()
    for number in range(100):
        picture = cv2.imencode(".jpg", cv2.cvtColor(scene.draw(10 + number / 10), cv2.COLOR_RGB2BGR))[1]
        (folder / "MJPG" / str(number)).write_bytes(picture.tobytes())
    return folder


@pytest.fixture(scope="module", params=["scene", "v4l2", "replay"])
def clean(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, draw_clip: Callable[[Path, float], Path]
) -> Recording:
    """A run without a leak: the drawn scene for so long that the device reports its health, a camera, and a video."""
    folder = tmp_path_factory.mktemp("clean")
    if request.param == "scene":
        return record(SCENE, folder, run_s=70, limit_s=LIMIT_S)
    if request.param == "replay":
        clip = draw_clip(tmp_path_factory.mktemp("clip") / "scene.avi", 61)
        return record(_replay(clip), folder, limit_s=LIMIT_S)
    camera = request.getfixturevalue("stand_in")
    section = SCENE | {"backend": "v4l2", "device": str(camera / "video0")}
    more = {"LD_PRELOAD": str(camera / "stand_in.so"), "V4L2_STAND_IN": str(camera)}
    return record(section, folder, pictures=camera, more=more, run_s=25, limit_s=LIMIT_S)


def test_every_byte_of_a_clean_run_is_accounted_for(clean: Recording) -> None:
    audit = Audit(clean)
    assert audit.ledger.findings == []
    assert audit.clean
    for place, size in audit.ledger.sizes.items():
        assert size == audit.ledger.accounted[place].total() > 0, place
    # What depends on how long a run takes; the rest has to be there, or the lines above mean little.
    may_miss = {
        "scene": set(),
        "v4l2": {"PUBLISH health", "window with scores"},  # which needs more people with a live camera
        "replay": {"PINGREQ", "answer with metrics"},
    }
    assert set(audit.unexercised) <= may_miss[clean.config.camera.backend]
    assert audit.ledger.seen["PUBLISH window"] >= 2


def test_three_more_bytes_in_any_write_are_found(clean: Recording) -> None:
    """One write to each place, in turn, made three bytes longer."""
    last = {call.target()[1]: call for call in clean.calls
            if call.name in WRITES and not call.failed and "pipe" not in call.target()[1]}  # fmt: skip
    assert len(last) >= 5
    for place, call in last.items():
        data = call.arguments[1].removesuffix('"') + '\\xff\\xd8\\xff"'
        longer = call._replace(arguments=(call.arguments[0], data, *call.arguments[2:]), result=call.result + 3)
        calls = [longer if other is call else other for other in clean.calls]
        assert Audit(dataclasses.replace(clean, calls=calls)).ledger.findings, place


def test_a_clip_of_real_people_leaves_nothing_either(clips: Path, tmp_path: Path) -> None:
    clip = clips / "face-demographics-walking-and-pause.mp4"
    if not clip.is_file():
        pytest.skip(f"{clip.name} is not on this machine")
    audit = Audit(record(_replay(clip), tmp_path, limit_s=LIMIT_S))
    assert audit.ledger.findings == []
    assert audit.ledger.seen["PUBLISH window"] >= 1


def test_the_report_says_what_a_reader_needs_and_no_path_of_this_machine(clean: Recording) -> None:
    report = make_report(clean, Audit(clean), source="a drawn scene")
    kept = msgspec.json.encode(report)
    page = render(msgspec.json.decode(kept, type=Report))
    assert report.verdict.startswith("Passed: each of the ")
    for words in ("outbox.db-wal", WIRE, "standard error", "does not prove", "SHA-256", "strace", "not a feeling"):
        assert words in page
    for place in (clean.folder, Path.home(), Path(__file__).parents[2]):
        assert str(place) not in page + kept.decode()


def test_the_page_is_made_of_its_record(repo: Path) -> None:
    record_of_page = msgspec.json.decode((repo / "docs/egress-report.json").read_bytes(), type=Report)
    assert (repo / "docs/egress-report.md").read_text("utf-8") == render(record_of_page)


@pytest.fixture(scope="module")
def plant(
    tmp_path_factory: pytest.TempPathFactory, draw_clip: Callable[[Path, float], Path]
) -> Iterator[Callable[[str], Recording]]:
    """Runs the device with one leak, on a clip of a second and a half."""
    clip = draw_clip(tmp_path_factory.mktemp("clip") / "short.avi", 1.5)

    def run(name: str) -> Recording:
        made = record(
            _replay(clip), tmp_path_factory.mktemp(name), program=(str(LEAKS),), more={"EGRESS_LEAK": name},
            limit_s=LIMIT_S,
        )  # fmt: skip
        return dataclasses.replace(made, resolvers=["127.0.0.1"], domains=[])

    yield run
    Path("/dev/shm/affect-edge-planted-leak").unlink(missing_ok=True)


def _findings(recording: Recording) -> list[tuple[str, str]]:
    """Without those of the leak's own code, which is read from a folder where no device has any."""
    return [tuple(found) for found in Audit(recording).ledger.findings if not found[0].startswith("<checkout>/tests")]


def allow(*calls: str) -> Blind:
    """Takes out what is asked of the arguments of some system calls."""
    rules = system.rules_of
    return lambda patch: patch.setattr(
        auditing, "rules_of", lambda *given: rules(*given) | {name: {".*": "planted"} for name in calls}
    )


def silence(place: Any, name: str, answer: object = "") -> Blind:
    """Takes out a check: it answers that nothing is wrong."""
    return lambda patch: patch.setattr(place, name, lambda *_, **__: answer)


def all_of(*blinds: Blind) -> Blind:
    return lambda patch: [blind(patch) for blind in blinds]


def servers(*more: str) -> Blind:
    """Takes out the check of whom a question goes to."""
    init = network.Network.__init__
    return lambda patch: patch.setattr(
        network.Network, "__init__", lambda self, ledger, config, notify, *_: init(self, ledger, config, notify, more)
    )


def may(table: dict[str, str], path: str) -> Blind:
    """Takes out the check of a path's name."""
    return lambda patch: patch.setitem(table, path, "planted")


FOUND_BY: dict[str, tuple[str, str, Blind]] = {  # where, what, and what takes the check out
    "dns_with_jpeg_to_outside": ("network, 192.0.2.1 port 53", "a JPEG picture",
     all_of(servers("192.0.2.1"), silence(network, "question_problem"))),
    "dns_with_jpeg": (DNS, "something behind it; a JPEG picture", silence(network, "question_problem")),
    "dns_to_another_server": ("network, 192.0.2.1 port 53", "somebody who is on no list", servers("192.0.2.1")),
    "dns_label": (DNS, "something else than the broker's name", silence(network, "question_problem")),
    "socket_option": ("setsockopt", "these arguments", allow("setsockopt")),
    "folder_name": ("<run>/[0-9a-f]{60}", "mkdir", may(system.WRITTEN, "<run>/[0-9a-f]{60}")),
    "path_that_is_looked_up": ("/net/[0-9a-f]{60}", "stat", may(system.READ, "/net/.*")),
    "abstract_socket": ("bind", "these arguments", allow("bind")),
    "command_line": ("command line", "was changed", silence(auditing, "_title_problem")),
    "time_of_a_log_line": ("standard error", "another time than its own",
     lambda patch: patch.setattr(texts, "_AT_ONCE_S", 1e12)),
    "metric_label": (METRICS, "a label or a comment", silence(texts.Metrics, "problem")),
    "client_id": (WIRE, "CONNECT with other words", silence(auditing, "connect_packet", mock.ANY)),
    "tls_protocol_name": (WIRE, "first TLS message that is not OpenSSL's", silence(wire, "hello_problem")),
    "user_property": (WIRE, "PUBLISH window: something beside its message",
     silence(auditing, "publish_packet", mock.ANY)),
    "environment_of_a_child": ("execve", "these arguments", allow("execve", "vfork", "clone", "clone3")),
    "left_in_a_page": ("<run>/outbox.db-wal", "unused parts of its pages: a JPEG",
     lambda patch: patch.setattr(outbox, "SPARE", 10_000)),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND_BY)
def test_a_planted_leak_is_found_by_the_check_that_is_for_it(
    plant: Callable[[str], Recording], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    where, what, blind = FOUND_BY[name]
    recording = plant(name)
    found = _findings(recording)
    assert any(re.fullmatch(where, place) and re.search(what, said) for place, said in found), found
    assert all(re.fullmatch(where, place) or place == "vfork" for place, _ in found), found
    blind(monkeypatch)
    assert _findings(recording) == []


FOUND_IN: dict[str, dict[str, str]] = {  # where, and what is said of it
    "crop_to_file": {"<run>/crop.raw": "37632 bytes of binary data"},
    "embedding_to_file": {"<run>/embedding.npy": "a NumPy array"},
    "embedding_in_payload": {WIRE: "something beside the fields of Window"},
    "jpeg_over_mqtt": {WIRE: "PUBLISH window: .*a JPEG picture"},
    "thumbnail_in_model_name": {WIRE: "another site, device, zone, tag or model"},
    "pixels_in_decimals": {WIRE: r"\.observed_s: a number with more than 1 decimals"},
    "pixels_in_log": {"standard error": "no template .*base64 of a JPEG picture"},
    "picture_to_stdout": {"standard output": "a JPEG picture"},
    "udp_packet": {"network, 127.0.0.1 port 9": "a JPEG picture"},
    "shared_memory": {"/dev/shm/affect-edge-planted-leak": "mmap"},
    # The device complains that the broker does not answer any more.
    "extra_bytes_above_tls": {WIRE: "within TLS: a JPEG picture", "standard error": "no template"},
    "extra_bytes_below_tls": {WIRE: "bytes that TLS did not send: a JPEG picture"},
    "row_in_outbox": {"<run>/outbox.db-wal": "a kept window, .*a JPEG picture"},
    "child_process": {"execve": "these arguments", "vfork": "these arguments"},
}


@pytest.mark.parametrize("name", FOUND_IN)
def test_a_planted_leak_is_found_alone_and_named(plant: Callable[[str], Recording], name: str) -> None:
    found, expected = _findings(plant(name)), FOUND_IN[name]
    for where, what in expected.items():
        assert any(where == place and re.search(what, said) for place, said in found), (where, what, found)
    assert {place for place, _ in found if "libc.so" not in place} == expected.keys()
