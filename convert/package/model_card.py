"""The model card, generated from the manifest: what it is, from what, how good, and what it must not be used for."""

from __future__ import annotations

from convert.package.sources import is_ours
from edge.model.bundle import Manifest, Metric

_CARD = """\
# {name}, version {version}

{network}. Made {created}; weights under {licence}.

Estimates how pleasant (valence) and how activated (arousal) a facial expression **looks**, each in -1..1, on the
camera device itself. One aligned {size} x {size} RGB crop goes in; a per-picture answer (`frame`) and, after an LSTM
on a {step_s:g} s time grid, a streamed answer (`stream`) come out. The stream counts from {warmup_steps} steps on.

## What the scores do not mean

- An expression is not a feeling. The scores say how raters would describe a face, not what a person feels, wants or
  thinks; people differ in how they show what they feel, by culture, age, health and situation.
- Not for judging individuals, and not for any decision about one: not for staff, education, hiring, policing, health
  care, insurance or access to anything. It is made for counts and averages over several visitors of a place.
- Not validated on the people in front of your camera. Compare with people's own ratings before you rely on a number.

## Measured

{metrics}

CCC is Lin's concordance correlation coefficient with a 95% bootstrap interval, CC Pearson's, SAGR the share of equal
signs (a rating of exactly 0 hardly ever agrees). Held out means: no fit, calibration or teacher saw these pictures;
they still come from the same generator and the same two raters as the training pictures. `stream` is the answer after
one picture was held for {held} steps: still pictures show that it keeps the picture's quality, not that it is calmer
over time. The same measure for your own data: `python -m convert evaluate --csv labels.csv --bundle PATH`.
{evidence}
## Known weaknesses

- Real photographs are harder than generated ones: an earlier network of this design, without the studio's faces,
  reached CCC 0.76 for valence and 0.51 for arousal on real photographs. This one has not been measured on rated
  photographs by us; expect **low arousal agreement** on real faces until you have measured it on yours.
- Two raters, posed and often exaggerated generated expressions; subtle ones, speech and chewing mislead it.
- Where the mouth is covered the answer is a guess from brows, eyes and cheeks, for arousal more than for valence.
- Fear, sadness and disgust are rare in the rated data; the studio acts them out. No rater judged them there, nor the
  children and old faces. Strong profiles (beyond about 30 degrees), head coverings and faces under 32 pixels are poorly
  covered; the detector misses most faces under 32 pixels.
- Generated faces inherit the biases of their generators, in skin colour, age, sex and style.
- The teacher's errors are in the labels, the more so for what the studio made; so are the network's own, where the list
  below says that it had a say in them.

## What it was made with

{sources}

{photographs} The generators behind the pictures were trained by others on
photographs, the teacher by Google on its own data, and the head model on scans of people who consented; that chain is
listed above, not hidden. Licences are listed as their publishers state them; this is not legal advice.
"""


def write_card(manifest: Manifest, evidence: str = "") -> str:
    """The card's text (Markdown), with a section on what else was measured."""
    return _CARD.format(
        name=manifest.name,
        version=manifest.version,
        network=manifest.network,
        created=manifest.created,
        licence=manifest.licence,
        size=manifest.crop.size,
        step_s=manifest.step_s,
        warmup_steps=manifest.warmup_steps,
        held=2 * manifest.warmup_steps,
        metrics=_metrics(manifest.metrics),
        sources=_sources(manifest),
        photographs=_photographs(manifest),
        evidence=f"\n## Evidence\n\n{evidence.strip()}\n" if evidence else "",
    )


def _metrics(metrics: list[Metric]) -> str:
    if not metrics:
        return "Nothing: this bundle was packed without an evaluation, and its answers mean nothing until it has one."
    lines = [
        "| data | n | answer | target | CCC (95% interval) | CC | RMSE | SAGR |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {m.data} | {m.n} | {m.answer} | {m.target} | {m.ccc:.3f} ({m.ccc_low:.3f} to {m.ccc_high:.3f}) "
        f"| {m.cc:.3f} | {m.rmse:.3f} | {m.sagr:.3f} |"
        for m in metrics
    ]
    return "\n".join(lines)


def _photographs(manifest: Manifest) -> str:
    added = [source for source in manifest.sources if not is_ours(source)]
    if not added:
        return "**No photograph of a real person is in the training set.**"
    names = "; ".join(f"{source.name} ({source.licence}; {source.origin})" for source in added)
    return f"**Pictures of real people may be in the training set**, from {names}. Their terms bind the weights too."


def _sources(manifest: Manifest) -> str:
    lines = ["| what | pictures | licence | origin | use |", "|---|---|---|---|---|"]
    lines += [f"| {s.name} | {s.count or ''} | {s.licence} | {s.origin} | {s.use} |" for s in manifest.sources]
    return "\n".join(lines)
