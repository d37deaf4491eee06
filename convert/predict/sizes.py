"""A front of sizes: bundles beside the run's own on the same held-out faces, what each costs and how well it agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from convert.errors import DataError, TrainingError
from convert.faces.finder import LabelledFace, cut_faces
from convert.metrics import TARGETS, Agreement
from convert.networks.cost import count_macs
from convert.predict.compare import Difference, paired_bootstrap
from convert.predict.evaluation import ANSWERS, Device, compare
from edge.model.bundle import Bundle
from edge.values import Float32Array

_STREAM = ANSWERS.index("stream")


class Size(NamedTuple):
    """One bundle.

    Attributes:
        name: as the user calls it.
        crop_px: side of its crop.
        graph_bytes: of backbone and head.
        macs: multiply-accumulates of one face, backbone and one step; None where an operator cannot be counted.
        agreement: of the streamed answer, by target.
        over_first: its CCC less the first bundle's, by target, paired by face; empty for the first.
    """

    name: str
    crop_px: int
    graph_bytes: int
    macs: int | None
    agreement: dict[str, Agreement]
    over_first: dict[str, Difference]


def parse_bundles(texts: Sequence[str]) -> dict[str, Path]:
    """Takes bundles as named on the command line, `NAME=PATH`, apart.

    Raises:
        DataError: one is not of that form, or a name comes twice.
    """
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise DataError(f"--bundle {text}: must be NAME=PATH, for instance nano=out/nano/bundle")
        if name in found:
            raise DataError(f"--bundle {text}: another bundle is called {name} already")
        found[name] = Path(path)
    return found


def measure_sizes(bundles: Mapping[str, Bundle], held: Sequence[LabelledFace], rated: Float32Array) -> list[Size]:
    """Scores the same faces with every bundle.

    Args:
        bundles: by name; the others are compared with the first.
        held: N faces outside of every training.
        rated: float32 (N, 2).
    """
    sizes: list[Size] = []
    first: Float32Array | None = None
    for name, bundle in bundles.items():
        manifest, device = bundle.manifest, Device(bundle)
        crops = cut_faces(held, manifest.crop.size, manifest.crop.rule)
        answers = np.stack([device.answer(crop) for crop in crops])
        streamed = answers[:, _STREAM]
        graphs = [bundle.files[file] for file in (manifest.backbone.file, manifest.head.file)]
        sizes.append(
            Size(
                name=name,
                crop_px=manifest.crop.size,
                graph_bytes=sum(map(len, graphs)),
                macs=_count(graphs),
                agreement=compare(rated, answers, len(held)).agreement["stream"],
                over_first={} if first is None else paired_bootstrap(rated, streamed, first),
            )
        )
        first = streamed if first is None else first
    return sizes


def to_markdown(sizes: Sequence[Size]) -> str:
    """A row a bundle and target."""
    lines = [
        "| bundle | crop | KB | MMAC a face | target | CCC [95%] | less the first [95%] |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        macs = "" if size.macs is None else f"{size.macs / 1e6:.1f}"
        for target in TARGETS:
            found, lead = size.agreement[target], size.over_first.get(target)
            over = "" if lead is None else f"{lead.difference:+.3f} [{lead.low:+.3f}, {lead.high:+.3f}], {lead.verdict}"
            lines.append(
                f"| {size.name} | {size.crop_px} | {size.graph_bytes / 1024:.0f} | {macs} | {target} "
                f"| {found.ccc:.3f} [{found.ccc_low:.3f}, {found.ccc_high:.3f}] | {over} |"
            )
    return "\n".join(lines)


def _count(graphs: Sequence[bytes]) -> int | None:
    try:
        return sum(map(count_macs, graphs))
    except TrainingError:
        return None
