"""Measures matrix products and the device's graphs in the same rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from benchmarks.floor.bare import BareEngine
from benchmarks.floor.matrix import COLUMNS, INNER, ROWS, build_product
from benchmarks.floor.result import Floor, Part
from benchmarks.record import describe_origin, median_figure, read_load
from benchmarks.rounds import Rounds, compare_rounds, time_rounds
from convert.errors import TrainingError
from convert.networks.cost import count_macs
from convert.quantize.graph import float_operators
from edge.affect.network import prepare_model
from edge.cli.bench.crowd import draw_crowd
from edge.cli.bench.result import describe_bundle
from edge.config import EngineConfig
from edge.face.detector import YuNet, read_graph
from edge.model.bundle import Bundle
from edge.values import FaceCrop

_FACES = 4  # drawn, in the detector's picture


def measure_floor(
    bundle: Bundle,
    device_name: str,
    *,
    rounds: int,
    calls: int,
    product: tuple[int, int, int] = (ROWS, INNER, COLUMNS),
    advance: Callable[[], None] = lambda: None,
) -> Floor:
    """Measures on one thread.

    Args:
        bundle: whose graphs are run.
        device_name: replaces what the machine calls itself; "" for none.
        rounds, calls: see `time_rounds`.
        product: rows, inner size and columns of the matrix product.
        advance: called after each round.

    Raises:
        AssetError: the detector's file is not here.
        EngineError: a graph cannot be loaded.
    """
    cv2.setNumThreads(1)  # one thread is what the figures say
    load_before = read_load()
    rows, inner, columns = product
    products = {kind: build_product(kind, rows=rows, inner=inner, columns=columns) for kind in ("int8", "float32")}
    manifest = bundle.manifest
    graphs = {
        "backbone": bundle.files[manifest.backbone.file],
        "head": bundle.files[manifest.head.file],
        "detector": read_graph(),
    }
    contenders: dict[str, Callable[[int], object]] = {
        f"bare {name}": _again(BareEngine(graph, name=name)) for name, graph in (products | graphs).items()
    }
    contenders |= {f"kit {name}": run for name, run in _kit(bundle).items()}
    spent = time_rounds(contenders, rounds=rounds, calls=calls, advance=advance)
    macs = {kind: count_macs(graph) for kind, graph in products.items()}
    rates = {kind: _rate(macs[kind], spent[f"bare {kind}"]) for kind in products}
    origin = describe_origin(device_name, load_before=load_before)
    return Floor(
        **origin,
        bundle=describe_bundle(prepare_model(bundle, EngineConfig())),
        rounds=rounds,
        calls=calls,
        product=product,
        gmac_s={kind: median_figure(rate) for kind, rate in rates.items()},
        parts=[_part(name, graph, spent, rates["int8"]) for name, graph in graphs.items()],
    )


def _again(engine: BareEngine) -> Callable[[int], object]:
    return lambda _: engine.run_again()


def _kit(bundle: Bundle) -> dict[str, Callable[[int], object]]:
    """The same graphs through the device's own code."""
    model, detector = prepare_model(bundle, EngineConfig()), YuNet(size=(640, 480))
    manifest = bundle.manifest
    side, units = manifest.crop.size, manifest.head.h.shape[-1]
    rng = np.random.default_rng(0)
    crop = FaceCrop(track_id=0, pixels=rng.integers(0, 256, (side, side, 3), np.uint8), captured_ns=0)
    vector, zero = model.backbone.embed(crop).vector[None], np.zeros((1, units), np.float32)
    pictures = draw_crowd(_FACES, count=6)
    return {
        "backbone": lambda _: model.backbone.embed(crop),
        "head": lambda _: model.stream.run(vector, zero, zero),
        "detector": lambda call: detector.detect(pictures[call % len(pictures)]),
    }


def _rate(macs: int, spent: Rounds) -> Any:
    return macs / np.array(spent.cpu_ms) / 1e6


def _part(name: str, graph: bytes, spent: dict[str, Rounds], int8_rate: Any) -> Part:
    bare, kit = spent[f"bare {name}"], spent[f"kit {name}"]
    try:
        macs = count_macs(graph)
    except TrainingError:
        macs = None
    in_int8 = macs is not None and not float_operators(graph)
    return Part(
        name=name,
        macs=macs,
        bare_ms=bare.cpu(),
        kit_ms=kit.cpu(),
        around=compare_rounds(kit, bare),
        share=median_figure(_rate(macs, bare) / int8_rate) if macs is not None and in_int8 else None,
    )
