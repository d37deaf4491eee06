"""The face table: who is in which split, what is checked, and pictures kept by their pixels."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from convert.errors import DataError
from convert.faces.finder import FaceFinder
from convert.faces.groups import TWINS, split_faces, split_of, twin_groups
from convert.faces.kit import STILLS, kit_faces, rated_clips
from convert.faces.layouts import read_set
from convert.faces.pictures import LOOSE, SIDE, Found, Pictures, find_faces, loose_square
from convert.faces.table import check_faces, make_faces, open_test, read_faces, without_test, write_faces
from edge.face.crop import align_face, cut_square
from edge.geometry import CropRule
from edge.values import Detection

DrawFace = Callable[..., np.ndarray]


def table(count: int, **columns: object) -> pd.DataFrame:
    names = [f"x/{n}.png" for n in range(count)]
    given = {"id": names, "picture": names, "subject": [f"x/{n}" for n in range(count)], "source": "x"}
    rated = {"valence": 0.0, "arousal": 0.0, "rater": "people", "where": [f"x.csv:{n + 2}" for n in range(count)]}
    return make_faces(given | rated | columns)


class Fixed(FaceFinder):
    """Says that the face is in the middle of the picture, and counts how often it was asked."""

    def __init__(self) -> None:
        self.name = "fixed"
        self.asked = 0

    def find(self, pixels: np.ndarray) -> Detection | None:
        self.asked += 1
        if not pixels.any():
            return None
        height, width = pixels.shape[:2]
        marks = np.array([[0.4, 0.4], [0.6, 0.41], [0.5, 0.5], [0.43, 0.62], [0.57, 0.62]], np.float32)
        return Detection(box_px=(0, 0, width, height), score=1.0, landmarks_px=marks * np.float32([width, height]))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A label file of six noisy pictures; the last is black."""
    rng = np.random.default_rng(0)
    for n in range(6):
        noise = rng.integers(1, 256, (90, 120, 3), dtype=np.uint8) if n < 5 else np.zeros((90, 120, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{n}.png"), noise)
    lines = [f"{n}.png,{n / 10},0,{n}" for n in range(6)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,valence,arousal,group", *lines]) + "\n")
    return tmp_path / "labels.csv"


def find(labels: Path, finder: FaceFinder | None = None) -> Found:
    faces = read_set("csv", labels).faces
    return find_faces(faces, finder or Fixed(), None, labels.parent / "pictures")


def test_the_split_is_fixed_and_near_its_shares() -> None:
    splits = [split_of(f"x/{n}") for n in range(4000)]
    assert 0.13 < splits.count("test") / 4000 < 0.17
    assert 0.13 < splits.count("dev") / 4000 < 0.17
    # A change of the hash would let test faces into training.
    assert [n for n in range(40) if splits[n] == "test"] == [18, 20, 22, 38]
    assert split_of("x/1", seed=1) == "train"


def test_all_rows_of_a_subject_are_in_one_split() -> None:
    faces = split_faces(table(600, subject=[f"x/{n % 60}" for n in range(600)]))
    assert (faces.groupby("subject")["split"].nunique() == 1).all()
    assert set(faces["split"]) == {"train", "dev", "test"}


def test_byte_copies_are_one_subject() -> None:
    faces = split_faces(table(400, sha256=[f"{n % 200}" for n in range(400)]))
    assert (faces.groupby("sha256")["split"].nunique() == 1).all()
    assert faces["subject"].nunique() == 200


def test_chains_of_copies_are_one_subject() -> None:
    faces = table(4, subject=["x/a", "x/b", "x/b", "x/c"], sha256=["1", "1", "2", "2"])
    assert set(split_faces(faces)["subject"]) == {"x/a"}


def test_a_byte_copy_in_another_declared_split_is_an_error_that_names_both_rows(own: Path) -> None:
    (own.parent / "5.png").write_bytes((own.parent / "0.png").read_bytes())
    text = own.read_text().splitlines()
    splits = ["split", "train", "train", "train", "train", "dev", "test"]
    own.write_text("\n".join(f"{line},{split}" for line, split in zip(text, splits, strict=True)) + "\n")
    with pytest.raises(DataError, match=r"labels\.csv:7 is in split 'test', and .*labels\.csv:2, .* in 'train'"):
        split_faces(find(own).faces)


def test_declared_test_rows_are_never_trained_on() -> None:
    declared = ["test" if n % 4 == 0 else "train" for n in range(400)]
    faces = split_faces(table(400, split=declared))
    assert (faces["split"] == "test").tolist() == [split == "test" for split in declared]
    dev = (faces["split"] == "dev").to_numpy()
    assert 20 < dev.sum() < 80  # out of train
    assert set(without_test(faces)["id"]).isdisjoint(faces["id"][::4])


def test_a_subject_declared_for_some_of_its_rows_only_is_an_error() -> None:
    faces = table(4, subject="x/ann", split=["train", "train", "", "train"])
    with pytest.raises(DataError, match=r"x\.csv:4 is in split 'none', and x\.csv:2"):
        split_faces(faces)


def test_variants_of_one_generated_face_are_in_one_split() -> None:
    groups = twin_groups()
    assert groups["sfhq/images/0007.jpg"] == groups["sfhq/images/0222.jpg"]
    names = [f"sfhq/images/{n:04d}.jpg" for n in range(617)]
    faces = table(617, id=names, source="sfhq", subject=[f"sfhq/{n:04d}.jpg" for n in range(617)])
    split = dict(zip(names, split_faces(faces)["split"], strict=True))
    for group in set(groups.values()):
        assert len({split[name] for name, own in groups.items() if own == group}) == 1
    sizes = pd.read_csv(TWINS, comment="#")["group"].value_counts()
    assert sizes.between(2, 8).all()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"valence": [0, 2, 0]}, r"x\.csv:3: column 'valence' is outside of -1\.\.1: 2\.0"),
        ({"valence": [0, np.nan, 0]}, r"x\.csv:3: column 'arousal' is there without the other rating"),
        ({"weight": [1, 0, 1]}, r"x\.csv:3: column 'weight' is not above 0"),
        ({"split": ["", "half", ""]}, r"x\.csv:3: column 'split' is not one of train, dev, test: 'half'"),
        ({"id": ["a", "b", "a"]}, r"x\.csv:4: column 'id' comes twice: 'a'"),
        ({"subject": ["a", "", "a"]}, r"x\.csv:3: column 'subject' is empty"),
        ({"frame": ["a", "b", "a"]}, "column 'frame' is not Int64"),
    ],
)
def test_a_bad_row_is_named_with_its_column(columns: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        table(3, **columns)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="has no column 'subject'"):
        check_faces(table(2).drop(columns="subject"))


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    faces = table(
        2,
        frame=pd.array([3, pd.NA], "Int64"),
        box_px=[np.arange(4, dtype=np.float32), None],
        landmarks_px=[None, np.arange(10, dtype=np.float32)],
    )
    write_faces(tmp_path / "faces.parquet", faces)
    pd.testing.assert_frame_equal(read_faces(tmp_path / "faces.parquet"), faces)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    for name, said in (("none", "no such face table"), ("bad", "not a face table")):
        with pytest.raises(DataError, match=rf"{name}\.parquet: {said}"):
            read_faces(tmp_path / f"{name}.parquet")


