"""`train --network`: the LSTM network from drawn faces to a bundle, by the commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from convert.commands.options import changed_recipe
from convert.commands.pack import pack
from convert.commands.train import Stage, train
from convert.errors import DataError
from convert.faces.finder import FaceFinder
from convert.train.run import Run
from edge.model.bundle import load_bundle


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Steps run as they are written: tracing the network takes longer than the few steps a test makes."""
    from convert.networks.keras_runtime import tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def _train(data: Path, folder: Path, network: str) -> None:
    train(data, folder, "tiny", None, None, None, data / "teacher", None, None, Stage.ALL, network)


@pytest.mark.slow
def test_the_lstm_network_is_trained_in_one_quantized_evaluated_and_packed(
    drawn_data: Path, finder: FaceFinder, tmp_path: Path, eagerly: None
) -> None:
    _train(drawn_data, tmp_path / "run", "lstm")
    assert Run(tmp_path / "run").recipe().backbone.network == "lstm"
    assert (tmp_path / "run" / "end_to_end.json").is_file()
    assert not (tmp_path / "run" / "head.json").exists()  # no second training of the head
    pack(tmp_path / "run", tmp_path / "bundle", "tiny", 1, "2026-01-02", None)
    manifest = load_bundle(tmp_path / "bundle").manifest
    assert manifest.network.startswith("Inception-ResNet with LSTM, trained end to end")
    assert {metric.answer for metric in manifest.metrics} == {"frame", "stream"}


@pytest.mark.slow
def test_a_network_that_is_not_there_leaves_no_run(drawn_data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no module nowhere"):
        _train(drawn_data, tmp_path / "run", "nowhere:build")
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_begins_with_the_shipped_weights_takes_no_other_network() -> None:
    with pytest.raises(DataError, match="recipe nano begins with weights that network deep cannot take"):
        changed_recipe("nano", None, None, None, "deep")
    assert changed_recipe("nano", None, None, None, "shallow").backbone.grown
