"""What the bench found, as one JSON document, and the page that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.privacy.attacks import STAYERS, recover, recover_newcomer
from benchmarks.privacy.play import Played
from benchmarks.privacy.scenes import SCENES
from edge.affect.dp import Budget
from edge.affect.release import Rule

ASKED = ("shelf", "walk", "posters", "staff", "entrance", "queue", "friends")
LIMITS = {"shelf": "at most 1 %", "walk": "at most 5 %", "posters": "at most 1 %", "staff": "at most 5 %",
          "entrance": "at least 80 %"}  # fmt: skip
# What an attacker has; scene, target, and whose valence is known besides. No target: two of those who count, at random.
ATTACKS: dict[str, tuple[str, str, int | None, list[int]]] = {
    "insider": ("an accomplice who walks about with the person", "friends", 1, [2]),
    "insider-in-the-crowd": ("an accomplice who counts in the same crowd", "entrance", None, []),
    "two-insiders": ("two accomplices who walk about with the person", "three-friends", 1, [2, 3]),
    "three-insiders": ("three accomplices who do so", "four-friends", 1, [2, 3, 4]),
    "posters": ("three posters whose scores are known", "posters", 1, [-1, -2, -3]),
    "staff": ("two members of staff who know their own scores", "staff", 1, [50, 51]),
    "returner": ("nothing; the person returns every 20 to 60 s among 40 others", "returner", 1, []),
    "few-pairs": ("nothing; the person returns so among eight pairs", "few-pairs", 1, []),
}


def make_record(played: Mapping[str, Sequence[Played]], rule: Rule, *, trials: int) -> dict[str, Any]:
    """Sums up all scenes' windows and plays the attacks on them."""
    found = {name: round(recover(played[scene], target=target, known=known), 4)
             for name, (_, scene, target, known) in ATTACKS.items()}  # fmt: skip
    newcomer = {str(stayers): round(recover_newcomer(stayers, trials), 4) for stayers in STAYERS}
    dp = Budget(epsilon_per_day=Fraction(1))
    return {
        "rule": {"min_people": rule.min_people, "min_proven": rule.min_proven, "max_share": rule.max_share},
        "scenes": {name: _sum_up(windows) for name, windows in played.items()},
        "attacks": {**found, "newcomer": min(newcomer.values())},
        "newcomer": newcomer,
        "dp": {str(n): [round(dp.mean_error(kind, n), 4) for kind in ("hour", "day")] for n in (48, 160, 600, 1920)},
    }


def _sum_up(windows: Sequence[Played]) -> dict[str, float]:
    released = [window for window in windows if window.released]
    return {
        "windows": len(windows),
        "released": round(len(released) / len(windows), 4),
        "people": float(np.median([window.people for window in windows])),
        "proven": float(np.median([window.proven for window in windows])),
        "heaviest": round(float(np.median([window.heaviest for window in windows])), 2),
        "largest_weight": round(max((max(window.weights.values()) for window in released), default=0.0), 4),
    }


def shorten(record: Mapping[str, Any]) -> dict[str, Any]:
    """What `--json` prints: shares of windows released, the largest true weight at the entrance, and mean errors."""
    released = {name: row["released"] for name, row in record["scenes"].items()}
    asked, largest = {name: released.pop(name) for name in ASKED}, record["scenes"]["entrance"]["largest_weight"]
    return {"released": asked, "largest_weight": largest, "attacks": record["attacks"], "others": released}


def render_page(record: Mapping[str, Any]) -> str:
    """The page, in Markdown, from the record alone."""
    scenes, attacks, rule = record["scenes"], record["attacks"], record["rule"]
    rows = "\n".join(
        f"| {SCENES[name].says} | {row['released']:.1%} | {LIMITS.get(name, '')} | {row['people']:g} | "
        f"{row['proven']:g} | {row['heaviest']:.0%} | {row['largest_weight']:.0%} |" for name, row in scenes.items()
    )  # fmt: skip
    joins = ("two windows; the person joins people who stay and never change (the worst crowd below)",)
    lost = "\n".join(f"| {ATTACKS.get(name, joins)[0]} | {error:.3f} |" for name, error in attacks.items())
    joined = " | ".join(f"{error:.3f}" for error in record["newcomer"].values())
    noise = "\n".join(f"| {visits} | {hour:.3f} | {day:.3f} |" for visits, (hour, day) in record["dp"].items())
    return (Path(__file__).parent / "page.md").read_text(encoding="utf-8").format(
        windows=scenes["shelf"]["windows"], rows=rows, lost=lost, stayers=" | ".join(record["newcomer"]), joined=joined,
        line="---: | " * (len(record["newcomer"]) - 1) + "---:", noise=noise, queue=scenes["queue"]["released"],
        friends=scenes["friends"]["released"], four=scenes["four-friends"]["released"],
        returner=scenes["returner"]["largest_weight"], few=scenes["few-pairs"]["largest_weight"],
        entrance=scenes["entrance"]["largest_weight"], hour=record["dp"]["48"][0], day=record["dp"]["1920"][1], **rule,
    )  # fmt: skip