def test_each_look_at_the_test_rows_is_written_down_with_its_reason(tmp_path: Path) -> None:
    faces = split_faces(table(200))
    log = tmp_path / "log" / "lookups.csv"
    with pytest.raises(DataError, match="needs a reason"):
        open_test(faces, " ", log=log)
    assert not log.exists()
    test = open_test(faces, "the release", bundle="abc", log=log)
    open_test(faces, "again, with a comma", log=log)
    assert len(test) + len(without_test(faces)) == 200
    lines = pd.read_csv(log, dtype=str)
    assert lines["why"].tolist() == ["the release", "again, with a comma"]
    assert list(lines) == ["time", "command", "commit", "bundle", "why", "faces"]
    assert lines["faces"].tolist() == [f"x:{len(test)}"] * 2


def test_faces_that_are_not_found_are_left_out_and_counted(own: Path) -> None:
    found = find(own)
    assert found.left_out == {"no face found": 1}
    assert found.faces["valence"].tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert len(found.pictures) == 5
    assert found.pictures.loose.shape == (5, SIDE, SIDE, 3)
    assert np.array_equal(found.pictures.take([3]).loose[0], found.pictures.loose[3])


def test_edited_labels_are_read_and_their_pictures_kept(own: Path) -> None:
    before = find(own)
    own.write_text(own.read_text().replace("2.png,0.2", "2.png,-0.9"))
    finder = Fixed()
    after = find(own, finder)
    assert finder.asked == 0
    assert after.faces["valence"][2] == pytest.approx(-0.9)
    assert np.array_equal(after.pictures.loose[:], before.pictures.loose[:])


