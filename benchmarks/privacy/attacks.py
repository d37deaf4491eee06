"""Attacks on what was released: somebody who knows the rule, the crowd and more, and wants one person's valence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.privacy.play import CROWD_MEAN, CROWD_SD, Played
from edge.affect.release import Person, Rule
from edge.affect.summary import grid, share_grid, share_quadrants, summarize

STAYERS = (10, 12, 15, 20, 24, 25, 30, 49, 50, 100)
BLIND = CROWD_SD * math.sqrt(2 / math.pi)  # mean error of who guesses the crowd's mean
_GUESSES = 20_000


def recover(windows: Iterable[Played], *, target: int | None, known: Sequence[int] = (), seed: int = 0) -> float:
    """Mean error of recovering the target's valence, by who knows everybody's weight and exactly the valence of some.

    Windows that are not released leave a guess. With no target it is one of those who count, and one other is known.
    """
    rng, errors = np.random.default_rng(seed), []
    for played in windows:
        victim, friends = target, list(known)
        if victim is None:
            there = [person for person in (played.weights or played.valence) if person > 0]
            victim, *friends = rng.permutation(there)[:2].tolist()
        if victim not in played.valence:
            continue
        errors.append(abs(_estimate(played, victim, friends) - played.valence[victim]))
    return float(np.mean(errors or [BLIND]))


def _estimate(played: Played, victim: int, known: Sequence[int]) -> float:
    """The best linear guess."""
    own = played.weights.get(victim, 0.0)
    if played.mean is None or own <= 0:
        return CROWD_MEAN
    friends = {person: weight for person, weight in played.weights.items() if person in known}
    others = [weight for person, weight in played.weights.items() if person != victim and person not in friends]
    rest = played.mean - sum(weight * played.valence[person] for person, weight in friends.items())
    guess = (rest - sum(others) * CROWD_MEAN) / own
    noise = (CROWD_SD**2 * sum(weight**2 for weight in others) + grid(played.people) ** 2 / 12) / own**2
    return CROWD_MEAN + CROWD_SD**2 / (CROWD_SD**2 + noise) * (guess - CROWD_MEAN)


def recover_newcomer(stayers: int, trials: int, *, seed: int = 0) -> float:
    """Mean error of recovering the valence of one who joins people who stay, from the windows before and after.

    The stayers do not change at all, and the attacker knows that, their number, the rounding and the crowd, and takes
    the median of all valences that fit means, deviations and quadrants. Arousal is positive: quadrants tell the sign.
    """
    if stayers < Rule().min_people:  # all are in view at once, so the rule releases from here on
        return BLIND
    rng, errors = np.random.default_rng([seed, stayers]), []
    for _ in range(trials):
        values = np.clip(rng.normal(CROWD_MEAN, CROWD_SD, stayers + 1), -0.95, 0.95).tolist()
        before, after = _numbers(values[:-1]), _numbers(values)
        guess = np.clip(rng.normal(CROWD_MEAN, CROWD_SD, _GUESSES), -0.95, 0.95)
        step = grid(stayers)
        mean = before[0] + rng.uniform(-step / 2, step / 2, len(guess))
        sd = np.maximum(before[1] + rng.uniform(-step, step, len(guess)), 0)
        mean_after = (stayers * mean + guess) / (stayers + 1)
        square_after = (stayers * (sd**2 + mean**2) + guess**2) / (stayers + 1)
        sd_after = np.sqrt(np.maximum(square_after - mean_after**2, 0))
        step = grid(stayers + 1) + 1e-9
        fits = (np.abs(mean_after - after[0]) <= step / 2) & (np.abs(sd_after - after[1]) <= step)
        if before[2] is not None and after[2] is not None:
            counts = np.arange(stayers + 1)
            counts = counts[np.abs(counts / stayers - before[2]) <= share_grid(stayers) / 2 + 1e-9]
            positive = (rng.choice(counts, len(guess)) + (guess >= 0)) / (stayers + 1)
            fits &= np.abs(positive - after[2]) <= share_grid(stayers + 1) / 2 + 1e-9
        errors.append(abs((float(np.median(guess[fits])) if fits.any() else CROWD_MEAN) - values[-1]))
    return float(np.mean(errors))


def _numbers(values: Sequence[float]) -> tuple[float, float, float | None]:
    """What the device says of people who stay: mean, deviation, share of positive."""
    said = summarize(values)
    shares = share_quadrants([Person(visits=(), seconds=1, valence=value, arousal=0.1) for value in values])
    return said.mean, said.std or 0.0, None if shares is None else shares.pos_high
