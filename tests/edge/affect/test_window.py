"""Windows, visits and suppression, as the contract defines them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from edge.affect.visits import Visits
from edge.affect.window import Windower
from edge.clock import NS, FileClock
from edge.config import WindowConfig
from edge.contract import Model, Origin, Spread, Window, decode, encode, nanoseconds
from edge.values import AffectScore, Detection, Tick, Track

STEP_NS = NS // 10
ORIGIN = Origin(
    site="hall",
    device="door",
    tz="Europe/Berlin",
    tags={"zone": "entrance"},
    model=Model(name="default", version=5, sha256="0" * 64),
    policy="0" * 32,
)


def new_windower(clock: FileClock, window_s: int = 10, closed: Sequence[object] = ()) -> Windower:
    """A windower; `closed` is what was published, which numbers follow. Three people are enough."""
    config = WindowConfig(window_s=window_s, min_people=3)
    return Windower(config, clock, ORIGIN, lambda: ("0123abcd", 7 + len(closed)), step_s=0.1, reset_s=1.0)


def track(track_id: int, x: float = 100.0, size: float = 60.0) -> Track:
    half = size / 2
    detection = Detection(
        box_px=(x - half, 100 - half, x + half, 100 + half), score=0.9, landmarks_px=np.zeros((5, 2), np.float32)
    )
    return Track(id=track_id, detection=detection, missed=0)


def score(track_id: int, at_ns: int, valence: float = 0.5, arousal: float = 0.2, warm: bool = True) -> AffectScore:
    return AffectScore(track_id=track_id, captured_ns=at_ns, valence=valence, arousal=arousal, warm=warm)


class Scene:
    """Feeds a windower on the time grid."""

    def __init__(self, window_s: int = 10, origin_ns: int = 0) -> None:
        self.closed: list[Window] = []
        self.windower = new_windower(FileClock(origin_ns=origin_ns), window_s, self.closed)
        self.now_ns = 0

    def show(
        self, seconds: float, faces: dict[int, tuple[float, float]], warm: bool = True, size: float = 60.0
    ) -> None:
        """Shows faces for a while: id → (x, valence)."""
        for _ in range(round(seconds * 10)):
            self.advance()
            sway = 10 * np.sin(self.now_ns / NS)  # people move
            self.windower.observe(
                [track(i, x + sway, size) for i, (x, _) in faces.items()],
                [score(i, self.now_ns, valence, warm=warm) for i, (_, valence) in faces.items()],
                self.now_ns,
            )
            self.now_ns += STEP_NS

    def wait(self, seconds: int, reason: Any) -> None:
        """No frame comes: a tick each second says why."""
        for _ in range(seconds):
            self.advance()
            self.windower.tick(Tick(at_ns=self.now_ns, reason=reason))
            self.now_ns += NS

    def advance(self) -> None:
        for window, _ in self.windower.advance(self.now_ns):
            self.closed.append(window)

    def end(self) -> list[Window]:
        for window, _ in self.windower.close(self.now_ns):
            self.closed.append(window)
        return self.closed


def test_three_people_give_a_mean_that_is_rounded_coarsely_and_nothing_finer() -> None:
    scene = Scene()
    scene.show(10, {1: (100, 0.9), 2: (300, 0.3), 3: (500, -0.5)})
    (window,) = scene.end()
    assert window.visits == window.people == window.peak_simultaneous == 3
    assert (window.suppressed, window.scored_s) == (None, pytest.approx(30.0))
    assert (window.valence, window.quadrants) == (Spread(mean=0.2, std=None), None)


def test_twenty_people_give_mean_deviation_and_quadrants() -> None:
    scene = Scene()
    scene.show(10, {i: (100.0 * i, 0.5 if i > 5 else -0.7) for i in range(1, 21)})
    (window,) = scene.end()
    assert (window.people, window.valence) == (20, Spread(mean=0.2, std=0.5))
    assert window.quadrants is not None
    assert (window.quadrants.pos_high, window.quadrants.neg_high) == (0.8, 0.2)


def test_every_person_weighs_the_same_however_long_the_visit_was() -> None:
    scene = Scene()
    scene.show(3, {1: (100, 0.9), 2: (300, -0.3), 3: (500, -0.3)})
    scene.show(7, {2: (300, -0.3), 3: (500, -0.3)})
    (window,) = scene.end()
    assert window.valence is not None
    assert window.valence.mean == 0.2 * round(0.1 / 0.2)


def test_below_the_floor_nothing_finer_than_a_bucket_is_told() -> None:
    scene = Scene()
    scene.show(10, {1: (100, 0.9), 2: (300, 0.3)})
    (window,) = scene.end()
    assert window.suppressed == "few_people"
    assert (window.visits, window.visits_begun, window.peak_simultaneous, window.unscored_visits) == (1, 1, 1, 0)
    assert window.valence is window.arousal is window.quadrants is window.people is window.scored_s is None


def test_a_window_that_was_cut_short_carries_no_scores() -> None:
    scene = Scene()
    scene.show(15, {i: (100.0 * i, 0.5) for i in range(1, 8)})
    whole, cut = scene.end()
    assert (whole.suppressed, whole.partial) == (None, False)
    assert (cut.suppressed, cut.partial, cut.visits) == ("partial", True, 5)


def test_a_window_of_which_less_than_half_was_seen_carries_no_scores() -> None:
    scene = Scene(window_s=60)
    scene.show(29, {i: (100.0 * i, 0.5) for i in range(1, 8)})
    scene.wait(35, "gone")
    assert (scene.closed[0].suppressed, scene.closed[0].partial) == ("partial", False)


def test_a_motionless_crowd_of_pictures_and_one_person_are_nobody_to_speak_for() -> None:
    windower, closed = new_windower(FileClock(), 60), []
    for step in range(610):
        now_ns = step * STEP_NS
        closed += windower.advance(now_ns)
        faces = [track(i, 150.0 * i) for i in range(1, 7)] + [track(7, 1100 + step % 30)]
        windower.observe(faces, [score(face.id, now_ns) for face in faces], now_ns, (1920, 1080))
    assert closed[0][0].suppressed == "few_people"


def test_one_person_split_into_five_tracks_is_one_visit_and_suppressed() -> None:
    scene = Scene(window_s=60)
    for track_id in range(1, 6):
        scene.show(5, {track_id: (100 + 10 * track_id, 0.5)})
        scene.show(3, {})
    scene.show(20, {})
    (window,) = scene.end()
    assert (window.visits, window.visits_begun, window.suppressed) == (1, 1, "few_people")


def test_five_people_side_by_side_are_five_people() -> None:
    scene = Scene()
    scene.show(10, {i: (100.0 * i, 0.5) for i in range(1, 6)})
    (window,) = scene.end()
    assert (window.visits, window.people, window.suppressed) == (5, 5, None)


@pytest.mark.parametrize(
    ("gap_s", "x", "size", "visits"),
    [(9, 110, 60, 1), (11, 110, 60, 2), (3, 400, 60, 2), (3, 110, 150, 2)],
    ids=["near and soon", "too late", "too far", "another size"],
)
def test_reentry_continues_a_visit_only_when_near_and_soon(gap_s: float, x: float, size: float, visits: int) -> None:
    found = Visits(reentry_s=10)
    found.observe([track(1, 100)], 0)
    found.observe([track(2, x, size)], round(gap_s * NS))
    assert found.begun == visits


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
    assert (window.visits, window.unscored_visits) == (0, 1)  # one to four


def test_windows_follow_each_other_without_a_gap_and_empty_ones_are_sent() -> None:
    scene = Scene()
    scene.show(35, {})
    windows = scene.end()
    assert [nanoseconds(w.start) // NS for w in windows] == [0, 10, 20, 30]
    assert [w.partial for w in windows] == [False, False, False, True]
    assert [w.suppressed for w in windows] == ["few_people"] * 3 + ["partial"]


def test_window_aligns_to_the_clock_and_the_first_is_partial() -> None:
    scene = Scene(origin_ns=1_000_000_003 * NS)
    scene.show(10, {1: (100, 0.5)})
    first, second = scene.end()
    assert first.partial
    assert nanoseconds(first.start) == 1_000_000_000 * NS
    assert nanoseconds(second.start) == nanoseconds(first.end) == 1_000_000_010 * NS


def test_windows_carry_the_identity_and_are_numbered_from_the_sink_s_next() -> None:
    scene = Scene()
    scene.show(5, {})
    scene.now_ns += 20 * NS  # three windows close at once
    windows = scene.end()
    assert [window.id for window in windows] == ["door/0123abcd/7", "door/0123abcd/8", "door/0123abcd/9"]
    assert {(w.site, w.device, w.tz, w.tags["zone"], w.model.version) for w in windows} == {
        ("hall", "door", "Europe/Berlin", "entrance", 5)
    }
    assert all(decode(encode(window), Window) == window for window in windows)


@pytest.mark.parametrize(
    ("reasons", "suppressed"),
    [
        (["closed"], "closed"),
        (["closed", "starting"], "closed"),
        (["gone"], "camera"),
        (["frozen"], "camera"),
        (["starting"], "camera"),
        (["closed", "gone"], "camera"),
        ([], "camera"),
    ],
)
def test_interval_without_a_frame_says_closed_only_where_the_camera_said_so(
    reasons: list[str], suppressed: str
) -> None:
    scene = Scene()
    scene.advance()
    for reason in reasons:
        scene.wait(10 // len(reasons), reason)
    scene.now_ns = 10 * NS
    (window,) = scene.end()
    assert (window.suppressed, window.observed_s, window.partial) == (suppressed, 0, False)


def test_camera_alive_for_three_seconds_of_sixty_shows_in_observed_s() -> None:
    scene = Scene(window_s=60)
    scene.show(3.1, {})
    scene.wait(57, "gone")
    (window, *_) = scene.end()
    assert window.observed_s == pytest.approx(3.0)
    assert (window.suppressed, window.partial) == ("partial", False)


def test_time_between_frames_counts_as_observed_to_the_end_of_a_window_but_a_pause_does_not() -> None:
    scene = Scene()
    scene.show(12, {})
    scene.now_ns += 3 * NS
    scene.show(5, {})
    assert [window.observed_s for window in scene.end()] == [10.0, pytest.approx(6.9)]


def test_slow_camera_observes_all_the_time() -> None:
    windower, closed = new_windower(FileClock()), []
    for second in range(21):
        closed += windower.advance(second * NS)
        windower.observe([], [], second * NS)
    assert [window.observed_s for window, _ in closed] == [10.0, 10.0]


def test_visits_are_counted_as_begun_in_one_window_only() -> None:
    scene, five = Scene(), {i: (100.0 * i, 0.5) for i in range(1, 6)}
    scene.show(14, five)
    scene.show(10, five | {i: (100.0 * i, 0.5) for i in range(6, 9)})
    windows = scene.end()
    assert [window.visits_begun for window in windows] == [5, 3, 0]
    assert [window.visits for window in windows] == [5, 8, 5]


def test_only_steps_in_which_a_face_was_seen_count() -> None:
    """Five looks of forty steps are no visit, however long the face was about."""
    scene = Scene()
    for _ in range(5):
        scene.show(0.1, {1: (100, 0.5)})
        scene.show(0.7, {})
    (window,) = scene.end()
    assert (window.visits, window.unscored_visits) == (0, 1)


def test_minus_zero_never_leaves() -> None:
    scene = Scene()
    scene.show(10, {1: (100, -0.001), 2: (300, -0.002), 3: (500, -0.001)})
    (window,) = scene.end()
    assert b'"mean":0.0' in encode(window)
    assert b"-0.0," not in encode(window)


def test_face_that_flickers_for_hours_is_one_visit_and_takes_no_more_memory_or_time() -> None:
    """A poster that the detector loses every other second: a new track each time, one visit."""
    visits = Visits(reentry_s=10)
    for number in range(1, 2001):
        at_ns = 2 * number * NS
        assert visits.observe([track(number)], at_ns)[number].number == 1
        visits.forget(number)
    assert (visits.begun, len(visits._by_track), len(visits._recent)) == (1, 0, 1)


def test_nothing_is_kept_of_people_who_left() -> None:
    scene = Scene()
    for number in range(1, 300):
        scene.show(0.2, {number: (100.0 + 500 * (number % 7), 0.5)})
        scene.windower.forget(number)
    visits = scene.windower._visits
    assert len(visits._recent) <= 51  # of the last ten seconds
    assert len(visits._by_track) == 0


def test_stepped_clock_does_not_make_up_the_years_between() -> None:
    clock = FileClock()
    windower, seen = new_windower(clock), []
    for second in range(40):
        if second == 15:
            clock.origin_ns = 1_700_000_001 * NS
        seen += windower.advance(second * NS)
    starts = [nanoseconds(window.start) // NS for window, _ in seen]
    assert starts[:2] == [0, 10]
    assert len(starts) < 6
    assert starts == sorted(set(starts))


@pytest.mark.parametrize(("told", "after"), [(True, None), (False, "notice")])
def test_a_policy_that_changes_ends_the_open_window_without_scores_and_names_itself_from_then_on(
    told: bool, after: str | None
) -> None:
    faces = {1: (100, 0.9), 2: (300, 0.3), 3: (500, -0.5)}
    scene = Scene()
    scene.show(15, faces)
    scene.windower.adopt(replace(ORIGIN, policy="1" * 32), told=told)
    scene.show(15, faces)
    windows = scene.end()
    assert [window.policy[0] for window in windows] == ["0", "1", "1"]
    assert [window.suppressed for window in windows] == [None, after or "partial", after]
