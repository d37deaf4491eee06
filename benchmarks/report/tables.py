"""The tables: figures with their intervals, and nothing where nothing was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.device.result import STAGES
from benchmarks.floor.result import Floor
from benchmarks.peers.result import Peer, Peers
from benchmarks.record import Figure
from benchmarks.report.blocks import Grid
from benchmarks.report.gather import Device, ramp
from edge.cli.bench.quantiles import Percentile
from edge.cli.bench.result import Load, Result

_A_FACE = ("quantize", "invoke")  # stages that are timed a face, not a frame


def overview(devices: Sequence[Device], profiles: Mapping[str, str]) -> Grid:
    """All devices in a row each, those with a profile and no result too.

    Args:
        devices: with results.
        profiles: boards by the name of their profile.
    """
    head = ("device", "machine", "bundle", "1 face, p50 ms", "most faces", "p50 ms", "one core, 1 face",
            "cold start s", "memory MB", "CCC valence / arousal")  # fmt: skip
    measured = {device.name: device for device in devices}
    rows = []
    for name in sorted({*measured, *profiles}):
        device = measured.get(name)
        if device is None or not device.results:
            machine = device.records[0].host.model if device is not None else profiles[name]
            rows.append((name, machine, *[""] * (len(head) - 2)))
            continue
        rows += [(name, result.host.model, *_summary(result)) for result in device.results]
    return Grid(head, rows, words=(1,))


def stages(loads: Sequence[Load]) -> Grid:
    """One column a load."""
    loads = sorted(loads, key=lambda load: (-round(load.fps), load.faces))
    head = (
        "ms",
        *(f"{load.faces:.4g} face{'' if round(load.faces) == 1 else 's'}, {load.fps:.0f} fps" for load in loads),
    )
    rows = [
        [f"frame, {name}", *(_figure(getattr(load.frame_ms, name)) for load in loads)] for name in ("p50", "p90", "p99")
    ]
    rows.append(["frame, mean", *(_number(load.frame_ms.mean) for load in loads)])
    rows.append(["frames worked on", *(str(load.frame_ms.n) for load in loads)])
    for stage in STAGES:
        means = [load.stage_ms[stage].mean for load in loads if stage in load.stage_ms]
        if len(means) == len(loads):
            unit = "a face" if stage in _A_FACE else "when due" if stage in ("embed", "head") else "a frame"
            rows.append([f"{stage}, mean {unit}", *map(_number, means)])
    rows += [
        ["a window's message", *(_number(load.message_ms.mean) for load in loads)],
        ["of one core", *(_share(load.cpu_core) for load in loads)],
        ["its median second", *(_shares(load.cpu_core_p50) for load in loads)],
        ["neither detector nor network", *("" if load.outside is None else _share(load.outside) for load in loads)],
        ["scores a face and second", *(f"{load.scores_per_face_s:g}" for load in loads)],
    ]
    return Grid(head, rows)


def start_up(result: Result) -> Grid:
    """Cold start and memory; empty cells where it was not measured."""
    head = ("to the first score, s", "of it imports, s", "memory, MB", "faces", "starts, fastest shown")
    cold = result.cold
    if cold is None:
        return Grid(head, [[""] * len(head)])
    return Grid(
        head,
        [[f"{cold.first_score_s:.2f}", f"{cold.import_s:.2f}", f"{cold.rss_mb:.0f}", str(cold.faces), str(cold.tries)]],
    )


def sustained(result: Result) -> Grid:
    """Minute by minute."""
    head = ("minute", "frame p50 ms", "p90", "p99", "late", "°C", "MHz", "throttled", "J a frame")
    rows = [
        [
            str(minute.minute),
            *(_figure(getattr(minute.frame_ms, name)) for name in ("p50", "p90", "p99")),
            _share(minute.late),
            "" if minute.temperature_c is None else f"{minute.temperature_c:.0f}",
            "" if minute.cpu_mhz is None else str(minute.cpu_mhz),
            "" if minute.throttled is None else "yes" if minute.throttled else "no",
            "" if minute.joules_per_frame is None else f"{minute.joules_per_frame:.3f}",
        ]
        for minute in result.sustained
    ]
    return Grid(head, rows or [[""] * len(head)])


def floor(found: Floor) -> Grid:
    """The graphs bare, through the kit, and beside the machine's rate."""
    head = ("graph", "MMAC", "bare, ms", "through the kit, ms", "kit / bare", "share of the int8 product's rate")
    rows = [
        [
            part.name,
            "" if part.macs is None else f"{part.macs / 1e6:.3g}",
            _figure(part.bare_ms),
            _figure(part.kit_ms),
            _figure(part.around),
            _shares(part.share),
        ]
        for part in found.parts
    ]
    return Grid(head, rows)


def peers(found: Peers, job: str) -> Grid:
    """The contenders of one job."""
    answers = ("CCC valence", "CCC arousal") if job == "face" else ("faces found",)
    timed = ("what", "engine, precision", "MMAC", "MB", "ms", "× the kit as it ships", "× the kit at equal terms")
    head = (*timed, *answers, "note")
    return Grid(head, [_peer_row(peer) for peer in found.peers if peer.job == job], words=(1, len(head) - 1))


def _peer_row(peer: Peer) -> list[str]:
    last = [_figure(peer.ccc.get(target)) if peer.ccc else "" for target in ("valence", "arousal")]
    if peer.job == "frame":
        last = ["" if peer.found is None else _share(peer.found)]
    return [
        peer.name,
        f"{peer.engine}, {peer.precision}",
        "" if peer.macs is None else f"{peer.macs / 1e6:.0f}",
        f"{peer.size_bytes / 1e6:.1f}",
        _figure(peer.ms),
        _figure(peer.to_kit),
        _figure(peer.to_equal),
        *last,
        peer.note,
    ]


def _summary(result: Result) -> list[str]:
    loads = ramp(result)
    first: Load | None = loads[0] if loads and round(loads[0].faces) == 1 else None
    last = loads[-1] if loads else None
    return [
        f"{result.bundle.name} {result.bundle.version}",
        _figure(first.frame_ms.p50) if first else "",
        f"{last.faces:.4g}" if last else "",
        _figure(last.frame_ms.p50) if last else "",
        _share(first.cpu_core) if first else "",
        f"{result.cold.first_score_s:.2f}" if result.cold else "",
        f"{result.cold.rss_mb:.0f}" if result.cold else "",
        " / ".join(
            f"{result.bundle.ccc[target]:.2f}" for target in ("valence", "arousal") if target in result.bundle.ccc
        ),
    ]


def _figure(figure: Figure | Percentile | None) -> str:
    return "" if figure is None else f"{figure.value:.3g} [{figure.low:.3g}, {figure.high:.3g}]"


def _shares(figure: Figure | Percentile | None) -> str:
    return "" if figure is None else f"{figure.value:.1%} [{figure.low:.1%}, {figure.high:.1%}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _share(value: float) -> str:
    return f"{value:.1%}"
