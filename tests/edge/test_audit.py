from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge.audit import ACTS, MAX_BYTES, AuditLog
from edge.errors import AuditError

DAY_NS = 86_400 * 10**9
NOW_NS = 1_796_000_000 * 10**9


class At:
    def __init__(self, utc_ns: int | None = NOW_NS) -> None:
        self.utc = utc_ns

    def known_utc_ns(self) -> int | None:
        return self.utc


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path / "audit.jsonl", At())
    for number in range(5):
        log.append("started", "ab" * 32, camera=f"/dev/video{number}")
    return log


def test_lines_come_back_in_order_and_the_chain_holds(log: AuditLog) -> None:
    lines = log.verify()
    assert [line.number for line in lines] == [1, 2, 3, 4, 5]
    assert lines[3].details == {"camera": "/dev/video3"}
    assert lines[0].previous == "0" * 64
    assert lines[0].clock == "synced"
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_every_changed_byte_is_found(log: AuditLog) -> None:
    whole = log.path.read_bytes()
    for at in range(0, len(whole), 7):
        log.path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(AuditError):
            log.verify()


@pytest.mark.parametrize("missing", range(5))
def test_a_missing_line_is_found_also_the_last(log: AuditLog, missing: int) -> None:
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:missing] + lines[missing + 1 :]))
    with pytest.raises(AuditError):
        log.verify()


@pytest.mark.parametrize("which", ["audit.jsonl", "audit.jsonl.head"])
def test_one_of_the_two_files_cannot_go_unnoticed(log: AuditLog, which: str) -> None:
    (log.path.parent / which).unlink()
    with pytest.raises(AuditError):
        log.verify()


def test_a_cut_log_goes_on_and_stays_known_as_cut(log: AuditLog) -> None:
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:3]))
    log.append("stopped", "")
    with pytest.raises(AuditError):
        log.verify()
    assert b"log_broken" in log.path.read_bytes()


def test_a_log_written_anew_is_found_by_a_head_from_before(log: AuditLog) -> None:
    seen = str(log.head())
    log.append("stopped", "")
    assert len(log.verify(seen)) == 6
    for path in list(log.path.parent.iterdir()):
        path.unlink()
    for _ in range(6):
        log.append("started", "")
    log.verify()
    with pytest.raises(AuditError, match="is not the log that had 5:"):
        log.verify(seen)


@pytest.mark.parametrize("lost", ["line", "head"])
def test_power_lost_while_writing_breaks_nothing(log: AuditLog, lost: str) -> None:
    head = (log.path.parent / "audit.jsonl.head").read_bytes()
    before = log.path.read_bytes()
    log.append("stopped", "")
    if lost == "line":
        log.path.write_bytes(before + log.path.read_bytes()[len(before) :][:40])
    (log.path.parent / "audit.jsonl.head").write_bytes(head)
    log.verify()
    log.append("started", "")
    assert log.verify()[-1].number == (6 if lost == "line" else 7)


def test_lines_expire_after_six_months_and_the_rest_can_still_be_checked(tmp_path: Path) -> None:
    clock = At(NOW_NS - 300 * DAY_NS)
    log = AuditLog(tmp_path / "audit.jsonl", clock)
    for day in range(0, 300, 30):
        clock.utc = NOW_NS + (day - 300) * DAY_NS
        log.append("started", "")
    clock.utc = NOW_NS
    log.expire()
    lines = log.verify()
    assert [line.act for line in lines if line.act != "log_expired"] == ["started"] * 6
    assert lines[-1].details["lines"] == "1"
    assert all((lines[-1].at - line.at).days < 184 for line in lines)
    whole = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(whole[1:]))
    with pytest.raises(AuditError):  # the head of the kept part is anchored too
        log.verify()


def test_nothing_expires_while_the_clock_may_be_wrong(log: AuditLog) -> None:
    unsure = AuditLog(log.path, At(None))
    unsure.append("stopped", "")
    assert [line.clock for line in log.verify()][-1] == "unsynced"
    assert len(log.verify()) == 6


def test_a_log_does_not_grow_without_bound(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", At())
    log.append("started", "")
    line = json.loads(log.path.read_bytes())
    line["details"] = {"reason": "x" * 3000}
    # as many lines as it takes, chained by the log itself
    import hashlib

    previous, number = "0" * 64, 0
    with log.path.open("wb") as file:
        while file.tell() <= MAX_BYTES:
            number += 1
            data = json.dumps(line | {"number": number, "previous": previous}).encode()
            file.write(data + b"\n")
            previous = hashlib.sha256(data).hexdigest()
    (tmp_path / "audit.jsonl.head").write_text(json.dumps({"number": number, "sha256": previous}))
    log.append("stopped", "")
    assert log.path.stat().st_size < MAX_BYTES * 0.6
    assert log.verify()[-1].act == "log_expired"


def test_several_processes_append_to_one_chain(tmp_path: Path) -> None:
    logs = [AuditLog(tmp_path / "audit.jsonl", At()) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda log: [log.append("watch_opened", "") for _ in range(20)], logs))
    assert [line.number for line in logs[0].verify()] == list(range(1, 81))


def test_a_link_in_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditError, match=r"audit\.jsonl: cannot be written"):
        AuditLog(tmp_path / "audit.jsonl", At()).append("started", "")
    assert not (tmp_path / "elsewhere").exists()


def test_what_could_not_be_written_follows_later(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", At())
    os.mkfifo(tmp_path / "audit.jsonl")
    log.try_append("camera_lost", "", reason="gone")
    (tmp_path / "audit.jsonl").unlink()
    log.append("camera_back", "")
    assert [line.act for line in log.verify()] == ["camera_lost", "camera_back"]


def test_only_listed_acts_and_details_are_taken(log: AuditLog) -> None:
    with pytest.raises(ValueError, match="no act"):
        log.append("smiled", "")
    with pytest.raises(ValueError, match="no details"):
        log.append("started", "", valence="0.4")
    assert all(meaning.endswith(".") for meaning in ACTS.values())
