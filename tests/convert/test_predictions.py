"""The predictions table: what conditions change, what the detector misses, and that clips are watched step by step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from convert.errors import DataError
from convert.faces.finder import FaceFinder
from convert.faces.pictures import SIDE, Found, find_faces, loose_square
from convert.faces.table import make_faces
from convert.predict.clips import predict_set, smooth
from convert.predict.corruption import CONDITIONS, MIRROR, dimmed, overexposed
from convert.predict.evaluation import Device
from convert.predict.table import hash_graphs, join, predict, read_predictions
from convert.predict.trial import FAMILIES, UNSEEN, families, predict_trial
from convert.predict.unseen_covers import UNSEEN as UNSEEN_COVERS
from edge.face.crop import cut_square
from edge.face.search import Search
from edge.model.bundle import default_bundle, load_bundle
from edge.values import Detection, UInt8Array

BUNDLE = load_bundle(default_bundle())
RATE, LENGTH = 20.0, 60
REPO = Path(__file__).resolve().parents[2]


class Blind:
    """A detector that finds nothing."""

    def detect(self, _: UInt8Array) -> list[Detection]:
        return []


def draw_found(finder: FaceFinder, draw_face: Callable[..., np.ndarray], count: int) -> list[np.ndarray]:
    rng, found = np.random.default_rng(5), []
    while len(found) < count:
        pixels = draw_face(rng, rng.uniform(-0.8, 0.8), rng.uniform(0, 0.8))
        found += [pixels] if finder.find(pixels) is not None else []
    return found


@pytest.fixture(scope="module")
def drawn(finder: FaceFinder, draw_face: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("drawn")
    rows = []
    for number, pixels in enumerate(draw_found(finder, draw_face, 6)):
        cv2.imwrite(str(folder / f"{number}.png"), pixels[:, :, ::-1])
        row = {"id": f"drawn/{number}", "picture": str(folder / f"{number}.png"), "subject": f"drawn/{number}"}
        rows.append(row | {"valence": number / 10, "arousal": -number / 10, "rater": "people", "split": "test"})
    rows[-1] |= {"valence": np.nan, "arousal": np.nan, "rater": ""}
    columns = pd.DataFrame(rows).assign(source="drawn")
    return find_faces(make_faces({name: columns[name] for name in columns}), finder, None, folder / "kept")


@pytest.fixture(scope="module")
def detector() -> Search:
    return Search()


def test_a_table_has_a_row_a_face_condition_and_answer_and_is_read_back(
    drawn: Found, detector: Search, tmp_path: Path
) -> None:
    said = predict(BUNDLE, drawn.faces, drawn.pictures, ("mouth box", MIRROR), detector=detector)
    assert len(said) == 6 * (3 * 2 + 1)  # frame and device under three conditions, and the stream
    assert set(said["bundle"]) == {hash_graphs(BUNDLE.manifest)}
    assert said["embedding"].notna().sum() == 6
    assert not said.duplicated(["id", "condition", "answer"]).any()
    said.to_parquet(tmp_path / "said.parquet")
    again = read_predictions(tmp_path / "said.parquet")
    assert again["valence"].equals(said["valence"])
    rated = said[said["id"].isin(drawn.faces["id"].iloc[:5]) & said["valence"].notna()]
    assert len(join(drawn.faces, said)) == len(rated)  # nobody rated the last one


def test_the_clean_frame_answer_is_the_device_s_to_the_crop(drawn: Found, detector: Search) -> None:
    said = predict(BUNDLE, drawn.faces, drawn.pictures, detector=detector).set_index(["id", "answer"])
    device = Device(BUNDLE)
    for number in range(6):
        crop = cut_square(drawn.pictures.loose[number], loose_square(), device.manifest.crop.size)
        frame, stream = device.answer(crop)
        for answer, wanted in (("frame", frame), ("stream", stream)):
            told = said.loc[(f"drawn/{number}", answer), ["valence", "arousal"]]
            assert told.to_numpy(float) == pytest.approx(wanted, abs=0.05)  # the frame is placed once more


def test_a_face_that_the_detector_misses_has_a_frame_answer_and_no_device_answer(drawn: Found) -> None:
    said = predict(BUNDLE, drawn.faces, drawn.pictures, detector=Blind())
    assert not said["found"].any()
    assert said[said["answer"] == "device"]["valence"].isna().all()
    assert said[said["answer"] == "frame"]["valence"].notna().all()


def test_only_some_faces_are_tried_under_conditions_and_an_unknown_one_is_refused(
    drawn: Found, detector: Search
) -> None:
    said = predict(BUNDLE, drawn.faces, drawn.pictures, ("mask",), detector=detector, most=2)
    assert said[said["condition"] == "mask"]["id"].nunique() == 2
    with pytest.raises(DataError, match="fog: no such condition"):
        predict(BUNDLE, drawn.faces, drawn.pictures, ("fog",), detector=detector)


@pytest.mark.parametrize("name", [name for name, how in CONDITIONS.items() if how.corrupt is not None])
def test_a_corruption_keeps_the_shape_changes_the_picture_and_repeats(name: str, drawn: Found) -> None:
    corrupt, loose = CONDITIONS[name].corrupt, drawn.pictures.loose[0]
    assert corrupt is not None
    first, again = (corrupt(loose.copy(), np.random.default_rng(3)) for _ in range(2))
    assert first.shape == (SIDE, SIDE, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert (first != loose).any()
    if CONDITIONS[name].axis in ("cover", "unseen cover", "skin"):  # something before the face, nothing beside it
        assert np.array_equal(first[:40], loose[:40])


def test_a_tenth_of_the_light_is_darker_and_noisier_and_too_much_is_cut_at_white() -> None:
    grey = np.full((SIDE, SIDE, 3), 160, np.uint8)
    dark = dimmed(0.1)(grey, np.random.default_rng(0))
    assert 40 < dark.mean() < 80
    assert dark.std() > dimmed(0.5)(grey, np.random.default_rng(0)).std() > 0
    assert (overexposed(3.0)(grey, np.random.default_rng(0)) == 255).all()


def test_training_knows_nothing_of_what_it_is_judged_by() -> None:
    for folder in ("train", "augment", "studio", "networks"):
        for module in (REPO / "convert" / folder).glob("*.py"):
            text = module.read_text("utf-8")
            assert "predict.corruption" not in text, module
            assert "unseen_covers" not in text, module
    assert {name for name, how in CONDITIONS.items() if how.axis == "unseen cover"} == UNSEEN_COVERS.keys()


def write_clip(path: Path, pictures: list[np.ndarray]) -> None:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (width, height))
    for pixels in pictures:
        writer.write(np.ascontiguousarray(pixels[:, :, ::-1]))
    writer.release()


def clip_table(path: Path, frames: list[int]) -> pd.DataFrame:
    columns = pd.DataFrame({"frame": frames}).assign(
        id=[f"clip/{n}" for n in frames],
        time_s=[n / RATE for n in frames],
        picture=str(path),
        subject="clip/anna",
        clip="clip/a",
        source="clip",
        split="test",
        rater="people",
        valence=[0.1 + 0.01 * n for n in range(len(frames))],
        arousal=0.2,
    )
    return make_faces({name: columns[name] for name in columns})


def test_a_clip_with_ratings_far_apart_is_watched_between_them(
    finder: FaceFinder, draw_face: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    (face,) = draw_found(finder, draw_face, 1)
    write_clip(tmp_path / "a.mp4", [face] * LENGTH)
    said = predict_set(BUNDLE, clip_table(tmp_path / "a.mp4", [24, 48]), finder)  # 1.2 s apart
    stream = said[said["answer"] == "stream"]
    assert stream["valence"].notna().tolist() == [True, True]  # looking at rated frames alone it would never be warm
    assert set(said["answer"]) == {"frame", "stream", "average"}


def test_a_clip_keeps_its_last_answer_where_no_face_is_and_has_none_before_it_is_warm(
    finder: FaceFinder, draw_face: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    (face,) = draw_found(finder, draw_face, 1)
    empty = np.full_like(face, 127)
    write_clip(tmp_path / "a.mp4", [empty if 30 <= n < 40 else face for n in range(LENGTH)])
    said = predict_set(BUNDLE, clip_table(tmp_path / "a.mp4", [0, 28, 34, 59]), finder).set_index(["id", "answer"])
    assert np.isnan(said.loc[("clip/0", "stream"), "valence"])
    assert not np.isnan(said.loc[("clip/0", "frame"), "valence"])
    for answer in ("frame", "stream"):
        held, before = (said.loc[(f"clip/{n}", answer)] for n in (34, 28))
        assert (held["found"], before["found"]) == (False, True)
        assert held["valence"] == pytest.approx(before["valence"], abs=0.03)


def test_an_average_begins_with_the_first_answer_and_follows_by_its_weight() -> None:
    answers = np.array([np.nan, 0.0, 1.0, 1.0], np.float32)
    assert smooth(answers, 0.5)[1:].tolist() == [0.0, 0.5, 0.75]
    assert np.array_equal(smooth(answers, 1.0), answers, equal_nan=True)


def test_a_trial_repeats_and_names_its_accidents(drawn: Found) -> None:
    steps = 24
    act = ("anna", [drawn.pictures.loose[0]] * steps, np.zeros((steps, 2), np.float32))
    (faces, said), (_, again) = (predict_trial(BUNDLE, [act, act]) for _ in range(2))
    assert said["valence"].equals(again["valence"])
    assert len(faces) == 2 * steps
    assert set(faces["expression"]) <= set(FAMILIES)
    assert faces["expression"].iloc[0] == "clear"
    assert faces["subject"].nunique() == 1
    many = families(4000, np.random.default_rng(0))
    assert set(many) == set(FAMILIES)
    assert UNSEEN in many
