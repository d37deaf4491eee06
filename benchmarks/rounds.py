"""Times that can be compared on a machine that is not still: every contender in every round, one after the other.

What else the machine does falls on all alike, and a ratio is taken within a round. Two clocks: the processor's time of
this process, which a wait for others does not lengthen, and the wall's. On a quiet machine and one thread they agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from benchmarks.record import Figure, median_figure


class Rounds(NamedTuple):
    """One contender's medians, milliseconds a call, one a round."""

    cpu_ms: list[float]
    wall_ms: list[float]

    def cpu(self) -> Figure | None:
        """Processor time of a call: the median over the rounds."""
        return median_figure(self.cpu_ms)

    def wall(self) -> Figure | None:
        """The same by the wall's clock."""
        return median_figure(self.wall_ms)


def time_rounds(
    contenders: Mapping[str, Callable[[int], object]],
    *,
    rounds: int,
    calls: int,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, Rounds]:
    """Times contenders in turn.

    Args:
        contenders: by name, called with the number of the call.
        rounds: at least 6, or no median gets an interval; each begins with another contender.
        calls: of each contender in each round, after one that is not timed.
        advance: called after each round.
    """
    names = list(contenders)
    found = {name: Rounds([], []) for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            run = contenders[name]
            run(number * calls)
            cpu, wall = [], []
            for call in range(calls):
                cpu_before, before = time.process_time_ns(), time.perf_counter_ns()
                run(number * calls + call)
                wall.append(time.perf_counter_ns() - before)
                cpu.append(time.process_time_ns() - cpu_before)
            found[name].cpu_ms.append(float(np.median(cpu)) / 1e6)
            found[name].wall_ms.append(float(np.median(wall)) / 1e6)
        advance()
    return found


def compare_rounds(one: Rounds, other: Rounds) -> Figure | None:
    """How many times as long the one takes as the other: the median of the rounds' ratios of processor time."""
    return median_figure(np.array(one.cpu_ms) / np.array(other.cpu_ms))
