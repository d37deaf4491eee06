"""Whether a bundle on probation does its work: counts of frames and times of a stage, never a word about the scores.

There are no labels on a device: a bundle that scores wrongly at full speed passes here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.clock import NS
from edge.health import Health, Recent

MIN_SCORED = 300  # face-steps: half a minute of one face, so that an empty room proves nothing
MAX_FAILED_SHARE = 0.05  # of failed frames and scored face-steps together
MIN_FAILED = 20  # below, a share says nothing
MAX_SLOWDOWN = 3.0
_LONGEST_STEP_S = 1.0  # a longer gap between two frames was no work


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a time of observation ended.

    Attributes:
        failure: what was wrong, in words; empty when the bundle is healthy.
        embed_p10_ms: 10th percentile of the time a face took in the backbone; None when none was timed.
    """

    failure: str
    embed_p10_ms: float | None


class Probation:
    """Watches a run's health for `seconds` of open eyes.

    Args:
        health: of the pipeline, read after each frame.
        seconds: of frames looked at; hours in which nothing is looked at do not count.
        reference_ms: the previous bundle's 10th percentile; None where it was never noted, then pace is not judged.
        now_ns: a monotonic clock.
    """

    def __init__(
        self,
        health: Health,
        *,
        seconds: float,
        reference_ms: float | None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._health = health
        self._left_ns = int(seconds * NS)
        self._reference_ms = reference_ms
        self._now_ns = now_ns
        self._times = Recent()
        self._at_ns = now_ns()
        self._seen = self._scored = self._embed_ns = 0

    def observe(self) -> Verdict | None:
        """Takes note of a frame; gives a verdict as soon as there is one."""
        health, now_ns = self._health, self._now_ns()
        embed_ns, scored = health.stages["embed"].total_ns, health.scored
        if scored > self._scored:
            self._times.add((embed_ns - self._embed_ns) // (scored - self._scored))
        if health.seen > self._seen:
            self._left_ns -= min(now_ns - self._at_ns, int(_LONGEST_STEP_S * NS))
        self._at_ns, self._seen, self._scored, self._embed_ns = now_ns, health.seen, scored, embed_ns
        tried = health.failed + scored
        if health.failed >= MIN_FAILED and health.failed > MAX_FAILED_SHARE * tried:
            return self._verdict(f"{health.failed} frames failed, and {scored} face-steps were scored")
        if self._left_ns > 0 or scored < MIN_SCORED:
            return None
        return self._verdict(self._too_slow())

    def _too_slow(self) -> str:
        p10_ms = self._embed_p10_ms()
        if self._reference_ms is None or p10_ms is None or p10_ms <= MAX_SLOWDOWN * self._reference_ms:
            return ""
        return f"a face takes {p10_ms:.2f} ms in the backbone (10th percentile), {self._reference_ms:.2f} before"

    def _embed_p10_ms(self) -> float | None:
        # The quick ones: how slow a slow one is says what else the board does, and a model shows in all of them.
        return self._times.percentile_ms(10) or None

    def _verdict(self, failure: str) -> Verdict:
        return Verdict(failure=failure, embed_p10_ms=self._embed_p10_ms())
