"""Differential privacy: the noise is exact, its cost is what is stated, and the ledger never overspends."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from scipy import stats

from edge.affect.dp import (
    CLIP,
    Budget,
    Private,
    Tally,
    expected_size,
    limit_stays,
    release_tally,
    sample_noise,
    spend,
)
from edge.affect.presence import Place
from edge.affect.release import Person

HOUR_S = 3600.0
ONE = Budget(epsilon_per_day=Fraction(1), contributions=1)
TWO = Budget(epsilon_per_day=Fraction(1))


def person(valence: float, arousal: float = 0.0, stays: Place | None = None) -> Person:
    return Person(visits=(1,), seconds=5, valence=valence, arousal=arousal, stays=stays)


def probabilities(scale: float, reach: int) -> np.ndarray:
    """Of -reach ... reach, the tails added to the ends."""
    q = np.exp(-1 / scale)
    inner = (1 - q) / (1 + q) * q ** np.abs(np.arange(-reach, reach + 1))
    inner[[0, -1]] = q**reach / (1 + q)
    return inner


@pytest.mark.parametrize("scale", [Fraction(3, 2), Fraction(1, 3), Fraction(7), Fraction(937, 4)])
def test_noise_has_the_discrete_laplace_distribution(scale: Fraction) -> None:
    draws = random.Random(5)
    size, reach = 20_000, max(2, int(4 * scale))
    values = np.clip([sample_noise(scale, draws.randrange) for _ in range(size)], -reach, reach)
    expected = probabilities(float(scale), reach)
    assert expected.sum() == pytest.approx(1)
    bins = np.minimum(np.cumsum(expected) * 20, 19.999).astype(int)
    counts = np.bincount(bins[values + reach], minlength=20)
    wanted = np.bincount(bins, expected, minlength=20) * size
    full = wanted > 5
    assert stats.chisquare(counts[full], wanted[full] * counts[full].sum() / wanted[full].sum()).pvalue > 1e-3
    assert np.abs(values).mean() == pytest.approx(expected_size(scale), rel=0.05)


def test_noise_comes_from_the_systems_cryptographic_source() -> None:
    assert len({sample_noise(Fraction(1000)) for _ in range(50)}) > 40
    assert sample_noise.__defaults__ is not None
    assert sample_noise.__defaults__[0].__module__ == release_tally.__defaults__[0].__module__ == "secrets"


def test_noise_is_distributed_as_opendps() -> None:
    opendp = pytest.importorskip("opendp.prelude")
    opendp.enable_features("contrib")
    theirs = opendp.m.make_laplace(opendp.atom_domain(T=int), opendp.absolute_distance(T=int), scale=6.0)
    draws = random.Random(6)
    ours = Counter(min(20, max(-20, sample_noise(Fraction(6), draws.randrange))) for _ in range(10_000))
    others = Counter(min(20, max(-20, theirs(0))) for _ in range(10_000))
    table = np.array([[counter[value] for value in range(-20, 21)] for counter in (ours, others)])
    assert stats.chi2_contingency(table[:, table.sum(axis=0) > 10]).pvalue > 1e-4


@pytest.mark.parametrize("budget", [ONE, TWO, Budget(epsilon_per_day=Fraction(5, 2), contributions=4)])
def test_hours_and_the_day_cost_the_budget_together_and_no_more(budget: Budget) -> None:
    spent = sum(
        (budget.contributions * (1 if what == "people" else CLIP) / budget.scale(kind, what)
         for kind in ("hour", "day") for what in Tally._fields), start=Fraction(0),
    )  # fmt: skip
    assert spent == budget.epsilon_per_day


def test_googles_accountant_finds_the_stated_epsilon() -> None:
    accounting = pytest.importorskip("dp_accounting.privacy_loss_distribution")
    composed = None
    kinds: tuple[Literal["hour", "day"], ...] = ("hour", "day")
    for kind in kinds:
        for what in Tally._fields:
            most = TWO.contributions * (1 if what == "people" else CLIP)
            one = accounting.PrivacyLossDistribution.from_discrete_laplace_mechanism(
                float(1 / TWO.scale(kind, what)), sensitivity=most, value_discretization_interval=1e-4
            )
            composed = one if composed is None else composed.compose(one)
    assert composed is not None
    assert composed.get_epsilon_for_delta(1e-9) == pytest.approx(1, abs=2e-3)
    assert composed.get_delta_for_epsilon(0.9) > 1e-9  # it is not less either


def test_an_auditor_finds_no_more_than_the_stated_epsilon() -> None:
    """The best threshold on what leaves of an hour with and without somebody who contributes as much as is allowed."""
    draws = random.Random(7)
    budget = Budget(epsilon_per_day=Fraction(10), contributions=2)
    without = Tally(people=40, valence=0, arousal=0)
    with_one = without.add([person(0.9)] * 2)
    size = 20_000

    def loss(private: Private) -> float:
        return -99.0 if private.valence is None else private.valence * private.people

    seen = [np.array([loss(release_tally(tally, budget, "hour", draws.randrange)) for _ in range(size)])
            for tally in (without, with_one)]  # fmt: skip
    found = 0.0
    for threshold in np.quantile(np.concatenate(seen), np.linspace(0.02, 0.98, 49)):
        for hits in ([(values > threshold).sum() for values in seen], [(values <= threshold).sum() for values in seen]):
            for a, b in (hits, hits[::-1]):
                low = stats.beta.ppf(0.001, a, size - a + 1) if a else 0.0
                high = stats.beta.ppf(0.999, b + 1, size - b)
                found = max(found, float(np.log(max(low, 1e-9) / high)))
    assert 0.5 < found <= float(budget.epsilon("hour"))


@pytest.mark.parametrize("visits", [45, 180, 600])
def test_mean_error_is_the_theorys_in_the_reviews_set_up(visits: int) -> None:
    """Epsilon 1 over valence and arousal, one visit replaced by another, the number of visits public."""
    draws = random.Random(visits)
    scale = Fraction(2 * CLIP) / Fraction(1, 2)
    errors = [abs(sample_noise(scale, draws.randrange)) / 100 / visits for _ in range(4000)]
    assert np.mean(errors) == pytest.approx(1.5 / 0.5 / visits, rel=0.1)


@pytest.mark.parametrize("visits", [45, 180, 600])
@pytest.mark.parametrize("kind", ["hour", "day"])
def test_mean_error_of_a_release_is_the_theorys(visits: int, kind: Literal["hour", "day"]) -> None:
    draws = random.Random(visits)
    budget = Budget(epsilon_per_day=Fraction(1 if kind == "hour" else 4), contributions=1)
    tally = Tally().add([person(0.05)] * visits)
    found = [release_tally(tally, budget, kind, draws.randrange) for _ in range(4000)]
    errors = [abs(private.valence - 0.05) for private in found if private.valence is not None]
    assert len(errors) > 3900
    theory = budget.mean_error(kind, visits)
    rounding = 0.0025 if theory < 0.01 else 0.0  # to the contract's grid of 0.01
    assert np.mean(errors) == pytest.approx(theory, abs=0.1 * theory + rounding)


def test_a_contribution_is_clipped_and_lies_on_the_grid() -> None:
    assert Tally().add([person(0.994, -1.0), person(0.123, 0.0)]) == Tally(people=2, valence=75 + 12, arousal=-75)


def test_few_contributions_give_no_mean_and_no_negative_count() -> None:
    found = [release_tally(Tally(), TWO, "hour", random.Random(n).randrange) for n in range(50)]
    assert all(private.people >= 0 for private in found)
    assert all(private.valence is None for private in found if private.people < 10)


def test_means_leave_within_the_clip_on_the_grid() -> None:
    draws = random.Random(3)
    for _ in range(200):
        private = release_tally(Tally(people=20), TWO, "day", draws.randrange)
        if private.valence is not None:
            assert abs(private.valence) <= 0.75
            assert round(private.valence, 2) == private.valence


def test_somebody_who_stays_contributes_no_more_than_is_allowed() -> None:
    counts: dict[tuple[int, int], int] = {}
    clerk, guest = person(0.1, stays=Place(500, 400, 90)), person(0.2)
    taken = [limit_stays([clerk, guest], counts, TWO, cell_px=240) for _ in range(6)]
    assert [len(people) for people in taken] == [2, 2, 1, 1, 1, 1]
    assert taken[-1] == [guest]


def open_ledger(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=30)


@pytest.fixture
def ledger(tmp_path: Path) -> sqlite3.Connection:
    connection = open_ledger(tmp_path / "ledger.db")
    spend(connection, TWO, day=0, slot="day", boot="a", now_s=0)
    yield connection
    connection.close()


def ask(connection: sqlite3.Connection, day: int, slot: str, now_s: float | None = None, boot: str = "a") -> bool:
    return spend(connection, TWO, day=day, slot=slot, boot=boot, now_s=day * 24 * HOUR_S if now_s is None else now_s)


def test_each_hour_and_the_day_are_released_once(ledger: sqlite3.Connection) -> None:
    slots = [*(f"hour-{hour:02}" for hour in range(24)), "day"]
    assert all(ask(ledger, 1, slot) for slot in slots)
    assert not any(ask(ledger, 1, slot) for slot in slots)
    assert ask(ledger, 2, "hour-00")


def test_a_new_ledger_spends_nothing_on_its_first_day(tmp_path: Path) -> None:
    connection = open_ledger(tmp_path / "new.db")
    assert not ask(connection, 7, "hour-10")
    assert not ask(connection, 7, "day")
    assert ask(connection, 8, "hour-00")
    connection.close()


def test_a_clock_set_back_gets_nothing_again(ledger: sqlite3.Connection) -> None:
    assert ask(ledger, 5, "day")
    assert not ask(ledger, 4, "day", 5.1 * 24 * HOUR_S)
    assert not ask(ledger, 5, "day", 5.2 * 24 * HOUR_S)


def test_a_clock_that_runs_ahead_gets_one_day_in_twenty_hours(ledger: sqlite3.Connection) -> None:
    assert ask(ledger, 1, "day", 24 * HOUR_S)
    assert not any(ask(ledger, 1 + step, "day", 24 * HOUR_S + 60 * step) for step in range(1, 100))
    assert ask(ledger, 200, "day", 45 * HOUR_S)


def test_a_larger_budget_in_the_middle_of_the_day_is_held_to_what_was_spent(ledger: sqlite3.Connection) -> None:
    assert ask(ledger, 1, "hour-09")
    small = Budget(epsilon_per_day=Fraction(1, 2))
    assert not spend(ledger, small, day=1, slot="day", boot="a", now_s=24 * HOUR_S)
    assert not spend(
        ledger, Budget(epsilon_per_day=Fraction(1, 100)), day=1, slot="hour-10", boot="a", now_s=24 * HOUR_S
    )
    assert ask(ledger, 1, "hour-10")


def spent(path: Path) -> dict[int, Fraction]:
    """By day, what the ledger says."""
    connection = open_ledger(path)
    rows = connection.execute("SELECT day, slot, epsilon FROM dp_spent").fetchall()
    connection.close()
    hours: dict[int, Fraction] = {}
    days: dict[int, Fraction] = {}
    for day, slot, epsilon in rows:
        side = days if slot == "day" else hours
        side[day] = max(side.get(day, Fraction(0)), Fraction(epsilon))
    return {day: hours.get(day, Fraction(0)) + days.get(day, Fraction(0)) for day in hours | days}


def test_a_thousand_aborts_and_clock_steps_never_overspend(tmp_path: Path) -> None:
    rng, path = random.Random(8), tmp_path / "ledger.db"
    connection, boot, now_s, offset_s = open_ledger(path), "0", 0.0, 0.0
    released: Counter[tuple[int, str]] = Counter()
    for trial in range(1000):
        now_s += rng.uniform(0, 2 * HOUR_S)
        if rng.random() < 0.3:
            offset_s += rng.choice([-1, 1]) * rng.uniform(0, 36 * HOUR_S)
        if rng.random() < 0.1:
            boot = str(trial)
        day = int((now_s + offset_s) // (24 * HOUR_S)) + 1000
        slot = rng.choice(["day", *(f"hour-{hour:02}" for hour in range(24))])
        steps = rng.choice([0, 0, 0, 0, 1, 2, 5, 10, 20, 30, 50, 70, 100])
        if steps:
            left = iter([0] * steps)
            connection.set_progress_handler(lambda left=left: next(left, 1), 1)  # aborts after so many instructions
        try:
            if spend(connection, TWO, day=day, slot=slot, boot=boot, now_s=now_s):
                released[day, slot] += 1
        except sqlite3.Error:
            pass
        if rng.random() < 0.3:
            connection.close()  # as a process that ends, in whatever it was
            connection = open_ledger(path)
        connection.set_progress_handler(None, 0)
        if trial:
            assert all(total <= TWO.epsilon_per_day for total in spent(path).values())
    connection.close()
    assert sum(released.values()) > 30
    assert max(released.values()) == 1
    order = [day for day, _ in released]
    assert order == sorted(order)


CHILD = """
import random, sqlite3, sys, time
from fractions import Fraction
from edge.affect.dp import Budget, spend
path, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)
connection = sqlite3.connect(path, isolation_level=None, timeout=30)
budget = Budget(epsilon_per_day=Fraction(1))
print("up", flush=True)
while True:
    day, slot = 10 + seed + rng.randrange(3) - 1, f"hour-{rng.randrange(24):02}"
    if spend(connection, budget, day=day, slot=slot, boot=str(seed), now_s=time.monotonic()):
        print(day, slot, flush=True)
"""


@pytest.mark.slow
def test_killed_processes_never_release_what_the_ledger_does_not_have(tmp_path: Path) -> None:
    path, rng = tmp_path / "ledger.db", random.Random(9)
    setup = open_ledger(path)
    spend(setup, TWO, day=0, slot="day", boot=None, now_s=0)
    setup.close()
    told: Counter[str] = Counter()
    for seed in range(12):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(seed)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(rng.uniform(0, 0.08))
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().splitlines()
        child.stdout.close()
        child.wait()
        told.update(line for line in lines if line.count(" ") == 1 and len(line.split()[1]) == len("hour-00"))
        connection = open_ledger(path)
        kept = {f"{day} {slot}" for day, slot in connection.execute("SELECT day, slot FROM dp_spent")}
        (last,) = connection.execute("SELECT day FROM dp_day").fetchone()
        connection.close()
        assert {line for line in told if int(line.split()[0]) == last} <= kept
        assert all(total <= TWO.epsilon_per_day for total in spent(path).values())
    assert told
    assert max(told.values()) == 1
