"""A ladder as Markdown."""

from __future__ import annotations

from collections.abc import Callable

from convert.ladder.gate import find_excesses
from convert.ladder.record import Ladder, Result, Score
from convert.ladder.rungs import RUNGS, Rung, find_rung
from convert.metrics import TARGETS

_NONE = "–"
_PAGE = """# What each conversion step costs

Written by `python -m convert ladder`, from [{json}]({json}); every figure comes from a run, none is typed.
Bundle {bundle} ({graphs}), {count} faces of {data}, measured {measured}.

{table}

Pairs are valence / arousal. The answers judged are the streamed ones, which a device sends: each face held for twice
the warm-up, from a zero state; "frame CCC" is the backbone's answer to the picture alone. The difference is that of
the streamed answers, the largest and the root mean square over faces and targets, to the step named. Time is the
median of the processor's time for one face on one thread, repeats of all steps interleaved: the backbone's, and the
LSTM step's where the step has a graph of its own. **Times on a workstation do not predict a board**: their ratio is
another there.

{gate}

{sequence}

The scores describe expressions as raters see them, not feelings, and are not made to judge a person.

## Adding a board

`python -m convert ladder --add FILE --write {page}` merges what a board measured: a JSON file as
`convert/ladder/record.py` documents it, with the rung's name (`edge-tpu`, `tensorrt` or `device`), the host, the
milliseconds a face, and the answers by picture or their agreement. Nothing is measured anew then.
"""
_HEADER = (
    "| step | CCC | CC | RMSE | SAGR | frame CCC | difference (largest, RMS) | to | ms a face | KB | MMAC | host |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|",
)


def render_page(ladder: Ladder, page: str) -> str:
    """The page.

    Args:
        ladder: to show.
        page: its path, as a user types it.
    """
    stem = page.rpartition("/")[2].removesuffix(".md")
    return _PAGE.format(
        json=f"{stem}.json",
        page=page,
        bundle=ladder.bundle,
        graphs=", ".join(f"{file} `{digest[:12]}…`" for file, digest in ladder.graphs.items()),
        count=ladder.count,
        data=ladder.data,
        measured=ladder.measured,
        table=render_table(ladder),
        gate=_gate(ladder),
        sequence=_sequence(ladder),
    )


def render_table(ladder: Ladder) -> str:
    """The table: every rung in order, those not measured yet left blank."""
    lines = list(_HEADER)
    for rung in RUNGS:
        found = [result for result in ladder.results if result.rung == rung.name]
        lines += [_row(rung, result) for result in found] or [
            f"| {rung.title} |" + f" {_NONE} |" * 10 + " not measured |"
        ]
    return "\n".join(lines)


def _row(rung: Rung, result: Result) -> str:
    gap = result.gap.get("stream") or result.gap.get("frame")
    cells = [
        rung.title,
        *(_pair(result, "stream", _reader(name)) for name in ("ccc", "cc", "rmse", "sagr")),
        _pair(result, "frame", _reader("ccc")),
        f"{gap.largest:.4f}, {gap.rms:.4f}" if gap else _NONE,
        find_rung(rung.before).name if rung.before and gap else _NONE,
        f"{result.ms:.2f}" if result.ms else _NONE,
        f"{result.bytes / 1024:.0f}" if result.bytes else _NONE,
        f"{result.macs / 1e6:.1f}" if result.macs else _NONE,
        result.host,
    ]
    return "| " + " | ".join(cells) + " |"


def _reader(name: str) -> Callable[[Score], float]:
    return lambda score: float(getattr(score, name))


def _pair(result: Result, answer: str, read: Callable[[Score], float]) -> str:
    found = result.agreement.get(answer, {})
    return " / ".join(f"{read(found[target]):.3f}" for target in TARGETS) if found else _NONE


def _gate(ladder: Ladder) -> str:
    excesses = find_excesses(ladder)
    told = (
        f"Gate: no step may lose more than {ladder.budget_ccc:g} CCC (recipe `{ladder.quantization}`), neither to the "
    )
    told += "step before nor to the float network; what is for the record is not held to it. "
    if not excesses:
        return told + "All hold."
    return told + " ".join(
        f"**{e.rung} loses {e.drop:.4f} of {e.target} ({e.answer}) to {e.against}.**" for e in excesses
    )


def _sequence(ladder: Ladder) -> str:
    found = ladder.sequence
    if found is None:
        return ""
    others = "".join(f" {rung} is {rms:.4f} RMS from it." for rung, rms in found.others.items())
    return (
        f"Streamed equals whole: over {found.steps:,} steps on int8 features without a reset, the float32 step is "
        f"{found.rms:.1e} RMS ({found.largest:.1e} at most) from Keras's whole sequence on the same features; "
        f"{found.first_rms:.1e} in the first tenth, {found.last_rms:.1e} in the last. To the whole sequence on the "
        f"float network's features it is {found.float_rms:.4f} RMS, which is int8's part. A passage played again and "
        f"again changes its answers by {found.drift:.1e} at most; the largest cell state was {found.cell:.2f}."
        f"{others}"
    )
