"""`baselines`: HOG and LBP with ridge regression beside a bundle, on the same rated faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from convert.commands.options import BundleOption, DataOption, LandmarkerOption, PicturesOption, find_landmarker
from convert.errors import DataError
from convert.faces.kit import kit_faces
from convert.metrics import TARGETS
from convert.predict import agreement
from convert.predict.baselines import FEATURES, fit_baseline
from convert.predict.corruption import CLEAN
from convert.predict.evaluation import Device, answer_frames
from convert.predict.measure import plain
from convert.predict.render import render
from convert.predict.subjects import finder
from convert.predict.table import hash_graphs, join, make_predictions
from convert.progress import Progress
from convert.train.batches import cut_crops
from edge.model.bundle import default_bundle, load_bundle
from edge.output_files import check_output


def baselines(
    data: DataOption = Path("../shared/data"),
    bundle: BundleOption = None,
    write: Annotated[Path | None, typer.Option("--write", help="Also write the page here (Markdown).")] = None,
    landmarker: LandmarkerOption = None,
    kept: PicturesOption = Path("out/pictures"),
) -> None:
    """Fits HOG and LBP with ridge regression on rated faces and compares them with a bundle. Takes some minutes.

    Learns from split train, judges on split dev of the faces that people rated.

    Example: python -m convert baselines --data ../shared/data --write docs/baselines.md
    """
    check_output("--write", write, bundle)
    source = load_bundle(bundle or default_bundle())
    device, manifest = Device(source), source.manifest
    faces = kit_faces(data)
    found = finder(find_landmarker(data, landmarker), kept)(faces[faces["rater"] == "people"].reset_index(drop=True))
    crops = cut_crops([found.pictures.loose[n] for n in range(len(found.faces))], manifest.crop.size)
    learn, asked = (np.flatnonzero((found.faces["split"] == split).to_numpy()) for split in ("train", "dev"))
    if not len(asked) or found.faces["subject"].iloc[learn].nunique() < 5:
        raise DataError(f"{data}: too few rated faces to learn from and to judge on")
    va = found.faces[list(TARGETS)].to_numpy(np.float32)
    answers = {"frame": answer_frames(device.backbone, crops[asked])}
    with Progress("baselines", len(FEATURES), every=1) as progress:
        for name, features in FEATURES.items():
            groups = found.faces["subject"].iloc[learn].to_list()
            answers[name] = fit_baseline(features, crops[learn], va[learn], groups, crops[asked])
            progress.advance()
    ids = found.faces["id"].iloc[asked]
    rows = [(face, CLEAN, name, *said[n], True, None) for name, said in answers.items() for n, face in enumerate(ids)]
    scored = join(found.faces, make_predictions(rows, hash_graphs(manifest)))
    page = render(
        "baselines.md.j2",
        size=manifest.crop.size,
        learned=len(learn),
        name=manifest.name,
        version=manifest.version,
        sets=plain(agreement.by_set(scored)),
        differences=plain(agreement.compare_answers(scored, [("frame", name) for name in FEATURES])),
    )
    print("\n".join(line for line in page.splitlines() if line.startswith("|")))
    if write is not None:
        write.write_text(page, encoding="utf-8")
