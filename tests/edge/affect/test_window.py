"""Windows, visits and suppression, as the contract defines them."""

from __future__ import annotations

import numpy as np
import pytest

from edge.affect.visits import Visits
from edge.affect.window import Windower
from edge.clock import NS, FileClock
from edge.config import WindowConfig
from edge.values import AffectScore, Detection, Track, WindowAggregate

STEP_NS = NS // 10


def track(track_id: int, x: float = 100.0, size: float = 60.0) -> Track:
    half = size / 2
    detection = Detection(
        box_px=(x - half, 100 - half, x + half, 100 + half), score=0.9, landmarks_px=np.zeros((6, 2), np.float32)
    )
    return Track(id=track_id, detection=detection, age=5, missed=0)


def score(track_id: int, at_ns: int, valence: float = 0.5, arousal: float = 0.2, warm: bool = True) -> AffectScore:
    return AffectScore(track_id=track_id, captured_ns=at_ns, valence=valence, arousal=arousal, warm=warm)


class Scene:
    """Feeds a windower on the time grid."""

    def __init__(self, window_s: int = 10, origin_ns: int = 0) -> None:
        self.windower = Windower(
            WindowConfig(window_s=window_s), FileClock(origin_ns=origin_ns), step_s=0.1, reset_s=1.0
        )
        self.now_ns = 0
        self.closed: list[WindowAggregate] = []

    def show(
        self, seconds: float, faces: dict[int, tuple[float, float]], warm: bool = True, size: float = 60.0
    ) -> None:
        """Shows faces for a while: id → (x, valence)."""
        for _ in range(round(seconds * 10)):
            self.closed += self.windower.advance(self.now_ns)
            self.windower.observe(
                [track(i, x, size) for i, (x, _) in faces.items()],
                [score(i, self.now_ns, valence, warm=warm) for i, (_, valence) in faces.items()],
                self.now_ns,
            )
            self.now_ns += STEP_NS

    def end(self) -> list[WindowAggregate]:
        self.closed += self.windower.close(self.now_ns)
        return self.closed


def test_three_visits_give_the_mean_of_their_means() -> None:
    scene = Scene()
    scene.show(10, {1: (100, 0.9), 2: (300, 0.3), 3: (500, -0.6)})
    (window,) = scene.end()
    assert window.visits == window.peak_simultaneous == 3
    assert window.suppressed is None
    assert window.valence is not None
    assert window.valence.mean == pytest.approx(0.2)
    assert window.valence.std == pytest.approx(np.std([0.9, 0.3, -0.6]), abs=0.005)
    assert window.scored_s == pytest.approx(30.0)
    assert window.quadrants is not None
    assert (window.quadrants.pos_high, window.quadrants.neg_high) == (0.67, 0.33)


def test_every_visit_weighs_the_same_however_long_it_was() -> None:
    scene = Scene()
    scene.show(3, {1: (100, 1.0), 2: (300, 0.0), 3: (500, 0.0)})
    scene.show(7, {2: (300, 0.0), 3: (500, 0.0)})
    (window,) = scene.end()
    assert window.valence is not None
    assert window.valence.mean == pytest.approx(0.33)


def test_two_visits_are_suppressed_but_counted() -> None:
    scene = Scene()
    scene.show(10, {1: (100, 0.9), 2: (300, 0.3)})
    (window,) = scene.end()
    assert (window.visits, window.suppressed) == (2, "min_visits")
    assert window.valence is window.arousal is window.quadrants is None


def test_one_person_split_into_five_tracks_is_one_visit_and_suppressed() -> None:
    scene = Scene(window_s=60)
    for track_id in range(1, 6):
        scene.show(5, {track_id: (100 + 10 * track_id, 0.5)})
        scene.show(3, {})
    scene.show(20, {})
    (window,) = scene.end()
    assert (window.visits, window.unscored_visits, window.suppressed) == (1, 0, "min_visits")
    assert window.scored_s == pytest.approx(25.0)


def test_five_people_side_by_side_are_five_visits() -> None:
    scene = Scene()
    scene.show(10, {i: (100.0 * i, 0.5) for i in range(1, 6)})
    (window,) = scene.end()
    assert (window.visits, window.suppressed) == (5, None)


@pytest.mark.parametrize(
    ("gap_s", "x", "size", "visits"),
    [(9, 110, 60, 1), (11, 110, 60, 2), (3, 400, 60, 2), (3, 110, 150, 2)],
    ids=["near and soon", "too late", "too far", "another size"],
)
def test_reentry_continues_a_visit_only_when_near_and_soon(gap_s: float, x: float, size: float, visits: int) -> None:
    scene = Scene(window_s=60)
    scene.show(5, {1: (100, 0.5)})
    scene.show(gap_s, {})
    scene.show(5, {2: (x, 0.5)}, size=size)
    assert scene.end()[0].visits == visits


def test_tracks_seen_together_are_never_one_visit() -> None:
    visits = Visits(reentry_s=10)
    first = visits.observe([track(1)], 0)[1]
    again = visits.observe([track(2, 105)], NS)[2]
    assert first.number == again.number
    both = visits.observe([track(1), track(2, 105)], 2 * NS)
    assert both[1].number != both[2].number


def test_visit_too_brief_to_score_is_counted_apart() -> None:
    scene = Scene()
    scene.show(1.8, {1: (100, 0.5)})
    scene.show(8, {2: (400, 0.5)}, warm=False)
    (window,) = scene.end()
    assert (window.visits, window.unscored_visits) == (0, 2)


def test_windows_follow_each_other_without_a_gap_and_empty_ones_are_sent() -> None:
    scene = Scene()
    scene.show(35, {})
    windows = scene.end()
    assert [w.start_ns // NS for w in windows] == [0, 10, 20, 30]
    assert [w.partial for w in windows] == [False, False, False, True]
    assert {w.suppressed for w in windows} == {"min_visits"}


def test_window_aligns_to_the_clock_and_the_first_is_partial() -> None:
    scene = Scene(origin_ns=1_000_000_003 * NS)
    scene.show(10, {1: (100, 0.5)})
    first, second = scene.end()
    assert first.partial
    assert first.start_ns == 1_000_000_000 * NS
    assert second.start_ns == first.end_ns == 1_000_000_010 * NS


def test_interval_in_which_nothing_was_looked_at_says_closed() -> None:
    windower = Windower(WindowConfig(window_s=10), FileClock(), step_s=0.1, reset_s=1.0)
    closed = [w for second in range(21) for w in windower.advance(second * NS)]
    assert [w.suppressed for w in closed] == ["closed", "closed"]


def test_score_stands_no_longer_than_the_reset() -> None:
    scene = Scene()
    scene.show(3, {1: (100, 0.5)})
    scene.now_ns += 4 * NS
    scene.show(1, {1: (100, 0.5)})
    # 30 steps, then one second of the four held, then the nine steps after the first
    assert scene.end()[0].scored_s == pytest.approx(3.0 + 1.0 + 0.9)


def test_stepped_clock_does_not_make_up_the_years_between() -> None:
    clock = FileClock()
    windower = Windower(WindowConfig(window_s=10), clock, step_s=0.1, reset_s=1.0)
    seen: list[WindowAggregate] = []
    for second in range(40):
        if second == 15:
            clock.origin_ns = 1_700_000_001 * NS
        seen += windower.advance(second * NS)
    starts = [w.start_ns // NS for w in seen]
    assert starts[:2] == [0, 10]
    assert len(starts) < 6
    assert starts == sorted(set(starts))
