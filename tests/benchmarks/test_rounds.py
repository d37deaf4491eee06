"""Rounds, the floor and the peers: that ratios, rates and graphs are what they are called."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks.floor.bare import BareEngine
from benchmarks.floor.matrix import build_product
from benchmarks.floor.measure import measure_floor
from benchmarks.floor.result import Floor
from benchmarks.peers import graphs
from benchmarks.peers.contender import Contender
from benchmarks.peers.measure import measure_peers
from benchmarks.peers.result import Peers
from benchmarks.record import median_figure, read_record, write_record
from benchmarks.rounds import Rounds, compare_rounds, time_rounds
from convert.errors import DataError, TrainingError
from convert.networks.cost import count_macs
from edge.model.bundle import default_bundle, load_bundle
from edge.model.engines.litert import LiteRtEngine
from edge.model.engines.onnx import OnnxEngine


def test_everyone_takes_a_turn_in_every_round_and_no_one_is_always_first() -> None:
    order: list[str] = []
    runs = {name: lambda _, name=name: order.append(name) for name in "abc"}
    found = time_rounds(runs, rounds=6, calls=2)
    assert [order[n] for n in range(0, len(order), 3)][::3] == list("abcabc")
    assert {name: order.count(name) for name in "abc"} == dict.fromkeys("abc", 6 * 3)
    assert all(len(rounds.cpu_ms) == len(rounds.wall_ms) == 6 for rounds in found.values())


def test_waiting_lengthens_the_clock_s_time_and_not_the_processor_s() -> None:
    found = time_rounds({"wait": lambda _: time.sleep(0.004)}, rounds=6, calls=1)["wait"]
    assert min(found.wall_ms) >= 4 > max(found.cpu_ms)


def test_ratio_is_taken_within_rounds_so_that_a_machine_that_slows_down_moves_it_not() -> None:
    slower_and_slower = np.linspace(1, 9, 9)
    one, other = (Rounds(list(factor * slower_and_slower), []) for factor in (6.0, 2.0))
    ratio = compare_rounds(one, other)
    assert ratio is not None
    assert (ratio.low, ratio.value, ratio.high) == (3, 3, 3)
    assert compare_rounds(Rounds([1.0] * 5, []), Rounds([1.0] * 5, [])) is None
    assert median_figure([]) is None


def test_product_multiplies_matrices() -> None:
    values = np.random.default_rng(1).integers(-127, 128, (4, 64)).astype(np.int8)
    weights = np.random.default_rng(0).integers(-127, 128, (8, 64))
    exact = values.astype(int) @ weights.T
    graph = build_product("int8", rows=4, inner=64, columns=8)
    engine = LiteRtEngine(graph, name="product")
    scale = engine.inputs["input"].scale / 127 / engine.outputs["output"].scale
    found = engine.invoke({"input": values})["output"]
    assert np.abs(found - np.clip(np.rint(exact * scale), -128, 127)).max() <= 1
    assert count_macs(graph) == 4 * 64 * 8
    real = LiteRtEngine(build_product("float32", rows=4, inner=64, columns=8), name="product")
    assert np.allclose(real.invoke({"input": values.astype(np.float32)})["output"], exact / 127, rtol=1e-4, atol=1e-2)


def test_bare_engine_runs_on_what_it_holds() -> None:
    engine = BareEngine(build_product("float32", rows=2, inner=8, columns=4), name="product")
    engine.run_again()
    assert not engine.invoke({"input": np.zeros((2, 8), np.float32)})["output"].any()


def test_floor_says_shares_of_int8_graphs_alone_and_is_read_back(tmp_path: Path) -> None:
    bundle = load_bundle(default_bundle())
    found = measure_floor(bundle, "Shelf 1", rounds=6, calls=1, product=(8, 64, 64))
    parts = {part.name: part for part in found.parts}
    assert set(parts) == {"backbone", "head", "detector"}
    assert parts["backbone"].macs == count_macs(bundle.files["backbone.tflite"])
    assert parts["backbone"].share is not None
    assert parts["detector"].share is not None
    assert parts["head"].share is None
    written = write_record(found, tmp_path)
    assert written.name == f"floor-{found.date}-{found.commit}-shelf-1.json"
    assert read_record(written, Floor) == found
    with pytest.raises(DataError, match="not a result of `python -m benchmarks peers`"):
        read_record(written, Peers)
    written.write_text(written.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(DataError, match="of format 9"):
        read_record(written, Floor)
    with pytest.raises(DataError, match="cannot be read"):
        read_record(tmp_path / "none.json", Floor)


def spin(ms: float, **more: object) -> Contender:
    def run(_: int) -> None:
        until = time.process_time_ns() + ms * 1e6
        while time.process_time_ns() < until:
            pass

    return Contender(run=run, size_bytes=1, **{"engine": "e", "precision": "p"} | more)  # type: ignore[arg-type]


def test_peer_is_compared_with_the_kit_of_its_job_and_with_its_equal() -> None:
    kit = spin(0.5, name="kit", kit=True)
    form = spin(1.0, name="kit in float", kit=True, as_used=False)
    peer = spin(2.0, name="peer", equal=form.key)
    lonely = spin(2.0, name="other", equal="a form that was not measured")
    detector = spin(0.3, name="finder", kit=True, job="frame")
    found = {one.name: one for one in measure_peers([kit, form, peer, lonely, detector], rounds=6, calls=1)}
    assert found["kit"].to_kit is found["finder"].to_kit is None
    assert found["peer"].to_kit is not None
    assert found["peer"].to_equal is not None
    assert found["peer"].to_kit.value > found["peer"].to_equal.value > 1
    assert (found["other"].equal, found["other"].to_equal) == (None, None)


needs_converter = pytest.mark.skipif(find_spec("tf2onnx") is None, reason="needs the `convert` dependency group")


@needs_converter
def test_graphs_are_kept_until_what_makes_them_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def convert(name: str, size: int, folder: Path) -> None:
        made.append(f"{name} {size}")
        (folder / "float32.onnx").write_bytes(b"onnx")
        (folder / "int8.tflite").write_bytes(b"tflite")

    monkeypatch.setattr(graphs, "_convert", convert)
    first = graphs.make_graphs("mobilefacenet", 32, cache=tmp_path)
    assert first == graphs.make_graphs("mobilefacenet", 32, cache=tmp_path) == (b"onnx", b"tflite")
    monkeypatch.setattr(graphs, "_SOURCES", ("mobilefacenet.py",))
    graphs.make_graphs("mobilefacenet", 32, cache=tmp_path)
    assert made == ["mobilefacenet 32"] * 2


def test_converter_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "_MADE_WITH", ("no-such-package",))
    with pytest.raises(TrainingError, match="no-such-package is not installed here"):
        graphs.make_graphs("mobilefacenet", 32, cache=tmp_path)


@needs_converter
def test_converter_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs.sys, "executable", "false")
    with pytest.raises(TrainingError, match="mobilefacenet: the converter ended with 1"):
        graphs.make_graphs("mobilefacenet", 32, cache=tmp_path)


@pytest.mark.slow
@needs_converter
def test_mobilefacenet_is_the_paper_s_and_becomes_both_graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.peers import converter, mobilefacenet

    assert 0.97e6 < mobilefacenet.build_mobilefacenet().count_params() < 1.03e6  # 0.99 million in the paper
    monkeypatch.setattr(mobilefacenet, "_BOTTLENECKS", mobilefacenet._BOTTLENECKS[:1])
    converter.main("mobilefacenet", 32, tmp_path)
    int8 = LiteRtEngine((tmp_path / "int8.tflite").read_bytes(), name="int8")
    float32 = OnnxEngine((tmp_path / "float32.onnx").read_bytes(), name="float32")
    assert int8.inputs["image"].shape == float32.inputs["image"].shape == (1, 32, 32, 3)
    assert (int8.inputs["image"].zero_point, int8.inputs["image"].scale) == (-1, pytest.approx(1 / 127.5))
