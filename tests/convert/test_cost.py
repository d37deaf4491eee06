"""Multiply-accumulates and parameters against sums made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convert.errors import TrainingError
from convert.networks.cost import count_macs, count_parameters
from edge.model.bundle import default_bundle, load_bundle


def _convert(function: Callable[[Any], Any], *shape: int) -> bytes:
    from convert.networks.keras_runtime import tf

    # The weights come from a module: what a plain function closes over may be collected before it is converted.
    module = tf.Module()
    module.serve = tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32)])
    concrete = module.serve.get_concrete_function()
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert())


@pytest.mark.slow
def test_a_convolution_costs_its_outputs_times_its_filter() -> None:
    from convert.networks.keras_runtime import tf

    filters, bias = tf.random.normal((3, 5, 4, 6)), tf.random.normal((6,))
    graph = _convert(lambda x: tf.nn.bias_add(tf.nn.conv2d(x, filters, 2, "SAME"), bias), 1, 8, 10, 4)
    # 4 × 5 places after the stride, 6 filters, each 3 × 5 × 4.
    assert count_macs(graph) == 4 * 5 * 6 * (3 * 5 * 4)
    assert count_parameters(graph) == 3 * 5 * 4 * 6 + 6


@pytest.mark.slow
def test_a_depthwise_convolution_costs_one_window_for_each_output() -> None:
    from convert.networks.keras_runtime import tf

    filters = tf.random.normal((3, 3, 8, 1))
    graph = _convert(lambda x: tf.nn.depthwise_conv2d(x, filters, (1, 1, 1, 1), "VALID"), 1, 9, 9, 8)
    assert count_macs(graph) == 7 * 7 * 8 * 9


@pytest.mark.slow
def test_a_transposed_convolution_spreads_each_input_by_each_filter() -> None:
    from convert.networks.keras_runtime import tf

    filters = tf.random.normal((2, 2, 5, 3))
    graph = _convert(lambda x: tf.nn.conv2d_transpose(x, filters, (1, 8, 8, 5), 2), 1, 4, 4, 3)
    assert count_macs(graph) == 4 * 4 * 3 * (2 * 2 * 5)
    assert 2 * 2 * 5 * 3 <= count_parameters(graph) <= 2 * 2 * 5 * 3 + 5  # the converter may add a bias of zeros


@pytest.mark.slow
def test_products_of_matrices_cost_their_outputs_times_the_inner_side() -> None:
    from convert.networks.keras_runtime import tf

    kernel = tf.random.normal((7, 5))
    assert count_macs(_convert(lambda x: tf.matmul(x, kernel), 3, 7)) == 3 * 7 * 5
    assert count_macs(_convert(lambda x: tf.matmul(x, x, transpose_b=True), 1, 4, 6)) == 4 * 4 * 6


@pytest.mark.slow
def test_what_cannot_be_counted_is_refused() -> None:
    from convert.networks.keras_runtime import tf

    filters = tf.random.normal((2, 2, 2, 1, 3))
    with pytest.raises(TrainingError, match="CONV_3D: its multiply-accumulates are not counted"):
        count_macs(_convert(lambda x: tf.nn.conv3d(x, filters, (1, 1, 1, 1, 1), "SAME"), 1, 4, 4, 4, 1))


def test_the_shipped_head_costs_its_four_gates_and_two_readouts() -> None:
    bundle = load_bundle(default_bundle())
    manifest = bundle.manifest
    length, units = manifest.head.embedding.shape[-1], manifest.head.h.shape[-1]
    by_hand = (length + units) * 4 * units + (length + units) * 2
    assert count_macs(bundle.files[manifest.head.file]) == by_hand


def test_the_table_has_a_row_for_each_network_and_size_and_goes_between_the_pages_marks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from convert.commands import networks as command

    monkeypatch.setattr(command, "measure", lambda name, size, width: f"| `{name}` | {size} | {width:g} |")
    page = tmp_path / "networks.md"
    page.write_text(f"before\n{command.BEGIN}old{command.END}\nafter\n")
    command.networks(None, None, None, page)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    assert rows == [
        "| `shallow` | 112 | 0.25 |",
        "| `deep` | 112 | 0.25 |",
        "| `shallow` | 299 | 1 |",
        "| `deep` | 299 | 1 |",
    ]
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert all(row in text for row in rows)
    command.networks(96, None, ["mine:build"], None)
    assert "| `mine:build` | 96 | 0.25 |" in capsys.readouterr().out


def test_the_page_of_networks_has_the_marks_that_the_command_writes_between() -> None:
    from convert.commands.networks import BEGIN, END

    page = (Path(__file__).resolve().parents[2] / "docs" / "networks.md").read_text()
    assert page.index(BEGIN) < page.index("| `shallow` |") < page.index(END)
