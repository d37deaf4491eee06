"""Who stays at a place for many windows: staff, and whoever works there. The release rule leaves them out.

Pure: what is known of the windows before comes in, and leaves with this one added. Places only; nobody is recognized.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edge.affect.presence import Place, VisitRecord
from edge.clock import NS

MANY_WINDOWS = 4  # whoever was there in so many earlier windows belongs to the place
_STAY_S = 60.0  # in view for so long in a window: somebody who stays
_NEAR, _ALIKE = 2.0, 2.0  # one place: at most so many face sizes apart, and at most so different in size
_FORGET = 32  # windows without anybody there, until a place is forgotten


class Resident(NamedTuple):
    """Somebody who stays: where, the last visit there, in how many windows, and in how many since nobody was there."""

    place: Place
    visit: int
    windows: int = 1
    absent: int = 0


def far_apart(one: Place, other: Place) -> float:
    """How far apart, face sizes; a change of size by `_ALIKE` is as far as `_NEAR`."""
    larger = max(one.size, other.size, 1.0)
    shift = math.hypot(one.x - other.x, one.y - other.y) / larger
    return max(shift, _NEAR * math.log(larger / max(min(one.size, other.size), 1.0)) / math.log(_ALIKE))


def find_resident(visits: Sequence[VisitRecord], residents: Sequence[Resident]) -> Resident | None:
    """The place that a possible person stayed at before."""
    return max(
        (
            known for known in residents
            if any(visit.number == known.visit or far_apart(visit.began, known.place) <= _NEAR for visit in visits)
        ),
        key=lambda known: known.windows,
        default=None,
    )  # fmt: skip


def remember_residents(
    staying: Iterable[tuple[list[VisitRecord], Resident | None]], residents: Sequence[Resident], began_ns: int
) -> tuple[Resident, ...]:
    """Who stayed in this window, and who did in windows before."""
    kept = {known: known._replace(absent=known.absent + 1) for known in residents if known.absent < _FORGET}
    fresh = []
    for visits, known in staying:
        if sum(visit.ended_ns - max(visit.began_ns, began_ns) for visit in visits) >= _STAY_S * NS:
            windows = 1 if known is None else known.windows + 1
            if known is not None:
                kept.pop(known, None)
            fresh.append(Resident(visits[-1].ended, visits[-1].number, windows))
    return (*fresh, *kept.values())
