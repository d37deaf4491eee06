"""The evidence as Markdown: `docs/model.md`, and the shorter part that the model card takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convert.metrics import Agreement
from convert.predict.compare import HEADER, to_markdown_rows
from convert.predict.gather import Evidence, SetAgreement
from convert.predict.robustness import Robustness
from convert.predict.robustness_page import to_card
from convert.predict.temporal import Gain

_PAGE = """\
# What the model was measured on

Written by `python -m convert evidence`; every figure comes from that run, none is typed. Recipe `{name}`: int8
backbone and float32 head through the device's own detector, crop, graphs and stream, unless it says otherwise.
Intervals are 95% bootstrap intervals; the frames of one face or video are drawn together.

**What the figures do not say.** An expression is not a feeling. The raters are two people looking at generated faces,
the teacher is a set of trees on a landmark network; agreeing with them is not being right about a person. No figure
here was measured on the people in front of your camera, none is about staff, pupils or applicants, and none allows a
decision about one person.

## Agreement, frame by frame

{sets}

A teacher's labels are not ratings: agreement with them says how well the small network stands in for the large one,
on faces for which nobody's rating is at hand. The clips show real people and take part in nothing but this table.

## Against the teacher

On the {rated} held-out faces that raters judged, network and teacher compared face by face. We say "past the teacher"
only where the interval of the difference excludes zero.

{teacher}

## What int8 costs

{int8}

## Sizes

{sizes}

The streamed answer to the {rated} held-out faces that raters judged, each held for twice the warm-up; the same faces
for every bundle. KB and MMAC are of backbone and head.

## Robustness

{robustness}

![CCC by light, blur, size, angle and occlusion]({pictures}/robustness.png)

## What the LSTM adds

Held-out people of the studio under accidents that follow on one another: dropped steps, motion blur, covers, darkness,
and a reflection that is in no training. The trial's generator, seed and parameters were fixed before the head was
trained (`convert/predict/trial.py`); the exponential average has the weight that is best for it on other acts. Of
a clip each face counts that is seen for 2 s, in sequences of 2 to 6 s. Intervals draw whole acts, and of clips faces.

{gains}

{drift}

## By group

{fairness}

## The studio

Of {tried} frames that the studio made of held-out portraits, the device's detector found {found} ({share:.1%}).

![Faces from the studio, with the valence and arousal they are labelled with]({pictures}/studio.jpg)
"""


def write_page(
    evidence: Evidence,
    *,
    name: str,
    pictures: str,
    quantization: Mapping[str, Mapping[str, float]],
    sizes: str,
    robustness: str,
    fairness: str,
) -> str:
    """The page.

    Args:
        evidence: what was gathered.
        name: of the recipe.
        pictures: folder of the pictures, relative to the page.
        quantization: CCC by graph (`float32`, `int8`, …) and target.
        sizes, robustness, fairness: their own Markdown.
    """
    found, tried = evidence.found
    return _PAGE.format(
        name=name,
        pictures=pictures,
        sets=table_of_sets(evidence.sets),
        rated=evidence.teacher["valence"].n,
        teacher=HEADER + "\n" + to_markdown_rows("held-out faces, network against teacher", evidence.over_teacher),
        int8=_quantization(quantization),
        sizes=sizes,
        robustness=robustness,
        gains=table_of_gains(evidence.gains),
        drift=_drift(evidence),
        fairness=fairness,
        found=found,
        tried=tried,
        share=found / max(tried, 1),
    )


def write_card_part(evidence: Evidence, robustness: Robustness, fairness: str) -> str:
    """The model card's part: all sets, the teacher, the head, what disturbances leave, and the groups."""
    return "\n".join(
        [
            "Written by a command, as every figure here; the whole of it, with pictures, is in the checkout's "
            "`docs/model.md`.",
            "",
            table_of_sets(evidence.sets),
            "",
            "Network against teacher on the same rated, held-out faces:",
            "",
            HEADER,
            to_markdown_rows("DiffusionFER-S, held-out part", evidence.over_teacher),
            "",
            "What the stream adds to the frame answers and to their best exponential average, on disturbed sequences:",
            "",
            table_of_gains(evidence.gains),
            "",
            _drift(evidence),
            "",
            "What disturbances leave of the CCC of clean pictures, and of the faces found:",
            "",
            to_card(robustness),
            "",
            fairness,
        ]
    )


def table_of_sets(sets: Sequence[SetAgreement]) -> str:
    """Agreement by set and target."""
    lines = [
        "| data | n | reference | target | CCC (95% interval) | CC | RMSE | SAGR |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for part in sets:
        lines += [
            f"| {part.data} | {a.n} | {part.reference} | {target} | {_interval(a)} | {a.cc:.3f} | {a.rmse:.3f} "
            f"| {a.sagr:.3f} |"
            for target, a in part.by_target.items()
        ]
    return "\n".join(lines)


def table_of_gains(gains: Sequence[Gain]) -> str:
    """CCC of frame, average and stream, and the stream's lead over either with its interval."""
    lines = [
        "| sequences | n | target | per frame | exponential average | stream | stream − frame | stream − average |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for gain in gains:
        count = str(gain.n) if gain.groups == gain.n else f"{gain.n} of {gain.groups} faces"
        for target in ("valence", "arousal"):
            frame, average, stream = (gain.agreement[key][target].ccc for key in ("frame", "average", "stream"))
            leads = [
                f"{lead.difference:+.3f} [{lead.low:+.3f}, {lead.high:+.3f}]"
                for lead in (gain.over_frame[target], gain.over_average[target])
            ]
            lines.append(
                f"| {gain.data} | {count} | {target} | {frame:.3f} | {average:.3f} | {stream:.3f} | "
                + " | ".join(leads)
                + " |"
            )
    return "\n".join(lines)


def _interval(agreed: Agreement) -> str:
    return f"{agreed.ccc:.3f} ({agreed.ccc_low:.3f} to {agreed.ccc_high:.3f})"


def _quantization(by_graph: Mapping[str, Mapping[str, float]]) -> str:
    lines = ["| graph | CCC valence | CCC arousal |", "|---|---|---|"]
    lines += [f"| {graph} | {ccc['valence']:.4f} | {ccc['arousal']:.4f} |" for graph, ccc in by_graph.items()]
    return "\n".join([*lines, "", "Held-out DiffusionFER-S faces, frame answer, the same crops for each graph."])


def _drift(evidence: Evidence) -> str:
    drift = evidence.drift
    if drift is None:
        return ""
    return (
        f"Drift: over {drift.steps} steps without a reset the answers to a repeated passage differ between its "
        f"first and its last time by at most {drift.largest:.1e}; the largest cell state was {drift.cell:.2f}."
    )
