"""What a closed window says: scores of enough people, or counts in buckets and the reason for no scores.

Every function gives the fields of `contract.Window` that are about people, by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge.affect.dp import Budget, Private
from edge.affect.presence import VisitRecord
from edge.affect.release import Decision, Rule
from edge.affect.summary import share_quadrants, summarize
from edge.contract import Quadrants, Spread, Suppressed, rounded
from edge.contract.fields import bucket

_NOTHING: dict[str, Any] = dict.fromkeys(
    (
        *("visits", "visits_begun", "peak_simultaneous", "scored_s", "unscored_visits", "people"),
        *("valence", "arousal", "quadrants", "suppressed", "epsilon"),
    )
)


def floor_content(
    records: Sequence[VisitRecord], decision: Decision, rule: Rule, *, begun: int, peak: int, reason: Suppressed | None
) -> dict[str, Any]:
    """What leaves in mode `floor`.

    Args:
        records: all visits of the window.
        decision: on these.
        rule: that decided.
        begun: visits that began in it.
        peak: most faces in one frame.
        reason: why there are no scores, whatever was decided; None where that is not so.
    """
    scored = sum(record.seconds >= rule.min_observed_s - 1e-6 for record in records)
    counts = {
        "visits": scored,
        "visits_begun": begun,
        "peak_simultaneous": peak,
        "unscored_visits": len(records) - scored,
    }
    if reason or not decision.released:
        buckets = {name: bucket(count) for name, count in counts.items()}
        return _NOTHING | buckets | {"suppressed": reason or "few_people"}
    valence, arousal = ([getattr(person, name) for person in decision.people] for name in ("valence", "arousal"))
    shares = share_quadrants(decision.people)
    return _NOTHING | counts | {
        "people": len(decision.people),
        "scored_s": rounded(sum(record.seconds for record in records), 1),
        "valence": Spread(**summarize(valence)._asdict()),
        "arousal": Spread(**summarize(arousal)._asdict()),
        "quadrants": None if shares is None else Quadrants(**shares._asdict()),
    }  # fmt: skip


def private_content(private: Private | None, budget: Budget, *, reason: Suppressed | None) -> dict[str, Any]:
    """What leaves in mode `dp`: noisy numbers of an hour or a day, or the reason for none."""
    if private is None or private.valence is None or private.arousal is None:
        return _NOTHING | {"suppressed": reason or "few_people"}
    return _NOTHING | {
        "people": private.people,
        "valence": Spread(mean=private.valence, std=None),
        "arousal": Spread(mean=private.arousal, std=None),
        "epsilon": float(budget.epsilon_per_day),
    }
