"""The release rule: who is proven, who counts, how much one person can weigh, and who takes no part."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.affect.presence import Place, VisitRecord
from edge.affect.release import Decision, Rule, judge
from edge.affect.residents import MANY_WINDOWS, Resident
from edge.clock import NS

WIDTH = 1920
MIDDLE = Place(960, 540, 100)


def visit(number: int, began_s: float, ended_s: float, **fields: object) -> VisitRecord:
    plain = VisitRecord(
        number=number, began_ns=round(began_s * NS), ended_ns=round(ended_s * NS), seconds=ended_s - began_s,
        valence=0.1, arousal=0.0, began=MIDDLE, ended=MIDDLE, arrival="edge",
    )  # fmt: skip
    return replace(plain, **fields)  # type: ignore[arg-type]


def together(visits: list[VisitRecord]) -> list[VisitRecord]:
    """The same visits, with `beside` as their times say."""
    beside: dict[int, set[int]] = {one.number: set() for one in visits}
    for one, other in combinations(visits, 2):
        if min(one.ended_ns, other.ended_ns) - max(one.began_ns, other.began_ns) >= NS / 2:
            beside[one.number].add(other.number)
            beside[other.number].add(one.number)
    return [replace(one, beside=frozenset(beside[one.number])) for one in visits]


def decide(visits: list[VisitRecord], rule: Rule | None = None, **fields: object) -> Decision:
    return judge(visits, rule or Rule(), width_px=WIDTH, **fields)  # type: ignore[arg-type]


def test_one_person_at_three_places_in_turn_is_not_released_even_at_the_lowest_floor() -> None:
    places = [Place(200, 200, 90), Place(900, 400, 80), Place(1500, 300, 120)]
    visits = [
        visit(n, 20 * n, 20 * n + 8, began=place, ended=place, arrival=None) for n, place in enumerate(places, start=1)
    ]
    decision = decide(visits, Rule(min_people=3))
    assert not decision.released
    assert decision.people == ()


def test_forty_arrivals_one_after_another_may_be_one_person() -> None:
    decision = decide(together([visit(n, 20 * n, 20 * n + 6) for n in range(1, 41)]))
    assert not decision.released
    assert decision.people == ()
    assert len(decision.alone) == 40


def test_twelve_people_in_view_at_once_are_twelve() -> None:
    decision = decide(together([visit(n, n, 60) for n in range(1, 13)]))
    assert decision.released
    assert decision.proven == 12
    assert decision.heaviest == pytest.approx(1 / 12)


def test_ten_are_enough_and_nine_are_not() -> None:
    assert decide(together([visit(n, n, 60) for n in range(1, 11)])).released
    assert not decide(together([visit(n, n, 60) for n in range(1, 10)])).released


def test_pairs_that_pass_are_not_released_before_four_people_are_proven() -> None:
    pairs = [visit(10 * n + side, 30 * n + side, 30 * n + 9) for n in range(1, 12) for side in (0, 1)]
    decision = decide(together(pairs))
    assert (decision.proven, decision.released) == (2, False)
    late = [visit(200, 33, 42), visit(201, 33, 42)]
    decision = decide(together(pairs + late))
    assert (decision.proven, decision.released) == (4, True)


def test_one_who_returns_beside_a_screen_of_faces_weighs_too_much() -> None:
    screen = [visit(n, 0, 900, arrival=None, began=Place(200 * n, 200, 80)) for n in (1, 2, 3)]
    returns = [visit(10 + n, 40 * n, 40 * n + 8) for n in range(1, 20)]
    decision = decide(together(screen + returns))
    assert decision.proven == 4
    assert decision.heaviest > 0.8
    assert not decision.released


def test_posters_prove_nothing() -> None:
    posters = [visit(n, 0, 900, arrival=None, drift=0.004, moved=0.06) for n in range(1, 12)]
    decision = decide(together([*posters, visit(50, 100, 110)]))
    assert decision.people == ()
    assert decision.proven <= 1


def test_poster_at_the_frame_that_is_seen_for_a_short_time_proves_nothing_either() -> None:
    posters = [visit(n, 0, 50, arrival=None, moved=0.08) for n in range(1, 12)]
    assert decide(together([*posters, visit(50, 10, 20)])).people == ()


def test_people_who_sit_through_a_film_are_no_posters() -> None:
    seated = [visit(n, 0, 900, arrival=None, drift=0.05) for n in range(1, 13)]
    assert decide(together(seated)).released


def test_whoever_appears_in_mid_picture_is_somebody_who_was_there() -> None:
    left, right = Place(300, 400, 100), Place(1500, 400, 100)
    visits = together(
        [
            visit(1, 0, 60, began=left, ended=left),
            visit(2, 0, 60, began=right, ended=right),
            visit(3, 70, 90, began=right, ended=right, arrival=None),
            visit(4, 75, 95, began=left, ended=left, arrival=None),
        ]
    )
    decision = decide(visits)
    assert sorted(person.visits for person in decision.people) == [(1, 4), (2, 3)]


def test_a_possible_person_speaks_by_all_seconds_of_its_visits() -> None:
    visits = together(
        [
            visit(1, 0, 30, valence=0.6),
            visit(2, 0, 60, valence=0.0),
            visit(3, 40, 50, valence=-0.2, arrival=None, began=Place(960, 540, 90)),
        ]
    )
    assert decide(visits).people[0].valence == pytest.approx((30 * 0.6 - 10 * 0.2) / 40)


def test_nobody_walks_from_the_camera_to_the_far_end_in_a_second() -> None:
    near, afar = Place(960, 600, 250), Place(960, 500, 24)
    passed = visit(1, 0, 10, began=afar, ended=near, arrival="afar")
    soon = visit(2, 11, 20, began=afar, ended=near, arrival="afar")
    later = visit(3, 35, 45, began=afar, ended=near, arrival="afar")
    assert decide([passed, soon]).proven == 2
    assert decide([passed, later]).proven == 0


def test_a_face_that_was_lost_for_a_moment_is_no_second_person() -> None:
    one = visit(1, 0, 10, ended=Place(960, 540, 100))
    again = visit(2, 10.2, 20, began=Place(1100, 540, 92))
    assert decide([one, again]).proven == 0


def test_too_brief_visits_neither_count_nor_prove() -> None:
    brief = [visit(n, 0, 60, seconds=1.5) for n in range(1, 15)]
    decision = decide(together([*brief, visit(50, 0, 60)]))
    assert decision.people == ()


def test_whoever_stays_for_many_windows_takes_no_part() -> None:
    staff_place = Place(500, 400, 90)
    residents: tuple[Resident, ...] = ()
    counted = []
    for window in range(MANY_WINDOWS + 2):
        start = 900 * window
        staff = visit(1000 + window, start, start + 880, began=staff_place, ended=staff_place, arrival=None)
        guests = [visit(10 * window + n, start + 300 + n, start + 360) for n in range(1, 6)]
        decision = decide(together([staff, *guests]), began_ns=start * NS, residents=residents)
        residents = decision.residents
        counted.append(len(decision.people))
    assert counted == [6] * MANY_WINDOWS + [5] * 2


def test_one_visit_that_goes_on_for_hours_is_known_by_its_number_wherever_it_moves() -> None:
    residents: tuple[Resident, ...] = ()
    for window in range(MANY_WINDOWS + 2):
        start = 900 * window
        moving = visit(7, 0, start + 890, ended=Place(100 + 400 * window, 400, 90), arrival="edge")
        guests = [visit(100 + 10 * window + n, start + 300, start + 360) for n in range(1, 4)]
        decision = decide(together([moving, *guests]), began_ns=start * NS, residents=residents)
        residents = decision.residents
    assert all(7 not in person.visits for person in decision.people)


def test_a_place_is_forgotten_when_nobody_was_there_for_a_day() -> None:
    residents: tuple[Resident, ...] = (Resident(MIDDLE, 1, MANY_WINDOWS),)
    for _ in range(40):
        residents = decide([], residents=residents).residents
    assert residents == ()


def test_the_order_of_the_visits_changes_nothing() -> None:
    visits = together([visit(n, 3 * n, 3 * n + 10) for n in range(1, 15)])
    assert decide(visits) == decide(visits[::-1])


@st.composite
def worlds(draw: st.DrawFn) -> list[tuple[int, VisitRecord]]:
    """Visits with who made them: nobody is in view twice at once, all at one place."""
    found = []
    number = 0
    for person in range(draw(st.integers(1, 8))):
        now = draw(st.floats(0, 60))
        for _ in range(draw(st.integers(1, 12))):
            length = draw(st.floats(2.0, 40))
            arrival = draw(st.sampled_from(["edge", "afar", None]))
            number += 1
            found.append((person, visit(number, now, now + length, arrival=arrival, valence=0.1 * person)))
            now += length + draw(st.floats(0.5, 60))
    marked = {one.number: one for one in together([one for _, one in found])}
    return [(person, marked[one.number]) for person, one in found]


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_never_more_people_proven_than_there_were_and_nobody_weighs_more_than_said(
    world: list[tuple[int, VisitRecord]],
) -> None:
    who = {one.number: person for person, one in world}
    decision = decide([one for _, one in world], Rule(min_people=3))
    assert decision.proven <= len({person for person, _ in world})
    seconds = {one.number: one.seconds for _, one in world}
    weights: dict[int, float] = {}
    for possible in decision.people:
        for number in possible.visits:
            share = seconds[number] / possible.seconds / len(decision.people)
            weights[who[number]] = weights.get(who[number], 0.0) + share
    assert max(weights.values(), default=0.0) <= decision.heaviest + 1e-9
    if decision.released:
        assert len(weights) >= 3
