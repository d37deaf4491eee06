"""What an examination finds."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec

from edge.errors import EdgeError


class Level(str, Enum):
    """How it stands, from good to bad."""

    PASS = "pass"  # noqa: S105 - no password
    SKIP = "skip"
    WARN = "warn"
    FAIL = "fail"


_ORDER = list(Level)
EXIT_CODES = {Level.PASS: 0, Level.SKIP: 0, Level.WARN: 10, Level.FAIL: 11}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check's result.

    Attributes:
        check: what was looked at, in two words.
        level: how it stands.
        said: what was seen, with its numbers.
        fix: what to do; empty when nothing is to be done.
    """

    check: str
    level: Level
    said: str
    fix: str = ""


def passed(check: str, said: str) -> Finding:
    """Nothing is to be done."""
    return Finding(check=check, level=Level.PASS, said=said)


def skipped(check: str, said: str) -> Finding:
    """It does not apply here, or cannot be seen from here."""
    return Finding(check=check, level=Level.SKIP, said=said)


def warned(check: str, said: str, fix: str) -> Finding:
    """It works, but not as well as it should."""
    return Finding(check=check, level=Level.WARN, said=said, fix=fix)


def failed(check: str, said: str, fix: str) -> Finding:
    """The device does not do its work like this."""
    return Finding(check=check, level=Level.FAIL, said=said, fix=fix)


def failed_with(check: str, error: EdgeError) -> Finding:
    """An error of ours, whose message ends with the fix after a semicolon."""
    said, _, fix = str(error).partition("; ")
    return failed(check, said, fix or "see above")


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level found."""
    return max((finding.level for finding in findings), key=_ORDER.index, default=Level.PASS)