def test_an_edited_picture_is_looked_at_again_and_a_moved_one_is_not(own: Path) -> None:
    find(own)
    cv2.imwrite(str(own.parent / "1.png"), np.full((90, 120, 3), 77, np.uint8))
    (own.parent / "0.png").rename(own.parent / "moved.png")
    own.write_text(own.read_text().replace("0.png,", "moved.png,"))
    finder = Fixed()
    found = find(own, finder)
    assert finder.asked == 1
    assert found.faces["id"][0] == "csv/moved.png"
    assert abs(int(found.pictures.loose[1][SIDE // 2, SIDE // 2, 0]) - 77) <= 1


def test_an_interrupted_search_goes_on_to_the_same_pictures(own: Path) -> None:
    whole = find(own)
    folder = own.parent / "pictures"
    journal = (folder / "found.jsonl").read_text().splitlines()
    (folder / "found.jsonl").write_text("\n".join([*journal[:3], journal[3][:20]]))  # broke off in the third face
    finder = Fixed()
    again = find(own, finder)
    assert finder.asked == 4
    assert np.array_equal(again.pictures.loose[:], whole.pictures.loose[:])
    assert np.array_equal(again.pictures.square, whole.pictures.square)


def test_what_another_detector_found_is_found_anew(own: Path) -> None:
    find(own)
    finder = Fixed()
    finder.name = "other"
    find(own, finder)
    assert finder.asked == 6


def test_a_damaged_folder_of_pictures_is_named(own: Path) -> None:
    find(own)
    folder = own.parent / "pictures"
    (folder / "shapes.f32").write_bytes(b"short")
    with pytest.raises(DataError, match="pictures: no pictures there, or damaged ones"):
        Pictures(folder)
    finder = Fixed()
    assert np.isfinite(find(own, finder).pictures.square).all()
    assert finder.asked == 6


def test_a_loose_picture_gives_the_crop_that_the_device_cuts(tmp_path: Path, draw_face: DrawFace) -> None:
    rng = np.random.default_rng(1)
    differences = []
    for n, size in enumerate((160, 400, 1200)):
        pixels = draw_face(rng, 0.5, 0.5, size)
        grain = cv2.resize(rng.normal(0, 25, (size // 2, size // 2, 3)), (size, size))  # what aliases
        pixels = np.clip(pixels + grain, 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{n}.png"), pixels[:, :, ::-1])
        marks = Fixed().find(pixels)
        assert marks is not None
        differences.append((pixels, align_face(pixels, marks.landmarks_px, 112, CropRule())))
    (tmp_path / "labels.csv").write_text("image,valence,arousal\n" + "".join(f"{n}.png,0,0\n" for n in range(3)))
    loose = find(tmp_path / "labels.csv").pictures.loose
    for n, (_, device) in enumerate(differences):
        crop = cut_square(loose[n], loose_square(), 112)
        assert np.sqrt(np.mean((crop.astype(float) - device) ** 2)) < 6  # of 255; a warp that aliases: 10 and more


def test_a_picture_that_is_loose_already_is_not_searched(tmp_path: Path) -> None:
    still = np.random.default_rng(0).integers(0, 256, (192, 192, 3), dtype=np.uint8)
    still = cv2.GaussianBlur(still, (0, 0), 3)
    cv2.imwrite(str(tmp_path / "0.png"), still[:, :, ::-1])
    finder = Fixed()
    faces = table(1, picture=[str(tmp_path / "0.png")], loose=True)
    found = find_faces(faces, finder, None, tmp_path / "pictures")
    assert finder.asked == 0
    assert found.pictures.square[0, 2] == pytest.approx(192 / LOOSE)
    wanted = cv2.resize(still, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(float)
    assert np.abs(found.pictures.loose[0][8:-8, 8:-8] - wanted[8:-8, 8:-8]).mean() < 1


def test_where_a_loose_picture_is_grey_is_known(own: Path) -> None:
    pictures = find(own).pictures
    inside = pictures.inside(0)
    assert 0.1 < inside.mean() < 0.9
    assert (pictures.loose[0][~cv2.dilate(inside.astype(np.uint8), np.ones((5, 5))).astype(bool)] == 127).all()


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kit of 40 faces of each kind, a flat picture each."""
    monkeypatch.setattr("convert.faces.kit.STILLS", tmp_path / "no stills")
    rng = np.random.default_rng(0)
    lines: dict[str, list[str]] = {name: [] for name in ("diffusionfer", "sfhq", "studio")}
    for name, end in (("diffusionfer", ".jpg"), ("sfhq", ".jpg"), ("ratings/studio", ".jpg")):
        folder = tmp_path / "data" / name / ("" if name.startswith("ratings") else "images")
        folder.mkdir(parents=True)
        for n in range(40):
            cv2.imwrite(str(folder / f"{n:04d}{end}"), rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    for n in range(40):
        lines["diffusionfer"].append(f"images/{n:04d}.jpg,0,0.1,happy,{n + 100}")
        lines["sfhq"].append(f"images/{n:04d}.jpg,0.2,0.1,2,{0.05 * (n % 3)},0,{int(n != 3)}")
        portrait = f"sfhq/{n:04d}.jpg" if n % 2 else f"diffusionfer/{n:04d}.jpg"
        lines["studio"].append(f"studio/{n:04d}.jpg,{portrait},0.3,0.1,1,0,0,1")
    data = tmp_path / "data"
    header = "valence,arousal,passes,spread_valence,spread_arousal,usable"
    files = {
        "diffusionfer/labels.csv": ["image,valence,arousal,expression,group", *lines["diffusionfer"]],
        "ratings/sfhq.csv": [f"image,{header}", *lines["sfhq"]],
        "ratings/studio.csv": [f"image,portrait,{header}", *lines["studio"]],
        "ratings/clips.csv": [
            f"clip,frame,t_s,x,y,w,h,{header}",
            *(f"a.mp4,{n},{n / 10},{10 + n + 100 * who},20,30,40,0,0,2,0,0,1" for n in range(3) for who in range(2)),
        ],
    }
    for name, rows in files.items():
        (data / name).write_text("\n".join(rows) + "\n")
    return tmp_path


def test_the_kits_faces_say_who_rated_them_and_leave_out_what_is_not_usable(kit: Path) -> None:
    faces = kit_faces(kit)
    assert faces.groupby("source").size().to_dict() == {"diffusionfer": 40, "sfhq": 39, "studio": 40}
    assert faces.groupby("source")["rater"].first().to_dict() == {
        "diffusionfer": "people",
        "sfhq": "ai",
        "studio": "ai",
    }
    assert not faces["real"].any()
    assert "sfhq/images/0003.jpg" not in set(faces["id"])
    assert faces["sha256"].ne("").all()
    weight = faces.set_index("id")["weight"]
    assert weight["diffusionfer/images/0000.jpg"] == 1
    assert weight["sfhq/images/0000.jpg"] > weight["sfhq/images/0002.jpg"] > weight["studio/0000.jpg"] > 0.5


def test_every_rated_still_that_comes_with_the_kit_is_there_and_named_once() -> None:
    rows = list(csv.DictReader((STILLS / "stills.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == [f"stills/{path.name}" for path in sorted((STILLS / "stills").iterdir())]
    assert {row["portrait"].split("/")[0] for row in rows} == {"diffusionfer", "sfhq"}
    assert all(-1 <= float(row[target]) <= 1 for row in rows for target in ("valence", "arousal"))


def test_a_still_is_in_the_split_of_its_portrait(kit: Path) -> None:
    faces = kit_faces(kit).set_index("id")
    for n in range(40):
        portrait = f"sfhq/images/{n:04d}.jpg" if n % 2 else f"diffusionfer/images/{n:04d}.jpg"
        if portrait in faces.index:
            assert faces.at[f"studio/{n:04d}.jpg", "split"] == faces.at[portrait, "split"]
    assert faces["split"].nunique() == 3
    assert faces.loc[faces["source"] == "studio", "loose"].all()


def test_people_in_one_clip_are_told_apart_and_are_test_rows(kit: Path) -> None:
    clips = rated_clips(kit)
    assert clips["subject"].tolist() == ["clips/a.mp4"] * 3 + ["clips/a.mp4:1"] * 3
    assert set(clips["split"]) == {"test"}
    assert clips["real"].all()
    assert clips["box_px"][3].tolist() == [110, 20, 140, 60]
    assert clips["picture"][0] == str(kit / "clips" / "a.mp4")


def test_a_kit_without_its_pictures_is_named(kit: Path) -> None:
    (kit / "data" / "sfhq" / "images" / "0007.jpg").unlink()
    with pytest.raises(DataError, match=r"0007\.jpg: cannot be read"):
        kit_faces(kit)
    with pytest.raises(DataError, match="has no diffusionfer"):
        kit_faces(kit / "none")
