"""`train --network`: the LSTM network and one of a user's own, from drawn faces to a bundle, by the commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from convert.commands.pack import pack
from convert.commands.train import Stage, train
from convert.datasets.faces import FaceFinder
from convert.errors import DataError
from convert.quantization.graph import list_operators
from convert.run import Run
from edge.bundle import load_bundle


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Steps run as they are written: tracing these networks takes longer than the few steps a test makes."""
    from convert.keras_runtime import tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def _train(data: Path, folder: Path, network: str) -> None:
    train(data, folder, "tiny", None, None, None, data / "teacher", None, None, Stage.ALL, network)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "title", "operator", "left"),
    [
        ("lstm", "Inception-ResNet with LSTM, trained end to end", "MAX_POOL_2D", "end_to_end.json"),
        ("examples.mobilenet_v2:build", "examples.mobilenet_v2:build 0.0625", "DEPTHWISE_CONV_2D", "head.json"),
    ],
)
def test_a_named_network_is_trained_quantized_evaluated_and_packed(
    network: str,
    title: str,
    operator: str,
    left: str,
    drawn_data: Path,
    finder: FaceFinder,
    tmp_path: Path,
    eagerly: None,
) -> None:
    _train(drawn_data, tmp_path / "run", network)
    assert Run(tmp_path / "run").recipe().backbone.network == network
    assert (tmp_path / "run" / left).is_file()
    pack(tmp_path / "run", tmp_path / "bundle", "tiny", 1, "2026-01-02", None)
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.manifest.network.startswith(title)
    assert {metric.answer for metric in bundle.manifest.metrics} == {"frame", "stream"}
    assert operator in {each.name for each in list_operators(bundle.files["backbone.tflite"])}


@pytest.mark.slow
def test_a_network_that_is_not_there_leaves_no_run(drawn_data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no module nowhere"):
        _train(drawn_data, tmp_path / "run", "nowhere:build")
    assert not (tmp_path / "run").exists()
