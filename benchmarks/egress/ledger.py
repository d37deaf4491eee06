"""The books: what each place took, what each of its bytes was, what else was touched, and what was found.

Bytes are entered twice, by whoever saw the system call and by whoever understood the content. A place whose two sums
differ is a finding by itself, so a check that forgets something cannot pass silently.
"""

from __future__ import annotations

from collections import Counter, defaultdict

_PICTURES = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"\x93NUMPY": "a NumPy array",
    b"/9j/": "base64 of a JPEG picture",
    b"iVBORw0K": "base64 of a PNG picture",
}


class Ledger:
    """What one run did.

    Attributes:
        writes, sizes: system calls and bytes that each place took, by its name without paths of this machine.
        accounted: the bytes of each place by what they were.
        touches: what else the process used, with the reason why that is known.
        findings: where, and what, in words that never show content.
        seen: how often each thing was seen that a run can show.
    """

    def __init__(self) -> None:
        self.writes: Counter[str] = Counter()
        self.sizes: Counter[str] = Counter()
        self.accounted: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.touches: Counter[tuple[str, str]] = Counter()
        self.findings: list[tuple[str, str]] = []
        self.seen: Counter[str] = Counter()

    def wrote(self, place: str, size: int) -> None:
        """Enters one system call that wrote so many bytes."""
        self.writes[place] += 1
        self.sizes[place] += size

    def account(self, place: str, what: str, size: int) -> None:
        """Enters what so many bytes of a place were."""
        self.accounted[place][what] += size

    def judge(self, place: str, what: str, data: bytes, problem: str) -> None:
        """Enters bytes that are what they should be, or a finding where a check says a problem."""
        if problem:
            self.find(place, f"{problem}; {describe(data)}")
        else:
            self.account(place, what, len(data))

    def find(self, where: str, what: str) -> None:
        """Enters a finding, the same one once."""
        if (where, what) not in self.findings:
            self.findings.append((where, what))

    def balance(self) -> None:
        """Compares both sums of every place; what nobody understood becomes a finding."""
        for place, size in self.sizes.items():
            if missing := size - self.accounted[place].total():
                self.find(place, f"{missing} of {size} bytes are not accounted for")


def describe(data: bytes) -> str:
    """What bytes look like, in words, without showing them."""
    for mark, name in _PICTURES.items():
        if mark in data:
            return f"{name}, {len(data)} bytes"
    kind = "text" if data.isascii() and data.decode("ascii").isprintable() else "binary data"
    return f"{len(data)} bytes of {kind}"
