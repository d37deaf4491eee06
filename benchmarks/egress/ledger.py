"""The books: what each place took, what each of its bytes was, what else was touched, and what was found.

Bytes are entered twice, by whoever saw the system call and by whoever understood the content. A place whose two sums
differ is a finding by itself, so a check that forgets something cannot pass silently.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

_PICTURES = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"\x93NUMPY": "a NumPy array",
    b"/9j/": "base64 of a JPEG picture",
    b"iVBORw0K": "base64 of a PNG picture",
}


class Finding(NamedTuple):
    """Something that the rules do not know: where, and what, in words that never show content."""

    where: str
    what: str


@dataclass(slots=True)
class Sink:
    """A place that bytes were written to: calls, bytes, and the bytes by what they were."""

    writes: int = 0
    size: int = 0
    accounted: Counter[str] = field(default_factory=Counter)


class Ledger:
    """What one run did.

    Attributes:
        sinks: by name, without paths of this machine.
        touches: what else the process used, with the reason why that is known, and how often.
        seen: how often each thing was seen that a run can show.
    """

    def __init__(self) -> None:
        self.sinks: dict[str, Sink] = {}
        self.touches: Counter[tuple[str, str]] = Counter()
        self.findings: list[Finding] = []
        self.seen: Counter[str] = Counter()

    def wrote(self, name: str, size: int) -> None:
        """Enters one system call that wrote so many bytes."""
        sink = self.sinks.setdefault(name, Sink())
        sink.writes += 1
        sink.size += size

    def account(self, name: str, what: str, size: int) -> None:
        """Enters what so many bytes of a place were."""
        if size:
            self.sinks.setdefault(name, Sink()).accounted[what] += size

    def judge(self, name: str, what: str, data: bytes, problem: str) -> None:
        """Enters bytes that are what they should be, or a finding where a check says a problem."""
        if problem:
            self.find(name, f"{problem}; {describe(data)}")
        else:
            self.account(name, what, len(data))

    def find(self, where: str, what: str) -> None:
        """Enters a finding, the same one once."""
        if (where, what) not in self.findings:
            self.findings.append(Finding(where, what))

    def balance(self) -> None:
        """Compares both sums of every place; what nobody understood becomes a finding."""
        for name, sink in self.sinks.items():
            if missing := sink.size - sink.accounted.total():
                self.find(name, f"{missing} of {sink.size} bytes are not accounted for")


def describe(data: bytes) -> str:
    """What bytes look like, in words, without showing them."""
    for mark, name in _PICTURES.items():
        if mark in data:
            return f"{name}, {len(data)} bytes"
    kind = "text" if data.isascii() and data.decode("ascii").isprintable() else "binary data"
    return f"{len(data)} bytes of {kind}"
