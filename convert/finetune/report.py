"""What a fine-tuning or an adaptation says of itself: plain values for JSON, and a page to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from convert.finetune.parts import Parts
from convert.finetune.recipe import FinetuneRecipe
from convert.finetune.tuning import Tuned
from convert.finetune.verdict import Verdict

MEANING = (
    "Scores say how raters would describe an expression, not what anybody feels. Judged by the streamed answers of the "
    "int8 graphs; intervals are 95% paired bootstrap intervals of the difference in CCC, whole persons drawn."
)


def describe_run(
    parts: Parts, tuned: Tuned, head: str, reached: Mapping[str, float], *, rehearsed: bool, recipe: FinetuneRecipe
) -> dict[str, Any]:
    """The facts of a fine-tuning besides its verdict."""
    return {
        "faces": {
            "learned from": len(parts.learn),
            "stopped by": len(parts.stop),
            "judged by": len(parts.judge),
            "persons": parts.persons,
            "judges as the data declares": parts.declared,
        },
        "rehearsed": rehearsed,
        "epochs": len(tuned.history),
        "best_epoch": tuned.best,
        "start_loss": tuned.start_loss,
        "head": {"chosen": head, "mean CCC on the stopping part": dict(reached)},
        "recipe": msgspec.to_builtins(recipe),
    }


def render_finetune(verdict: Verdict, about: Mapping[str, Any]) -> str:
    """The page of a fine-tuning."""
    faces, recipe = about["faces"], about["recipe"]
    persons = f"{faces['persons']} persons"
    if faces["persons"] == faces["learned from"] + faces["stopped by"] + faces["judged by"]:
        persons += " if every picture shows another one (column `group` says otherwise)"
    heads = ", ".join(f"{way} {value:.3f}" for way, value in about["head"]["mean CCC on the stopping part"].items())
    lines = [
        f"Learned from {faces['learned from']} faces, stopped by {faces['stopped by']}, judged by "
        f"{faces['judged by']}; {persons}. Nobody is in two parts.",
        f"Unfrozen: {recipe['unfreeze']}. Epoch {about['best_epoch']} of {about['epochs']} was best (0 is the start). "
        f"Head: {about['head']['chosen']} (mean CCC on the stopping part: {heads}).",
        "Old faces were rehearsed."
        if about["rehearsed"]
        else "The old data was not at hand: nothing was rehearsed, and nothing is known of what was lost there.",
    ]
    return render_page("Fine-tuning", verdict, lines)


def render_page(title: str, verdict: Verdict, lines: Sequence[str]) -> str:
    """A page: the verdict first, then the figures, then how they came about."""
    word = "accepted" if verdict.accepted else "refused"
    reasons = "\n".join(f"- {reason}" for reason in verdict.reasons)
    table = verdict.table() if verdict.comparisons else ""
    parts = [f"### {title}: {word}", reasons, table, *lines, f"Tolerance {verdict.tolerance:g}. {MEANING}"]
    return "\n\n".join(part for part in parts if part) + "\n"
