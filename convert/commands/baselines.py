"""`baselines`: HOG and LBP with ridge regression beside a bundle, on the same held-out faces."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from convert.commands.options import DataOption
from convert.errors import DataError
from convert.faces import diffusionfer
from convert.faces.collection import data_root
from convert.faces.finder import FaceFinder, LabelledFace, cut_faces
from convert.metrics import TARGETS, agreement
from convert.predict.baselines import FEATURES, Faces, fit_baseline
from convert.predict.compare import paired_bootstrap
from convert.predict.evaluation import Device, answer_frames
from convert.progress import Progress
from edge.model.bundle import Crop, default_bundle, load_bundle
from edge.output_files import check_output
from edge.values import Float32Array

_PAGE = """\
# Against the field's baselines

Written by `python -m convert baselines --write docs/baselines.md` on {machine}; every figure comes from that run.

HOG (9 orientations, cells of 8 px, blocks of 2 × 2) and LBP (uniform, 8 neighbours at 1 px, histograms in cells of
16 px) of the device's own aligned crops of {size} px, standardized, with ridge regression; its strength is chosen by
five-fold cross-validation on the training part, whole groups on one side. They learn from the {learned} rated faces of
DiffusionFER-S outside of the held-out part and their mirror images. The network is bundle `{name}` version {version},
its int8 graph's answer to the picture alone (`frame`).

{agreement}

{held} held-out faces that two raters judged, in {groups} groups. Intervals are 95% bootstrap intervals of CCC that draw
whole groups.

## Is the difference more than chance?

{differences}

The difference is the network's CCC less the baseline's, both on the same resampled faces.

**What this does and does not say.** The network also learned from faces that the baselines have not: generated faces
that the teacher labelled, and the studio's re-enactments. So the table compares what one gets, not depth alone. An
expression is not a feeling: all of them estimate how raters would judge a face, none what a person feels.
"""


def baselines(
    data: DataOption = Path("../shared/data"),
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Folder or ZIP; default: the shipped one.")] = None,
    write: Annotated[Path | None, typer.Option("--write", help="Also write the page here (Markdown).")] = None,
) -> None:
    """Fits HOG and LBP with ridge regression on rated faces and compares them with a bundle. Takes some minutes.

    Example: python -m convert baselines --data ../shared/data --write docs/baselines.md
    """
    check_output("--write", write, bundle)
    device = Device(load_bundle(bundle or default_bundle()))
    crop = device.manifest.crop
    root = data_root(data)
    faces = diffusionfer.load_diffusionfer(root / diffusionfer.SOURCE, FaceFinder())
    learn, held = (_cut([face for face in faces if face.validation is side], crop) for side in (False, True))
    if not len(held.va) or len(set(learn.groups)) < 5:
        raise DataError(f"{root}: too few rated faces to learn from and to hold out")
    answers = {f"{device.manifest.name} {device.manifest.version}": answer_frames(device.backbone, held.crops)}
    with Progress("baselines", len(FEATURES), every=1) as progress:
        for name, features in FEATURES.items():
            fitted = fit_baseline(features, learn, held)
            alphas = " and ".join(f"{alpha:.3g}" for alpha in fitted.alphas)
            answers[f"{name} ({fitted.length} features), ridge {alphas}"] = fitted.answers
            progress.advance()
    tables = _table_of_agreement(answers, held), _table_of_differences(answers, held)
    print("\n\n".join(tables))
    if write is not None:
        page = _PAGE.format(
            machine=f"{platform.machine()}, Python {platform.python_version()}",
            size=crop.size,
            learned=len(learn.va),
            held=len(held.va),
            groups=len(set(held.groups)),
            name=device.manifest.name,
            version=device.manifest.version,
            agreement=tables[0],
            differences=tables[1],
        )
        write.write_text(page)


def _cut(faces: Sequence[LabelledFace], crop: Crop) -> Faces:
    rated = [face for face in faces if face.rated is not None]
    return Faces(
        cut_faces(rated, crop.size, crop.rule),
        np.array([face.rated for face in rated], np.float32).reshape(-1, 2),
        [face.cluster for face in rated],
    )


def _table_of_agreement(answers: dict[str, Float32Array], held: Faces) -> str:
    lines = ["| method | target | CCC (95% interval) | CC | RMSE | SAGR |", "|---|---|---|---|---|---|"]
    for name, va in answers.items():
        for t, target in enumerate(TARGETS):
            a = agreement(held.va[:, t], va[:, t], groups=held.groups)
            lines.append(
                f"| {name} | {target} | {a.ccc:.3f} ({a.ccc_low:.3f} to {a.ccc_high:.3f}) | {a.cc:.3f} "
                f"| {a.rmse:.3f} | {a.sagr:.3f} |"
            )
    return "\n".join(lines)


def _table_of_differences(answers: dict[str, Float32Array], held: Faces) -> str:
    (_, ours), *others = answers.items()
    lines = ["| against | target | difference [95%] | the network is |", "|---|---|---|---|"]
    for name, other in others:
        for target, found in paired_bootstrap(held.va, ours, other, held.groups).items():
            told = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
            lines.append(f"| {name} | {target} | {told} | {found.verdict} |")
    return "\n".join(lines)
