"""Differentially private counts and means, by the hour and the day, and the ledger of what they cost.

A contribution is what a possible person (see `release`) adds to one window: 1 to a count, and valence and arousal,
clipped, to two sums. Each count and sum leaves once, with discrete Laplace noise on the grid of 0.01. Somebody who
makes up to `contributions` in a day is protected with `epsilon_per_day`, whatever is known about everybody else;
somebody who makes m times as many, with m times that epsilon. Contributions of different hours are different ones, so
all hours of a day together cost what one costs. Noise is sampled exactly, with integers only (Canonne, Kamath and
Steinke 2020, algorithms 1 and 2), from the system's cryptographic source. The ledger spends first and refunds nothing.
"""

from __future__ import annotations

import math
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from edge.affect.release import Person

CLIP = 75  # largest contribution to a sum, in units of the grid
_UNIT = 100  # units of the grid in 1.0
_HOURS = Fraction(4, 5)  # of the day's epsilon, for its hours; the rest for the day
_SHARES = {"valence": Fraction(2, 5), "arousal": Fraction(2, 5), "people": Fraction(1, 5)}
_LEAST = 10  # noisy count from which means are told; with fewer they are nothing but noise
_DAY_S = 20 * 3600  # a day begins so long after the last one at least, whatever the clock says

Kind = Literal["hour", "day"]
Below = Callable[[int], int]  # a uniform random integer from 0 up to its argument, exclusive


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Epsilon of one person and day, for so many contributions; a place where somebody stays makes no more."""

    epsilon_per_day: Fraction
    contributions: int = 2

    def epsilon(self, kind: Kind) -> Fraction:
        """What the hours of a day cost together, or the day."""
        return self.epsilon_per_day * (_HOURS if kind == "hour" else 1 - _HOURS)

    def scale(self, kind: Kind, what: str) -> Fraction:
        """Scale of the noise of `people` (in people), `valence` or `arousal` (in units of the grid)."""
        return self.contributions * (1 if what == "people" else CLIP) / (self.epsilon(kind) * _SHARES[what])

    def mean_error(self, kind: Kind, people: int) -> float:
        """The expected error of a mean over so many people, from the noise alone, on a scale from -1 to 1."""
        return expected_size(self.scale(kind, "valence")) / _UNIT / people


class Private(NamedTuple):
    """What leaves of an hour or a day: contributions, and means, None where there are too few."""

    people: int
    valence: float | None
    arousal: float | None


class Tally(NamedTuple):
    """Exact sums of an hour or a day, in units of the grid. They stay in memory."""

    people: int = 0
    valence: int = 0
    arousal: int = 0

    def add(self, people: Sequence[Person]) -> Tally:
        """With one contribution of each of these people."""
        return Tally(
            self.people + len(people),
            self.valence + sum(_clipped(person.valence) for person in people),
            self.arousal + sum(_clipped(person.arousal) for person in people),
        )


def limit_stays(
    people: Sequence[Person], counts: dict[tuple[int, int], int], budget: Budget, cell_px: float
) -> list[Person]:
    """Those of a window whose contribution is taken: of somebody who stays, at one place, `contributions` a day.

    `counts` holds the day's by cell of the picture, and is changed; `cell_px` is a cell's side.
    """
    taken = []
    for person in people:
        if person.stays is not None:
            cell = int(person.stays.x // cell_px), int(person.stays.y // cell_px)
            counts[cell] = counts.get(cell, 0) + 1
            if counts[cell] > budget.contributions:
                continue
        taken.append(person)
    return taken


def release_tally(tally: Tally, budget: Budget, kind: Kind, below: Below = secrets.randbelow) -> Private:
    """Adds the noise. Call it once for an hour or a day, after `spend` said that it may be released."""
    count, valence, arousal = (
        exact + sample_noise(budget.scale(kind, what), below) for exact, what in zip(tally, Tally._fields, strict=True)
    )
    if count < _LEAST:
        return Private(max(count, 0), None, None)
    means = (max(-CLIP, min(CLIP, round(total / count))) / _UNIT for total in (valence, arousal))
    return Private(count, *means)


def sample_noise(scale: Fraction, below: Below = secrets.randbelow) -> int:
    """One value of the discrete Laplace distribution: P(y) is proportional to exp(-|y| / scale), exactly."""
    top, bottom = scale.numerator, scale.denominator
    while True:
        rest = below(top)
        if not _happens(Fraction(rest, top), below):
            continue
        whole = 0
        while _happens(Fraction(1), below):
            whole += 1
        size, negative = (rest + top * whole) // bottom, below(2)
        if size or not negative:
            return -size if negative else size


def expected_size(scale: Fraction) -> float:
    """The mean of |y| under the discrete Laplace distribution."""
    return 1 / math.sinh(1 / scale)


def _happens(exponent: Fraction, below: Below) -> bool:
    """True with probability exp(-exponent), for an exponent from 0 to 1."""
    k = 1
    while below(exponent.denominator * k) < exponent.numerator:
        k += 1
    return k % 2 == 1


def _clipped(value: float) -> int:
    return max(-CLIP, min(CLIP, round(value * _UNIT)))


_TABLES = """
CREATE TABLE IF NOT EXISTS dp_day (
    id INTEGER PRIMARY KEY CHECK (id = 1), day INTEGER NOT NULL, made INTEGER NOT NULL, boot TEXT, began_s REAL);
