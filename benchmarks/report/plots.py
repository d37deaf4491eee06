"""The pictures. Each carries a hash of the figures it shows, so that a stale one is noticed whatever drew it."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.device.result import STAGES
from benchmarks.peers.result import Peer, Peers
from benchmarks.report.growth import Growth, processor_ms
from edge.cli.bench.result import Load, Minute

_INK, _GREY, _KIT, _OTHER = "#1c2430", "#8a94a3", "#1f6fb2", "#c2571a"
_COLOURS = {
    "capture": "#c9d2dc", "detect": "#1f6fb2", "track": "#7fb2dd", "crop": "#f0b489", "embed": "#c2571a",
    "quantize": "#f7d9c4", "invoke": "#c2571a", "head": "#7a9a4f", "window": "#b9c9a2", "publish": "#5d6673",
}  # fmt: skip
_HASH = "Description"
_NEAR = 3.0  # times the time before: so close that a label needs a row of its own


class Canvas:
    """A figure of matplotlib with one plot, and afterwards the picture's bytes."""

    def __init__(self) -> None:
        self.axes: Any = None
        self.png = b""


def draw_growth(loads: Sequence[Load], growth: Growth | None) -> bytes:
    """Time a frame by the number of faces: the processor's with its straight line, and the clock's median and p99."""
    faces = [load.faces for load in loads]
    with _canvas({"loads": [_shown(load) for load in loads], "line": str(growth)}) as canvas:
        axes = canvas.axes
        if growth is not None:
            ends = [0.0, growth.most]
            line = [growth.base_ms + growth.face_ms * end for end in ends]
            axes.plot(ends, line, "--", color=_GREY, label="line through all processor times but the last")
        axes.plot(faces, [processor_ms(load) for load in loads], "o-", color=_KIT, label="processor time, mean")
        medians = [(load.faces, load.frame_ms.p50) for load in loads if load.frame_ms.p50 is not None]
        axes.errorbar(
            [x for x, _ in medians],
            [p.value for _, p in medians],
            yerr=[[max(p.value - p.low, 0) for _, p in medians], [max(p.high - p.value, 0) for _, p in medians]],
            fmt="s", ms=4, color=_INK, capsize=3, label="latency, median and 95 % interval",
        )  # fmt: skip
        tails = [(load.faces, load.frame_ms.p99.value) for load in loads if load.frame_ms.p99 is not None]
        axes.plot([x for x, _ in tails], [y for _, y in tails], "^", color=_OTHER, ms=5, label="latency, p99")
        axes.set(xlabel="faces in view", ylabel="ms a frame", xlim=(0, None), ylim=(0, None))
        axes.set_xticks(faces, [f"{count:.4g}" for count in faces])
        axes.legend(frameon=False)
    return canvas.png


def draw_stages(loads: Sequence[Load]) -> bytes:
    """Where a frame's time goes, mean by stage, one bar a load; what counts a face is brought to a frame."""
    measured = [stage for stage in STAGES if all(stage in load.stage_ms for load in loads)]
    parts = {stage: [_a_frame(load, stage) for load in loads] for stage in measured}
    with _canvas(parts) as canvas:
        axes, base = canvas.axes, [0.0] * len(loads)
        names = [f"{load.faces:.4g}" for load in loads]
        for stage, heights in parts.items():
            axes.bar(names, heights, bottom=base, color=_COLOURS[stage], width=0.6, label=stage)
            base = [below + height for below, height in zip(base, heights, strict=True)]
        axes.set(xlabel="faces in view", ylabel="ms a frame, mean")
        axes.legend(frameon=False, ncols=3)
        axes.set_ylim(0, 1.35 * max(base, default=1.0))
    return canvas.png


def draw_minutes(minutes: Sequence[Minute]) -> bytes:
    """Median and p99 a frame, minute by minute."""
    lines = {
        name: [(minute.minute, figure.value) for minute in minutes if (figure := getattr(minute.frame_ms, name))]
        for name in ("p50", "p99")
    }
    with _canvas(lines) as canvas:
        for (name, points), colour in zip(lines.items(), (_KIT, _OTHER), strict=True):
            canvas.axes.plot([x for x, _ in points], [y for _, y in points], "o-", ms=4, color=colour, label=name)
        canvas.axes.set(xlabel="minute", ylabel="ms a frame", ylim=(0, None))
        canvas.axes.legend(frameon=False)
    return canvas.png


