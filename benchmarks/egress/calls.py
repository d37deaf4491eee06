"""System calls as strace wrote them down: read from its files, one a thread, and put in order of time.

strace is told to write every string in hexadecimal, so no content can be mistaken for strace's own punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from convert.errors import DataError

_LINE = re.compile(r"(\d+\.\d+) (\w+)\((.*)\) += (-?\d+|\?|0x[0-9a-f]+)(.*)$")
_ESCAPED = re.compile(r"(?:\\x[0-9a-f]{2})+")
_QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_BASE = re.compile(r'iov_base="((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DESCRIPTOR = re.compile(r"^(-?\d+|AT_FDCWD)(?:<(.*)>(?:\(deleted\))?)?$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One system call.

    Attributes:
        at: seconds since 1970, when it began.
        thread: id of the thread that made it.
        name: of the call.
        arguments: as strace shows them, strings still in hexadecimal.
        result: what it returned; −1 for an error.
        answer: what strace shows behind `=`, for the path of a new descriptor or the error.
    """

    at: float
    thread: int
    name: str
    arguments: tuple[str, ...]
    result: int
    answer: str

    @property
    def failed(self) -> bool:
        return self.result < 0

    @property
    def text(self) -> str:
        """The whole call, readable."""
        return f"{self.name}({', '.join(readable(argument) for argument in self.arguments)})"

    def descriptor(self, index: int = 0) -> tuple[int, str]:
        """Number and target of the file descriptor in an argument."""
        return _split_descriptor(self.arguments[index])

    @property
    def opened(self) -> tuple[int, str]:
        """Number and target of the file descriptor that the call returned."""
        return _split_descriptor(self.answer)

    def string(self, index: int) -> str:
        """A path or name in an argument."""
        return _strings(_QUOTED, self.arguments[index]).decode("utf-8", "backslashreplace")

    def written(self) -> bytes:
        """All bytes that the call was given to write, and took."""
        data = _strings(_BASE if "iov_base" in self.arguments[1] else _QUOTED, self.arguments[1])
        return data if self.failed else data[: self.result]


def readable(text: str) -> str:
    """A text of strace with its hexadecimal strings as characters."""
    return _ESCAPED.sub(lambda found: _bytes(found[0]).decode("utf-8", "backslashreplace"), text)


def read_calls(folder: Path, prefix: str) -> list[Call]:
    """All calls of all threads, in order of time.

    Args:
        folder: where strace's files lie.
        prefix: what their names begin with, before `.` and the thread's id.

    Raises:
        DataError: a line is none that strace writes for a finished call.
    """
    calls = [call for path in folder.glob(f"{prefix}.*") for call in _read(path, int(path.suffix[1:]))]
    return sorted(calls, key=lambda call: call.at)


def _read(path: Path, thread: int) -> Iterator[Call]:
    for line in path.read_text("ascii").splitlines():
        stamp, _, rest = line.partition(" ")
        if rest.startswith(("+++", "---")):  # an end or a signal, no call
            continue
        if rest.endswith((" <unfinished ...>", "= ?")):  # the process ended in it; a write cannot be cut so
            name, _, inside = rest.partition("(")
            yield Call(at=float(stamp), thread=thread, name=name, arguments=(inside,), result=-1, answer="")
            continue
        match = _LINE.match(line)
        if match is None:
            raise DataError(f"{path.name}: not a line of strace that is known: {rest[:60]!r}")
        at, name, inside, result, behind = match.groups()
        yield Call(
            at=float(at),
            thread=thread,
            name=name,
            arguments=tuple(_split(inside)),
            result=int(result, 0) if result != "?" else -1,
            answer=(result + behind).strip(),
        )


def _split(inside: str) -> list[str]:
    """Arguments at the commas that lie in no bracket; strings are hexadecimal and hold none."""
    parts, depth, begin = [], 0, 0
    for index, letter in enumerate(inside):
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(inside[begin:index].strip())
            begin = index + 1
    return [*parts, inside[begin:].strip()]


def _split_descriptor(text: str) -> tuple[int, str]:
    match = _DESCRIPTOR.match(re.sub(r" \([A-Za-z ]+\)$", "", text))
    if match is None:
        return -1, ""
    number, target = match.groups()
    target = re.sub(r"<(char|block) [\d:]+>$", "", target or "")
    return (-100 if number == "AT_FDCWD" else int(number)), readable(target)


def _strings(pattern: re.Pattern[str], text: str) -> bytes:
    found = pattern.findall(text)
    if any(cut for _, cut in found):
        raise DataError("strace cut a string short, so not every byte was seen; raise its -s")
    return b"".join(_bytes(data) for data, _ in found)


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))
