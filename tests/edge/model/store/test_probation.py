"""What ends a probation, by counts and times alone."""

from __future__ import annotations

from edge.clock import NS
from edge.health import Health
from edge.model.store.probation import MIN_FAILED, MIN_SCORED, Probation, Verdict


class Run:
    """A run whose frames take no time; 30 a second, each face 1 ms in the backbone unless said otherwise."""

    def __init__(self, *, seconds: float = 60, reference_ms: float | None = None) -> None:
        self.health, self._ns = Health(), 0
        self.probation = Probation(self.health, seconds=seconds, reference_ms=reference_ms, now_ns=lambda: self._ns)

    def frames(
        self, count: int, *, faces: int = 1, face_ms: float = 1.0, fails: bool = False, closed: bool = False
    ) -> Verdict | None:
        for _ in range(count):
            self._ns += NS // 30
            self.health.seen += not closed
            self.health.failed += fails
            if not (fails or closed):
                self.health.stages["embed"].add(int(faces * face_ms * 1e6))
                self.health.scored += faces
            if verdict := self.probation.observe():
                return verdict
        return None


def test_a_bundle_that_works_for_long_enough_is_healthy_and_its_pace_is_noted() -> None:
    run = Run()
    assert run.frames(30 * 59) is None
    assert run.frames(60) == Verdict(failure="", embed_p10_ms=1.0)


def test_an_empty_room_proves_nothing() -> None:
    run = Run()
    assert run.frames(30 * 600, faces=0) is None
    assert run.frames(MIN_SCORED - 1) is None
    assert run.frames(1) is not None


def test_closed_hours_prove_nothing() -> None:
    run = Run()
    assert run.frames(MIN_SCORED) is None
    assert run.frames(30 * 3600, closed=True) is None


def test_a_long_gap_between_frames_is_no_work() -> None:
    run = Run()
    run.frames(MIN_SCORED)
    run._ns += 3600 * NS
    assert run.frames(1) is None


def test_frames_that_all_fail_are_noticed_at_once() -> None:
    verdict = Run().frames(1000, fails=True)
    assert verdict
    assert verdict.failure == f"{MIN_FAILED} frames failed, and 0 face-steps were scored"


def test_a_few_frames_that_fail_among_many_are_no_failure() -> None:
    run = Run(seconds=3600)
    for _ in range(2 * MIN_FAILED):
        assert run.frames(60) is None
        assert run.frames(1, fails=True) is None


def test_one_frame_in_ten_that_fails_is_a_failure_even_where_faces_are_rare() -> None:
    run, verdict = Run(seconds=3600), None
    for _ in range(30):
        run.frames(300, faces=0)
        verdict = verdict or run.frames(9) or run.frames(1, fails=True)
    assert verdict
    assert "frames failed" in verdict.failure


def test_more_than_three_times_slower_than_the_one_before_is_a_failure() -> None:
    verdict = Run(reference_ms=0.3).frames(30 * 61)
    assert verdict
    assert verdict.failure == "a face takes 1.00 ms in the backbone (10th percentile), 0.30 before"
    assert Run(reference_ms=0.35).frames(30 * 61) == Verdict(failure="", embed_p10_ms=1.0)


def test_a_busy_board_is_no_slowness() -> None:
    """Most faces are held up by something else; a few run alone and tell what the model takes."""
    run = Run(reference_ms=1.0)
    for _ in range(30 * 61):
        verdict = run.frames(4, face_ms=20.0) or run.frames(1, face_ms=1.5)
        if verdict:
            break
    assert verdict == Verdict(failure="", embed_p10_ms=1.5)


def test_a_crowd_is_no_slowness() -> None:
    assert Run(reference_ms=0.5).frames(30 * 61, faces=12) == Verdict(failure="", embed_p10_ms=1.0)


def test_pace_is_not_judged_where_the_one_before_was_never_timed() -> None:
    assert Run().frames(30 * 61, face_ms=50) == Verdict(failure="", embed_p10_ms=50.0)
