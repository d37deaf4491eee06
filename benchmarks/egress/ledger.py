"""The books: what each sink took, what each of its bytes was, what else was touched, and what was found.

Bytes are entered twice, by whoever saw the system call and by whoever understood the content. A sink whose two sums
differ is a finding by itself, so a checker that forgets something cannot pass silently.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

_PICTURES = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"RIFF": "a RIFF file (WebP, AVI)",
    b"BM": "a BMP picture",
    b"\x93NUMPY": "a NumPy array",
}
_TEXTS = {b"/9j/": "base64 of a JPEG picture", b"iVBORw0K": "base64 of a PNG picture"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that the rules do not know.

    Attributes:
        where: the sink or the touched thing.
        what: in words; never the content itself.
    """

    where: str
    what: str


@dataclass(slots=True, kw_only=True)
class Sink:
    """One place that bytes were written to.

    Attributes:
        name: file, socket or stream, without paths of this machine.
        writes, size: system calls and bytes that it took.
        accounted: bytes by what they were.
    """

    name: str
    writes: int = 0
    size: int = 0
    accounted: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True, kw_only=True)
class Touch:
    """Something besides sinks that the process used, and why that is known."""

    name: str
    why: str
    times: int = 0


class Ledger:
    """What one run did."""

    def __init__(self) -> None:
        self.sinks: dict[str, Sink] = {}
        self.touches: dict[str, Touch] = {}
        self.findings: list[Finding] = []
        self.seen: Counter[str] = Counter()

    def wrote(self, name: str, size: int) -> None:
        """Enters one system call that wrote so many bytes."""
        sink = self.sinks.setdefault(name, Sink(name=name))
        sink.writes += 1
        sink.size += size

    def account(self, name: str, what: str, size: int) -> None:
        """Enters what so many bytes of a sink were."""
        if size:
            self.sinks.setdefault(name, Sink(name=name)).accounted[what] += size

    def touch(self, name: str, why: str) -> None:
        """Lists something by name that is known and carries nothing out."""
        self.touches.setdefault(name, Touch(name=name, why=why)).times += 1

    def find(self, where: str, what: str) -> None:
        """Enters a finding, the same one once."""
        finding = Finding(where=where, what=what)
        if finding not in self.findings:
            self.findings.append(finding)

    def balance(self) -> None:
        """Compares both sums of every sink; what nobody understood becomes a finding."""
        for sink in self.sinks.values():
            missing = sink.size - sink.accounted.total()
            if missing:
                self.find(sink.name, f"{missing} of {sink.size} bytes are not accounted for")


def describe(data: bytes) -> str:
    """What bytes look like, in words, without showing them."""
    for table, anywhere in ((_PICTURES, False), (_TEXTS, True)):
        for mark, name in table.items():
            if data.startswith(mark) or ((anywhere or len(mark) > 2) and mark in data):
                return f"{name}, {len(data)} bytes"
    kind = "text" if data.isascii() and data.decode("ascii").isprintable() else "binary data"
    return f"{len(data)} bytes of {kind}"
