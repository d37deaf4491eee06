"""Which engine a device takes: the order, what rules one out, and what a manifest may say of engines."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge.affect import network as model_module
from edge.affect.network import load_model
from edge.config import Config, EngineConfig, ModelConfig, load_config
from edge.errors import BundleError, ConfigError, EngineError
from edge.model import golden
from edge.model.bundle import MANIFEST, Alternative, Bundle, default_bundle, load_bundle
from edge.model.engines import choice
from edge.model.engines.choice import Offer, list_offers, see_as
from edge.model.golden import read_golden

TENSORRT, CPU = "TensorrtExecutionProvider", "CPUExecutionProvider"


@pytest.fixture
def bundle() -> Bundle:
    """The shipped bundle, which says that its own graphs are also two for ONNX Runtime."""
    plain = load_bundle(default_bundle())
    manifest = plain.manifest
    engines = [
        Alternative(
            name=name,
            runtime="onnx",
            needs=">=1.17",
            backbone=manifest.backbone,
            head=manifest.head,
            tolerance=tolerance,
        )
        for name, tolerance in (("onnx-fp16", 0.05), ("onnx-int8", 0.07))
    ]
    return Bundle(manifest=msgspec.structs.replace(manifest, engines=engines), files=plain.files, sha256=plain.sha256)


def names(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, *, here: list[str], providers: list[str], **config: Any
) -> Any:
    monkeypatch.setattr(choice, "installed_runtimes", lambda: here)
    monkeypatch.setattr(choice, "find_spec", lambda _: object() if providers else None)
    monkeypatch.setattr(choice, "available_providers", lambda: providers)
    return [offer.name for offer in list_offers(bundle, EngineConfig(**config))]


def test_auto_takes_an_accelerator_first_and_onnx_on_the_cpu_last(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    onnx = ["onnx-fp16", "onnx-int8"]
    assert names(monkeypatch, bundle, here=["litert"], providers=[TENSORRT, CPU]) == [*onnx, "litert"]
    assert names(monkeypatch, bundle, here=["litert", "tflite"], providers=[CPU]) == ["litert", "tflite", *onnx]
    assert names(monkeypatch, bundle, here=["tflite"], providers=[]) == ["tflite"]


def test_auto_keeps_to_litert_where_a_delegate_is_configured(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    found = names(monkeypatch, bundle, here=["litert"], providers=[TENSORRT], delegate="/usr/lib/libedgetpu.so.1")
    assert found == ["litert"]


def test_a_runtime_that_is_named_is_the_only_one_tried(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    assert names(monkeypatch, bundle, here=["litert"], providers=[TENSORRT], runtime="tflite") == ["tflite"]
    onnx = names(monkeypatch, bundle, here=["litert"], providers=[CPU], runtime="onnx")
    assert onnx == ["onnx-fp16", "onnx-int8"]


def test_each_engine_is_held_to_its_own_tolerance(bundle: Bundle) -> None:
    fp16, int8 = bundle.manifest.engines
    assert see_as(bundle, fp16).manifest.golden.tolerance == {"onnx": 0.05}
    assert see_as(bundle, int8).manifest.golden.tolerance == {"onnx": 0.07}
    assert see_as(bundle, int8).sha256 == bundle.sha256


def test_onnx_without_graphs_for_it_says_how_to_get_them() -> None:
    with pytest.raises(BundleError, match=r"default \d+: has no graphs for onnx; `python -m convert onnx`"):
        load_model(ModelConfig(), EngineConfig(runtime="onnx"))


def test_an_engine_that_fails_is_passed_over_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def two(bundle: Bundle, _: EngineConfig) -> list[Offer]:
        return [Offer("broken", "nonsense", bundle), Offer("litert", "litert", bundle)]

    monkeypatch.setattr(model_module, "list_offers", two)
    with caplog.at_level(logging.WARNING):
        model = load_model(ModelConfig(), EngineConfig())
    assert (model.runtime, model.engine) == ("litert", "litert")
    assert "the engine broken is passed over" in caplog.text


def test_the_last_engine_s_failure_is_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "list_offers", lambda bundle, _: [Offer("x", "nonsense", bundle)])
    with pytest.raises(EngineError, match="nonsense"):
        load_model(ModelConfig(), EngineConfig())


def test_an_engine_that_computes_something_else_is_not_trusted(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    vectors = read_golden(bundle)
    wrong = {**vectors, "va": vectors["va"] + np.float32(0.06)}
    monkeypatch.setattr(golden, "read_golden", lambda _: wrong)
    seen = [see_as(bundle, engine) for engine in bundle.manifest.engines]

    def offers(_: Bundle, __: EngineConfig) -> list[Offer]:
        # LiteRT computes here in ONNX Runtime's place: only the tolerances differ.
        return [Offer(str(n), "litert", _as_litert(one)) for n, one in enumerate(seen)]

    monkeypatch.setattr(model_module, "list_offers", offers)
    assert load_model(ModelConfig(), EngineConfig()).engine == "1"


def _as_litert(seen: Bundle) -> Bundle:
    (tolerance,) = seen.manifest.golden.tolerance.values()
    vectors = msgspec.structs.replace(seen.manifest.golden, tolerance={"litert": tolerance})
    return Bundle(manifest=msgspec.structs.replace(seen.manifest, golden=vectors), files=seen.files, sha256=seen.sha256)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "bundle"
    shutil.copytree(default_bundle(), target)
    return target


def add_engine(folder: Path, **changes: Any) -> None:
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    backbone = {**manifest["backbone"], "file": "other.onnx"}
    engine = {"name": "onnx-fp16", "runtime": "onnx", "needs": ">=1.17", "backbone": backbone, "tolerance": 0.1}
    manifest["engines"] = [{**engine, "head": manifest["head"], **changes}]
    path.write_text(json.dumps(manifest))


def test_a_manifest_without_engines_stays_as_it_is() -> None:
    raw = (default_bundle() / MANIFEST).read_bytes()
    manifest = load_bundle(default_bundle()).manifest
    assert "engines" not in json.loads(raw)
    assert json.loads(msgspec.json.encode(manifest)) == json.loads(raw)


def test_an_engine_s_graph_without_a_hash_is_refused(folder: Path) -> None:
    add_engine(folder)
    with pytest.raises(BundleError, match=r"other.onnx has no hash in the manifest"):
        load_bundle(folder)


@pytest.mark.parametrize(("changes", "said"), [({"runtime": "magic"}, "runtime"), ({"tolerance": 0}, "tolerance")])
def test_an_impossible_engine_is_refused_in_words(folder: Path, changes: dict[str, Any], said: str) -> None:
    add_engine(folder, **changes)
    with pytest.raises(BundleError, match=said):
        load_bundle(folder)


def test_a_delegate_for_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[engine]\nruntime = "onnx"\ndelegate = "/usr/lib/libedgetpu.so.1"\n')
    with pytest.raises(ConfigError, match="delegate"):
        load_config(path)


def test_info_says_which_engine_runs() -> None:
    from edge.cli.info import gather

    bundle = gather(Config())["bundle"]
    assert (bundle["runtime"], bundle["engine"]) == ("litert", "litert")
