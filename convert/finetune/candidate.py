"""From new weights to a candidate: the same quantization as any release, and a bundle beside the old one."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from convert.finetune.verdict import Comparison
from convert.package.packing import Label, assemble, write_folder, write_zip
from convert.package.signing import Signer
from convert.package.trained import Trained
from convert.quantize.export import export_backbone, export_head
from convert.train.examples import AUXILIARY
from convert.train.material import Shown, calibration_crops
from convert.train.run import save_weights
from edge.model.bundle import Bundle, Metric, Source
from edge.values import UInt8Array

CANDIDATE, WEIGHTS = "candidate", "weights"


def calibrate_on(new: Sequence[Shown], old: Sequence[Shown], trained: Trained) -> UInt8Array:
    """Device crops to calibrate on, half under an augmentation, and of few faces several: uint8 (N, S, S, 3), RGB."""
    recipe = trained.recipe
    both = [*new, *old]
    times = -(-recipe.calibration // len(both))
    return calibration_crops(both * times, recipe)


def quantize(backbone: list[Any], images: UInt8Array, trained: Trained) -> bytes:
    """The int8 backbone of new weights."""
    return export_backbone(backbone, trained.recipe, images, blendshapes=len(AUXILIARY)).backbone


def make_bundle(
    backbone: bytes,
    head: bytes,
    trained: Trained,
    *,
    sources: Sequence[Source] = (),
    metrics: Sequence[Metric] = (),
    evidence: str = "",
    licence: str | None = None,
) -> Bundle:
    """A bundle of the same name, one version on, with what was added to its sources."""
    before = trained.bundle.manifest
    label = Label(name=before.name, version=before.version + 1, created=time.strftime("%Y-%m-%d", time.gmtime()))
    return assemble(
        backbone,
        head,
        trained.recipe,
        label,
        sources=[*before.sources, *sources],
        metrics=list(metrics),
        evidence=evidence,
        licence=licence or before.licence,
    )


def head_graph(weights: list[Any], trained: Trained) -> bytes:
    """The float32 graph of a head."""
    return export_head(weights, trained.recipe)


def head_of(trained: Trained) -> bytes:
    """The head's graph of the bundle to begin with, byte for byte."""
    return trained.bundle.files[trained.bundle.manifest.head.file]


def write_candidate(folder: Path, bundle: Bundle, backbone: list[Any], head: list[Any], signer: Signer | None) -> Path:
    """Writes bundle and float weights into a folder, for either verdict; returns the bundle's."""
    place = folder / CANDIDATE
    write_folder(bundle, place, signer)
    (folder / WEIGHTS).mkdir(exist_ok=True)
    save_weights(folder / WEIGHTS / "backbone.npz", [np.asarray(weight) for weight in backbone])
    save_weights(folder / WEIGHTS / "head.npz", [np.asarray(weight) for weight in head])
    return place


def take_place(bundle: Bundle, path: Path, signer: Signer | None) -> None:
    """Writes an accepted candidate where the bundle it was compared with lies, a folder or a ZIP."""
    if path.is_dir():
        write_folder(bundle, path, signer)
        return
    unpacked = path.with_name(f"{path.name}.folder")
    write_folder(bundle, unpacked, signer)
    try:
        write_zip(unpacked, path)
    finally:
        for file in unpacked.iterdir():
            file.unlink()
        unpacked.rmdir()


def metrics_of(comparisons: Sequence[Comparison]) -> list[Metric]:
    """The candidate's agreement on each set, for the manifest."""
    return [
        msgspec.convert({"data": each.data, "answer": answer, "target": target, **found._asdict()}, Metric)
        for each in comparisons
        for answer, by_target in each.agreement.items()
        for target, found in by_target.items()
    ]


def write_record(folder: Path, name: str, record: dict[str, Any], page: str) -> None:
    """Writes `NAME.json` and `NAME.md`."""
    (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    (folder / f"{name}.md").write_text(page)
