"""Everything that is measured of one bundle, as a record from which every page, card and gate is read."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.finder import FaceFinder
from convert.faces.pictures import Found, Pictures, loose_square
from convert.metrics import TARGETS
from convert.predict import agreement, groups, muscles, robustness
from convert.predict.clips import predict_clips
from convert.predict.corruption import CLEAN, CONDITIONS, MIRROR
from convert.predict.evaluation import Device, embed_crop
from convert.predict.table import hash_graphs, join, predict
from convert.predict.trial import Act, predict_trial
from convert.progress import Progress
from edge.affect.backbone import Backbone
from edge.face.crop import cut_square
from edge.face.detector import Detector
from edge.face.search import Search
from edge.model.bundle import Bundle, Metric
from edge.values import Float32Array

RECORD = "model.json"
_DIGITS = 4
_PAIRS = (("stream", "frame"), ("stream", "average"), ("frame", "float"), ("frame", "teacher"), (MIRROR, "frame"))


class Subjects(NamedTuple):
    """What a bundle is measured on.

    Attributes:
        stills: faces of splits dev and test with their pictures; those of test from `open_test`.
        fit: faces of split train, from whose embeddings a ridge learns muscles; None leaves that table out.
        clips: rated faces in videos, from `open_test`; None where there are none.
        acts: of the studio, to be shown under accidents.
    """

    stills: Found
    fit: Found | None = None
    clips: Found | None = None
    acts: Sequence[Act] = ()


def measure(
    bundle: Bundle,
    on: Subjects,
    *,
    conditions: Sequence[str] = tuple(CONDITIONS),
    most: int = 300,
    float_backbone: Backbone | None = None,
    others: dict[str, Float32Array] | None = None,
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """The predictions of a bundle, and the standing tables.

    Args:
        bundle: to measure.
        on: the faces.
        conditions, most: tried on that many of the faces, test first.
        float_backbone, others: see `predict`.
    """
    faces, pictures, _ = on.stills
    detector: Detector = Search()
    with Progress("faces", len(faces), every=200) as progress:
        said = predict(
            bundle,
            faces,
            pictures,
            (CLEAN, MIRROR),
            detector=detector,
            float_backbone=float_backbone,
            others=others,
            advance=progress.advance,
        )
    hard = [name for name in conditions if name not in (CLEAN, MIRROR)]
    if hard:
        rows = _judged(faces, most)
        with Progress("conditions", len(rows), every=50) as progress:
            spoilt = predict(
                bundle, faces.iloc[rows], pictures.take(rows), hard, detector=detector, advance=progress.advance
            )
        said = pd.concat([said, spoilt[spoilt["condition"] != CLEAN]], ignore_index=True)
    scored = join(faces, said)
    tables = _of_stills(scored, faces, pictures)
    if on.clips is not None:
        seen = on.clips.faces
        with Progress("clips", seen["clip"].nunique(), every=5) as progress:
            watched = predict_clips(bundle, seen, FaceFinder(), advance=progress.advance)
        tables |= _of_clips(join(seen, watched), on.clips, watched)
        said = pd.concat([said, watched], ignore_index=True)
    if on.acts:
        with Progress("acts", len(on.acts), every=20) as progress:
            acts, answers = predict_trial(bundle, on.acts, advance=progress.advance)
        shown = join(acts, answers)
        tables["acts"] = agreement.compare_answers(shown, _PAIRS[:2])
        tables["accidents"] = agreement.score(shown, ["expression", "answer"])
    if on.fit is not None:
        tables["muscles"] = _muscles(bundle, on, said)
    return said, {name: table for name, table in tables.items() if len(table)}


def _of_stills(scored: pd.DataFrame, faces: pd.DataFrame, pictures: Pictures) -> dict[str, pd.DataFrame]:
    test = scored[scored["split"] == "test"] if (scored["split"] == "test").any() else scored
    return {
        "sets": agreement.by_set(scored),
        "splits": agreement.dev_against_test(scored),
        "expressions": agreement.within_expression(test),
        "faces": agreement.within_face(test[test["answer"].isin(("frame", "stream"))]),
        "pairs": agreement.compare_answers(test, _PAIRS[2:]),
        "speech": muscles.speech(test, pictures.blendshapes, faces["id"]),
        "ages": groups.by_group(scored, groups.read_ages(), groups.AGES),
        "tones": groups.by_group(test, groups.tones_of(faces, pictures), tuple(groups.TONES)),
        "robustness": robustness.kept(scored),
        "skin": robustness.shifts(scored),
    }


def _of_clips(scored: pd.DataFrame, clips: Found, watched: pd.DataFrame) -> dict[str, pd.DataFrame]:
    plain = watched[(watched["answer"] == "frame") & watched["embedding"].notna()].set_index("id")
    rows = clips.faces["id"].isin(plain.index).to_numpy()
    seen = clips.faces[rows]
    features = {
        "embedding": np.stack(plain.loc[seen["id"], "embedding"].to_list()),
        "landmarker's blendshapes": clips.pictures.blendshapes[rows],
    }
    return {
        "real": agreement.by_set(scored),
        "real_faces": agreement.within_face(scored),
        "real_pairs": agreement.compare_answers(scored, _PAIRS[:2]),
        "real_pairs_within": agreement.compare_answers(scored, _PAIRS[:2], within=True),
        "real_speech": muscles.speech(scored, clips.pictures.blendshapes, clips.faces["id"]),
        "read_out": muscles.read_out(features, seen[list(TARGETS)].to_numpy(np.float32), seen["subject"]),
    }


def _muscles(bundle: Bundle, on: Subjects, said: pd.DataFrame) -> pd.DataFrame:
    assert on.fit is not None
    device, size = Device(bundle), Device(bundle).manifest.crop.size
    vectors = said[said["embedding"].notna()].set_index("id")["embedding"]

    def known(found: Found, rows: Any) -> tuple[Float32Array, Float32Array]:
        return np.stack(vectors.loc[found.faces["id"][rows]].to_list()), found.pictures.blendshapes[rows]

    loose = on.fit.pictures.loose
    learnt = [embed_crop(device.backbone, cut_square(loose[n], loose_square(), size)) for n in range(len(loose))]
    test = on.stills.faces["split"] == "test"
    sets = {"generated faces": known(on.stills, (test if test.any() else ~test).to_numpy())}
    if on.clips is not None:
        sets["real clips"] = known(on.clips, on.clips.faces["id"].isin(vectors.index).to_numpy())
    return muscles.muscles((np.stack([each.vector for each in learnt]), on.fit.pictures.blendshapes), sets)


def _judged(faces: pd.DataFrame, most: int) -> list[int]:
    """Rows to try conditions on: rated, of split test where there is one, chosen by a hash of their ids."""
    rated = faces[faces["valence"].notna()]
    rated = rated[rated["split"] == "test"] if (rated["split"] == "test").any() else rated
    order = sorted(rated.index, key=lambda row: hashlib.sha256(faces.at[row, "id"].encode()).digest())
    return sorted(order[:most])


def make_record(
    bundle: Bundle, tables: dict[str, pd.DataFrame], on: Subjects, *, trained_apart: bool
) -> dict[str, Any]:
    """The record: what was measured, of what, and every table as a list of rows.

    Args:
        bundle: measured.
        tables: as `measure` gives them.
        on: what it was measured on.
        trained_apart: whether it is known that no face of dev or test took part in the training.
    """
    manifest = bundle.manifest
    stills = on.stills.faces
    return {
        "bundle": {"name": manifest.name, "version": manifest.version, "network": manifest.network},
        "graphs": hash_graphs(manifest),
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": platform.machine(),
        "trained_apart": trained_apart,
        "faces": {split: int(count) for split, count in stills["split"].value_counts().items()},
        "not_found": on.stills.left_out,
        "people": 0 if on.clips is None else int(on.clips.faces["subject"].nunique()),
        "tables": {name: plain(table) for name, table in tables.items()},
    }


_TITLES = {
    "clips": "real people in video clips, rated by an AI model",
    "diffusionfer": "DiffusionFER-S, test part, rated by people",
    "sfhq": "SFHQ, test part, rated by an AI model",
}


def metrics_of(record: dict[str, Any]) -> list[Metric]:
    """The manifest's metrics: `frame` and `stream` on real faces and on the test part of each set but the studio's.

    A set of one person has no interval; the manifest then says −1 to 1, which excludes nothing.
    """
    rows = [*record["tables"].get("real", []), *record["tables"].get("sets", [])]
    return [
        Metric(
            data=_TITLES.get(row["source"], f"{row['source']}, test part"),
            **{name: row[name] for name in ("answer", "target", "n", "ccc", "cc", "rmse", "sagr")},
            ccc_low=-1.0 if row["ccc_low"] is None else row["ccc_low"],
            ccc_high=1.0 if row["ccc_high"] is None else row["ccc_high"],
        )
        for row in rows
        if row["split"] == "test" and row["answer"] in ("frame", "stream") and not row["source"].startswith("studio")
    ]


def plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as rows for JSON: floats rounded, None where there is no number."""

    def cell(value: Any) -> Any:
        if isinstance(value, (float, np.floating)):
            return None if math.isnan(value) else round(float(value), _DIGITS)
        return value.item() if isinstance(value, np.generic) else value

    return [{str(name): cell(value) for name, value in row.items()} for row in table.to_dict("records")]


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Writes a record, a line a row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_record(path: Path) -> dict[str, Any]:
    """Reads a record.

    Raises:
        DataError: it is missing or none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such record; run `python -m convert test` or `report`") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a record ({error})") from error
    if not isinstance(found, dict) or not {"bundle", "graphs", "tables"} <= found.keys():
        raise DataError(f"{path}: not a record of `python -m convert test` or `report`")
    return found
