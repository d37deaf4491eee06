"""No verb of any tool writes over a file that it was given to read."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from edge.errors import EdgeError


@pytest.mark.parametrize(
    ("function", "given"),
    [
        ("edge.cli.replay:replay", lambda file: {"video": file, "scores": file}),
        ("edge.cli.bench:bench", lambda file: {"config": file, "out": file}),
        ("convert.commands.labels:merge", lambda file: {"files": [file], "out": file}),
        ("convert.commands.labels:merge", lambda file: {"files": [], "gold": file, "out": file}),
        ("convert.commands.labels:report", lambda file: {"files": [file], "picture": file}),
        ("convert.commands.ladder:ladder", lambda file: {"add": [file], "write": file.with_suffix(".md")}),
        ("convert.commands.ladder:ladder", lambda file: {"write": file}),
        ("convert.commands.pack:pack", lambda file: {"sign": file, "out": file.parent}),
        ("convert.commands.pack:pack", lambda file: {"sign": file, "archive": file}),
        ("convert.commands.onnx:onnx", lambda file: {"bundle": file.parent, "out": file.parent}),
        ("convert.commands.baselines:baselines", lambda file: {"bundle": file, "write": file}),
        ("convert.commands.report:report", lambda file: {"beside": [f"nano={file}"], "page": file}),
        ("benchmarks.egress.command:egress", lambda file: {"video": file, "report": file}),
        ("benchmarks.floor.command:floor", lambda file: {"bundle": file, "out": file}),
        ("benchmarks.peers.command:peers", lambda file: {"bundle": [file], "out": file}),
        ("firmware_config.arm64.command:arm64_check", lambda file: {"clip": file, "out": file}),
    ],
)
def test_output_that_is_an_input_is_refused_and_left_as_it_is(
    tmp_path: Path, function: str, given: Callable[[Path], dict[str, Any]]
) -> None:
    module, _, name = function.partition(":")
    file = tmp_path / "input.json"
    file.write_text("# precious")
    with pytest.raises(EdgeError, match=r"^--[a-z]+ .*(would be overwritten|name it \.md)"):
        getattr(import_module(module), name)(**given(file))
    assert file.read_text() == "# precious"
