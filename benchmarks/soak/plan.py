"""What goes wrong and when, from a seed: the same seed and length give the same plan."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

ORGANS: Mapping[str, tuple[str, ...]] = {
    "process": ("kill", "terminate"),
    "broker": ("broker_killed", "broker_stopped"),
    "network": ("network_cut", "network_silent"),
    "camera": ("camera_gone", "camera_frozen", "camera_stalled", "camera_stuck"),
    "clock": ("clock_forward", "clock_back", "clock_unsynced"),
}
"""What breaks, and how. Faults of one organ follow each other; those of different organs meet as chance wants."""

_AN_HOUR = {
    "kill": 60,
    "terminate": 12,
    "broker_killed": 12,
    "broker_stopped": 10,
    "network_cut": 12,
    "network_silent": 8,
    "camera_gone": 8,
    "camera_frozen": 5,
    "camera_stalled": 5,
    "camera_stuck": 4,
    "clock_forward": 6,
    "clock_back": 6,
    "clock_unsynced": 8,
}
_LASTING_S = {  # frozen and stalled: around the 10 s after which the device gives the camera up
    "broker_killed": (0.2, 3.0),
    "broker_stopped": (3.0, 60.0),
    "network_cut": (1.0, 45.0),
    "network_silent": (3.0, 30.0),
    "camera_gone": (3.0, 20.0),
    "camera_frozen": (8.0, 16.0),
    "camera_stalled": (8.0, 16.0),
    "camera_stuck": (34.0, 36.0),
    "clock_unsynced": (12.0, 90.0),
}
_STEPS_S = (7200.0, 3600.0, 300.0, 30.0, 3.0)
_CALM_S = 4.0  # at the beginning, until the first process is up


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        at_s: seconds after the start; later where the organ's last fault still lasts.
        kind: one of those in `ORGANS`.
        lasting_s: seconds until it is over; 0 for what has no duration.
        step_s: how far the clock moves, seconds, negative for back; 0 for everything else.
        aimed: a kill that waits for a window's end, when the outbox is written.
    """

    at_s: float
    kind: str
    lasting_s: float = 0.0
    step_s: float = 0.0
    aimed: bool = False


def make_plan(minutes: float, seed: int) -> dict[str, list[Fault]]:
    """Faults in order of time, by organ.

    Args:
        minutes: how long; one kill a minute at least, everything else in proportion.
        seed: of all chances.
    """
    rng = random.Random(seed)
    end_s = 60 * minutes
    plan: dict[str, list[Fault]] = {}
    for organ, kinds in ORGANS.items():
        faults = [fault for kind in kinds for fault in _faults(kind, minutes, end_s, rng)]
        plan[organ] = sorted(faults, key=lambda fault: fault.at_s)
    return plan


def _faults(kind: str, minutes: float, end_s: float, rng: random.Random) -> list[Fault]:
    wanted = _AN_HOUR[kind] * minutes / 60
    number = math.ceil(wanted) if kind == "kill" else int(wanted + rng.random())
    share_s = (end_s - _CALM_S) / max(number, 1)
    faults = []
    for place in range(number):
        low_s, high_s = _LASTING_S.get(kind, (0.0, 0.0))
        step_s = rng.choice(_STEPS_S) * {"clock_forward": 1, "clock_back": -1}.get(kind, 0)
        faults.append(
            Fault(
                at_s=_CALM_S + (place + rng.random()) * share_s,
                kind=kind,
                lasting_s=rng.uniform(low_s, high_s),
                step_s=step_s,
                aimed=kind == "kill" and place % 2 == 1,
            )
        )
    return faults
