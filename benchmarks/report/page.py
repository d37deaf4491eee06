"""The page: device by device, from what each left, with what the figures do not say before any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.floor.result import Floor
from benchmarks.peers.result import Peers
from benchmarks.report import plots, tables
from benchmarks.report.blocks import Block, Heading, Picture, Words
from benchmarks.report.gather import Device, ramp
from benchmarks.report.growth import Growth, measure_growth
from edge.cli.bench.result import Result
from edge.profiles import profile_names, profile_title


class Page(NamedTuple):
    """What is rendered.

    Attributes:
        blocks: in their order.
        pictures: PNG by file name.
    """

    blocks: list[Block]
    pictures: dict[str, bytes]


_OPENING: tuple[Block, ...] = (
    Heading(1, "Benchmarks"),
    Words(
        "Written by `python -m benchmarks report` from the files in benchmarks/reference; every figure comes from one "
        "of them, none is typed. An empty cell was not measured. Brackets hold 95 % intervals: of percentiles by order "
        "statistics, of ratios and of times in rounds by those of the rounds' medians, of CCC by bootstrap."
    ),
    Words(
        "What the scores do not mean: an expression is not a feeling, and a fast score is no truer than a slow one. "
        "CCC is agreement with two people who rated generated faces, not with what anybody felt. No figure here is "
        "about the people in front of your camera, and none allows a decision about one person.",
        warning=True,
    ),
    Words(
        "What the times do not mean: a workstation or server does not predict a board. Caches, int8 instructions, "
        "clock and heat differ, and so does the order in which networks come out. Measure on the device that you will "
        "buy: `affect-edge bench --sustained 30`.",
        warning=True,
    ),
    Heading(2, "Devices"),
)


def make_page(devices: Sequence[Device]) -> Page:
    """The page of these devices; boards with a profile and no result are named, with empty cells."""
    profiles = {name: profile_title(name) for name in profile_names()}
    page = Page([*_OPENING, tables.overview(devices, profiles)], {})
    page.blocks.append(
        Words("CCC is the bundle's own, streamed, on the data that its manifest names. Drawn faces are in view all the "
              "time, at 30 frames a second; each is scored ten times a second. Frames in which nothing was due are "
              "left alone, and are not among those that are timed.")
    )  # fmt: skip
    for device in devices:
        _add_device(page, device)
    return page


def _add_device(page: Page, device: Device) -> None:
    host = device.records[0].host
    page.blocks.append(Heading(2, device.name))
    page.blocks.append(
        Words(
            f"{host.model}, {host.cores} cores, Linux {host.kernel}, Python {host.python}, {host.runtime}, "
            f"{host.threads} thread{'s' if host.threads > 1 else ''}"
            + (f", governor {host.governor}" if host.governor else "")
            + (f", delegate {host.delegate}" if host.delegate else "")
            + "."
        )
    )
    for result in device.results:
        _add_result(page, device.name, result)
    if device.floor is not None:
        _add_floor(page, device.floor)
    if device.peers is not None:
        _add_peers(page, device.name, device.peers)


def _add_result(page: Page, device: str, result: Result) -> None:
    blocks, name = page.blocks, result.bundle.name
    blocks.append(Heading(3, f"From a frame to its message: bundle {name} {result.bundle.version}"))
    blocks.append(
        Words(
            f"{_origin(result)} Input: {result.input}; faces are searched for {_tell_search(result)}; CCC on "
            f"{result.bundle.ccc_data}."
        )
    )
    blocks += _notes(result)
    blocks.append(tables.stages([load for load in result.loads if not load.every_frame]))
    most = [load for load in result.loads if load.every_frame]
    if most:
        blocks.append(Words("The most that can be asked, a search and a score of each face in every frame:"))
        blocks.append(tables.stages(most))
    loads = ramp(result)
    if len(loads) > 1:
        _add_picture(
            page, f"{device}-{name}-stages.png", plots.draw_stages(loads), f"{device}: time by stage and faces"
        )
        growth = measure_growth(loads)
        blocks.append(Heading(3, f"Time by faces: bundle {name}"))
        if growth is not None:
            blocks.append(Words(_tell_growth(growth)))
        _add_picture(
            page, f"{device}-{name}-faces.png", plots.draw_growth(loads, growth), f"{device}: time by number of faces"
        )
    blocks += [Heading(3, f"Cold start and memory: bundle {name}"), tables.start_up(result)]
    blocks += [Heading(3, f"Minutes of work: bundle {name}"), tables.sustained(result)]
    if len(result.sustained) > 1:
        shown = plots.draw_minutes(result.sustained)
        _add_picture(page, f"{device}-{name}-minutes.png", shown, f"{device}: time a frame, minute by minute")


def _add_floor(page: Page, floor: Floor) -> None:
    rows, inner, columns = floor.product
    rates = " and ".join(
        f"{rate.value:.3g} [{rate.low:.3g}, {rate.high:.3g}] in {kind}" for kind, rate in floor.gmac_s.items() if rate
    )
    page.blocks.append(Heading(3, "How much of the machine is used"))
    page.blocks.append(
        Words(
            f"{_origin(floor)} One matrix product of {rows} × {inner} by {inner} × {columns} in LiteRT, one thread, "
            f"reaches {rates}, in 10⁹ multiply-accumulates a second. A network of convolutions cannot reach all of "
            "that; its share is what a faster runtime could still gain. Bare is the graph alone; through the kit is "
            "with the conversion of pixels and tensors, of the detector with scaling and decoding. Times are the "
            f"processor's, medians of {floor.rounds} rounds of {floor.calls} calls."
        )
    )
    page.blocks.extend(_notes(floor))
    page.blocks.append(tables.floor(floor))


def _add_peers(page: Page, device: str, peers: Peers) -> None:
    packages = ", ".join(f"{name} {version}" for name, version in peers.packages.items())
    blocks = page.blocks
    blocks.append(Heading(3, "Beside what people use today"))
    blocks.append(
        Words(
            f"{_origin(peers)} All contenders took turns in {peers.rounds} rounds of {peers.calls} calls on one "
            f"thread, on the same {peers.faces} faces; ratios are taken within a round. Times are the processor's. A "
            "face's time runs from the frame and the face's place to the answer, with the cut of the crop. Two ratios: "
            "against the kit as it ships, and against the kit's network in the same engine and precision. CCC: "
            f"{peers.data}, rated by two people, the same pictures for everyone. {packages}."
        )
    )
    blocks += _notes(peers)
    blocks.append(tables.peers(peers, "face"))
    _add_picture(
        page, f"{device}-front.png", plots.draw_front(peers), f"{device}: agreement with raters over time a face"
    )
    blocks.append(
        Words(
            "The landmarker's trees were fitted on the same training pictures and taught the kit's network, so their "
            "agreement is its teacher's. The two libraries' networks stand here with random weights: their own were "
            "trained on other data, and nothing is said here of how right they are."
        )
    )
    blocks.append(Words(f"Detectors, on {peers.frames}:"))
    blocks.append(tables.peers(peers, "frame"))


def _add_picture(page: Page, name: str, png: bytes, shows: str) -> None:
    page.pictures[name] = png
    page.blocks.append(Picture(name, shows))


def _origin(record: Result | Floor | Peers) -> str:
    return f"Measured {record.date} at commit {record.commit}."


def _tell_search(result: Result) -> str:
    every = result.detect_every
    if every == "step":
        return "when their scores are due"
    return "in every frame" if every == 1 else f"in every frame of {every}"


def _notes(record: Result | Floor | Peers) -> list[Block]:
    return [Words(f"Note: {note}.", warning=True) for note in record.notes]


def _tell_growth(growth: Growth) -> str:
    steps = "; ".join(f"from {one:.4g} to {other:.4g}: {cost:.2f} ms" for one, other, cost in growth.steps)
    verdict = "the cost grows no faster than linearly" if growth.linear else "the cost grows FASTER than linearly here"
    return (
        f"Processor time a frame: the straight line through all loads but the last is {growth.base_ms:.2f} ms + "
        f"{growth.face_ms:.2f} ms a face. At {growth.most:.4g} faces it expects {growth.expected_ms:.2f} ms; "
        f"{growth.measured_ms:.2f} ms were measured: {verdict}. One face more costs, {steps}."
    )