CREATE TABLE IF NOT EXISTS dp_spent (day INTEGER, slot TEXT, epsilon TEXT NOT NULL, PRIMARY KEY (day, slot));
"""


def spend(
    connection: sqlite3.Connection, budget: Budget, *, day: int, slot: str, boot: str | None, now_s: float
) -> bool:
    """Takes from the budget what a release costs. When this returns True, the ledger has it on disk.

    A new ledger may follow a lost one, so it spends nothing before its second day.

    Args:
        connection: to a database on disk, in autocommit mode (`isolation_level=None`).
        budget: as configured now.
        day: number of the local day, by the clock.
        slot: `day`, or `hour-00` to `hour-23`; each once in a day.
        boot: names the run of the machine that `now_s`, monotonic seconds, counts from.

    Returns:
        Whether it may be released: not when it was before, the budget is spent, or the clock was set.

    Raises:
        sqlite3.Error: the disk is full or broken; nothing may be released.
    """
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(_TABLES)
    connection.execute("BEGIN IMMEDIATE")
    try:
        allowed = _try_to_spend(connection, budget, day, slot, boot, now_s)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return allowed


def _try_to_spend(
    connection: sqlite3.Connection, budget: Budget, day: int, slot: str, boot: str | None, now_s: float
) -> bool:
    if (row := connection.execute("SELECT day, made, boot, began_s FROM dp_day").fetchone()) is None:
        connection.execute("INSERT INTO dp_day VALUES (1, ?, ?, ?, ?)", (day, day, boot, now_s - _DAY_S))
        return False
    last, made, last_boot, began_s = row
    if day > last and (boot != last_boot or now_s < began_s or now_s - began_s >= _DAY_S):
        connection.execute("UPDATE dp_day SET day = ?, boot = ?, began_s = ?", (day, boot, now_s))
        last = day
    if day != last or day == made:  # the clock went back, or on too fast
        return False
    spent = dict(connection.execute("SELECT slot, epsilon FROM dp_spent WHERE day = ?", (day,)).fetchall())
    if slot in spent:
        return False
    spent[slot] = str(budget.epsilon("day" if slot == "day" else "hour"))
    hours = max((Fraction(cost) for name, cost in spent.items() if name != "day"), default=Fraction(0))
    if hours + Fraction(spent.get("day", "0")) > budget.epsilon_per_day:
        return False
    connection.execute("INSERT INTO dp_spent VALUES (?, ?, ?)", (day, slot, spent[slot]))
    connection.execute("DELETE FROM dp_spent WHERE day < ?", (day,))
    return True
