"""What an examination finds."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import partial

import msgspec

from edge.errors import EdgeError


class Level(str, Enum):
    """From good to bad."""

    PASS = "pass"  # noqa: S105 - no password; nothing is to be done
    SKIP = "skip"  # it does not apply, or cannot be seen from here
    WARN = "warn"  # it works, but not as well as it should
    FAIL = "fail"  # the device does not do its work like this


EXIT_CODES = {Level.PASS: 0, Level.SKIP: 0, Level.WARN: 10, Level.FAIL: 11}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check's result."""

    check: str  # what was looked at, in two words
    level: Level
    said: str  # what was seen, with its numbers
    fix: str = ""  # what to do; empty when there is nothing to do


def _find(level: Level, check: str, said: str, fix: str = "") -> Finding:
    return Finding(check=check, level=level, said=said, fix=fix)


passed, skipped, warned, failed = (partial(_find, level) for level in Level)


def warned_if(wrong: bool, check: str, said: str, fix: str) -> Finding:
    """`warn` with its fix where something is wrong, else `pass`."""
    return warned(check, said, fix) if wrong else passed(check, said)


def failed_with(check: str, error: EdgeError) -> Finding:
    """An error of ours, with its own fix."""
    return failed(check, error.message, error.fix)


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level found; `pass` of none."""
    return max((finding.level for finding in findings), key=list(Level).index, default=Level.PASS)
