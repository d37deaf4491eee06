"""The audit log: each line and each head is predicted but for its time, so nothing can stand beside them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from benchmarks.egress.ledger import Ledger
from edge.audit import ACTS, Head, Line
from edge.config import Config
from edge.contract import Origin
from edge.publish.gate import words_of
from edge.version import VERSION

LOG, HEAD = "<run>/audit.jsonl", "<run>/.audit.jsonl.head"
_LATE_S = 10.0
_REASONS = {"asked to", "gone", "frozen"}


class AuditLogReader:
    """Follows what is written to the log and to its head, in order. `file`: the configuration."""

    def __init__(self, ledger: Ledger, config: Config, origin: Origin, file: Path) -> None:
        self._ledger, self._policy, self._head = ledger, origin.policy, Head()
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        self._words = {*words_of(origin), config.camera.backend, VERSION, sha256} | _REASONS

    def wrote(self, name: str, data: bytes, at: float) -> None:
        """Takes one write, at seconds since 1970."""
        problem = self._head_problem(data) if name == HEAD else self._line_problem(data, at)
        self._ledger.judge(name, "acts by name, with their time and the chain's hashes", data, problem)

    def _line_problem(self, data: bytes, at: float) -> str:
        try:
            line = msgspec.json.decode(data, type=Line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return "no line of the audit log"
        if msgspec.json.encode(line) + b"\n" != data:
            return "something beside a line of the audit log"
        if (line.number, line.previous) != (self._head.number + 1, self._head.sha256):
            return "another number or hash than the chain's"
        if line.act not in ACTS or line.policy not in ("", self._policy):
            return "another act or policy than this run's"
        if not self._words.issuperset(line.details.values()):
            return "words that are none of the configuration's"
        if line.at.microsecond or abs(line.at.timestamp() - at) > _LATE_S:
            return "another time than the one when it was written"
        self._head = Head(number=line.number, sha256=hashlib.sha256(data[:-1]).hexdigest())
        self._ledger.seen["audit log line"] += 1
        return ""

    def _head_problem(self, data: bytes) -> str:
        return "" if data == msgspec.json.encode(self._head) else "another head than the one of the last line"
