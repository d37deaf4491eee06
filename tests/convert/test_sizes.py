"""Bundles of other sizes are measured on the same faces, and compared with the first in pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convert.errors import DataError
from convert.faces.finder import LabelledFace
from convert.predict.sizes import measure_sizes, parse_bundles, to_markdown
from edge.model.bundle import default_bundle, load_bundle

LANDMARKS = np.array([(70, 70), (130, 70), (100, 105), (82, 130), (118, 130)], np.float32)


def test_bundles_are_named_on_the_command_line() -> None:
    assert parse_bundles(["nano=a/b", "plus=c=d"]) == {"nano": Path("a/b"), "plus": Path("c=d")}
    for wrong in ("nano", "=a", "nano="):
        with pytest.raises(DataError, match="must be NAME=PATH"):
            parse_bundles([wrong])
    with pytest.raises(DataError, match="called nano already"):
        parse_bundles(["nano=a", "nano=b"])


def test_the_same_bundle_is_no_better_than_itself_and_its_cost_is_counted() -> None:
    rng = np.random.default_rng(0)
    held = [
        LabelledFace(
            name=f"drawn/{n}",
            source="drawn",
            validation=True,
            pixels=rng.integers(0, 256, (200, 200, 3), dtype=np.uint8),
            landmarks_px=LANDMARKS,
            rated=(0.0, 0.0),
        )
        for n in range(6)
    ]
    rated = rng.uniform(-1, 1, (6, 2)).astype(np.float32)
    bundle = load_bundle(default_bundle())
    first, second = measure_sizes({"default": bundle, "again": bundle}, held, rated)
    assert first.over_first == {}
    assert second.over_first["valence"].difference == 0
    assert second.over_first["valence"].verdict == "undecided"
    manifest = bundle.manifest
    assert first.graph_bytes == len(bundle.files[manifest.backbone.file]) + len(bundle.files[manifest.head.file])
    assert first.macs is not None
    assert first.macs > 1e6
    rows = to_markdown([first, second]).splitlines()[2:]
    assert len(rows) == 4
    assert ["undecided" in row for row in rows] == [False, False, True, True]