def draw_front(found: Peers) -> bytes:
    """Agreement with raters over the time of a face; a contender without an accuracy is a line at the bottom."""
    from matplotlib import ticker

    faces = [peer for peer in found.peers if peer.job == "face"]
    rated = sorted(((peer, peer.ms, peer.ccc) for peer in faces if peer.ccc and peer.ms), key=lambda one: one[1].value)
    timed = [(peer, peer.ms) for peer in faces if not peer.ccc and not peer.kit and peer.ms]
    shown = [peer for peer, _, _ in rated] + [peer for peer, _ in timed]
    with _canvas([*map(_placed, shown)]) as canvas:
        axes = canvas.axes
        lifts = _stagger([ms.value for _, ms, _ in rated])
        for (peer, ms, agreement), lift, following in zip(rated, lifts, [*lifts[1:], 0], strict=True):
            colour = _KIT if peer.kit else _OTHER
            for target, marker, shift in (("valence", "o", 0.985), ("arousal", "s", 1.015)):
                ccc = agreement[target]
                bars = [[ccc.value - ccc.low], [ccc.high - ccc.value]]
                axes.errorbar(
                    ms.value * shift, ccc.value, yerr=bars, fmt=marker, color=colour, capsize=3,
                    mfc=colour if target == "valence" else "white",
                )  # fmt: skip
            axes.annotate(
                peer.name, (ms.value, max(ccc.high for ccc in agreement.values())), xytext=(0, 5 + 11 * lift),
                textcoords="offset points", ha="right" if following > lift else "center", fontsize=8, color=colour,
                arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": colour} if lift else None,
            )  # fmt: skip
        floor = min([0.5, *(ccc.low - 0.05 for _, _, agreement in rated for ccc in agreement.values())])
        rows = (1 - floor) / 14
        # One row each, the fastest at the bottom: a label ends at its own line and crosses none.
        for number, (peer, ms) in enumerate(sorted(timed, key=lambda one: one[1].value), start=1):
            height = floor + number * rows
            axes.plot([ms.value] * 2, [floor, height], color=_GREY, linewidth=0.8)
            words = f"{peer.name}: {peer.engine}, {peer.precision} "
            axes.annotate(words, (ms.value, height), fontsize=7, color=_GREY, ha="right", va="center")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda ms, _: f"{ms:g}"))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
        axes.set_ylim(floor, 1.0)
        axes.plot([], [], "o", color=_INK, label="valence")
        axes.plot([], [], "s", color=_INK, mfc="white", label="arousal")
        axes.plot([], [], "-", color=_GREY, linewidth=0.8, label="time only, random weights or no scores")
        axes.margins(x=0.25)
        axes.set(xlabel="processor time a face, ms, one thread", ylabel="CCC with the raters, 95 % interval")
        axes.legend(frameon=False, loc="center", bbox_to_anchor=(0.45, 0.62), fontsize=8)
    return canvas.png


def _stagger(times: Sequence[float]) -> list[int]:
    """Rows for the labels of rising times on a logarithmic axis, so that near ones do not lie on one another."""
    rows: list[int] = []
    for before, time in zip([0.0, *times], times, strict=False):
        rows.append(rows[-1] + 1 if rows and time < _NEAR * before else 0)
    return rows


def read_hash(png: bytes) -> str:
    """The hash that a picture carries; empty where it carries none."""
    position = 8
    while position + 8 <= len(png):
        length, kind = struct.unpack(">I4s", png[position : position + 8])
        key, _, value = png[position + 8 : position + 8 + length].partition(b"\0")
        if kind == b"tEXt" and key.decode() == _HASH:
            return value.decode()
        position += length + 12
    return ""


@contextmanager
def _canvas(shown: Any) -> Iterator[Canvas]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    style = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9, "axes.edgecolor": _GREY}
    canvas = Canvas()
    with pyplot.rc_context(style):
        figure, canvas.axes = pyplot.subplots(figsize=(6.8, 3.8), layout="constrained")
        canvas.axes.grid(axis="y", color="#e3e7ec", linewidth=0.8)
        canvas.axes.set_axisbelow(True)
        try:
            yield canvas
            out = io.BytesIO()
            digest = hashlib.sha256(json.dumps(shown).encode()).hexdigest()
            figure.savefig(out, dpi=120, metadata={"Software": None, _HASH: digest})
            canvas.png = out.getvalue()
        finally:
            pyplot.close(figure)


def _shown(load: Load) -> Any:
    quantiles = [getattr(load.frame_ms, name) for name in ("p50", "p99")]
    return [load.faces, processor_ms(load), [str(figure) for figure in quantiles]]


def _placed(peer: Peer) -> Any:
    return [peer.name, peer.engine, peer.precision, str(peer.ms), str(peer.ccc)]


def _a_frame(load: Load, stage: str) -> float:
    """Mean milliseconds a frame that a stage takes, whatever it is counted by."""
    quantiles, frames = load.stage_ms[stage], max(load.frame_ms.n, 1)
    if quantiles.mean is None:
        return 0.0
    return quantiles.mean * (1.0 if stage in ("capture", "detect", "track") else quantiles.n / frames)
