"""Published layouts: what each reader gives, what it leaves out and says why, and how a bad file is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.errors import DataError
from convert.faces.affwild import read_pts
from convert.faces.layouts import LAYOUTS, read_own, read_set, thin_clips
from convert.faces.pictures import open_pictures
from convert.faces.text_files import parse_numbers
from convert.faces.videos import frame_at, frame_times, read_video


def write_video(path: Path, count: int, *, rate: float = 10.0) -> Path:
    """A tiny video whose frame n is grey n · 10."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (64, 48))
    assert writer.isOpened()
    for number in range(count):
        writer.write(np.full((48, 64, 3), number * 10, np.uint8))
    writer.release()
    return path


def write_picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((32, 32, 3), 90, np.uint8))
    return path


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def make_affwild(root: Path) -> Path:
    write_video(root / "videos" / "train" / "105.mp4", 4)
    write(root / "annotations" / "train" / "valence" / "105.txt", "0.1", "-0.2", "-5", "0.4")
    write(root / "annotations" / "train" / "arousal" / "105.txt", "0.5", "0.6", "0.7", "-1")
    points = ("version: 1", "n_points: 2", "{", "3 4", "30.5 40", "}")
    write(root / "bboxes" / "train" / "105" / "1.pts", *points)
    write(root / "landmarks" / "train" / "105" / "2.pts", *points)
    return root


def make_affwild2(root: Path) -> Path:
    labels = root / "annotations" / "VA_Estimation_Challenge"
    write(labels / "Train_Set" / "video1.txt", "valence,arousal", "0.1,0.2", "-5,-5", "0.3,-0.4")
    write(labels / "Train_Set" / "video2_left.txt", "valence,arousal", "0.5,0.5", "0.6,0.6", "-1000,-1000")
    write(labels / "Train_Set" / "video3_left.txt", "valence,arousal", "0.5,0.5")
    write(labels / "Validation_Set" / "video4.txt", "valence,arousal", "-1,1")
    write(root / "annotations" / "EXPR_Classification_Challenge" / "Train_Set" / "video1.txt", "Neutral,Anger", "4")
    for name in ("video1", "video2", "video3", "video4"):
        write_video(root / "batch1" / f"{name}.mp4", 3)
    write_picture(root / "cropped_aligned" / "video2_left" / "00001.jpg")
    return root


def make_affectnet(root: Path) -> Path:
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    lists = root / "Manually_Annotated_file_lists"
    write(
        lists / "training.csv",
        header,
        "1/a.jpg,2,3,20,25,1;2;3.5;4,1,0.7,0.4",
        "1/b.jpg,2,3,20,25,1;2,9,-2,-2",
        "1/c.jpg,2,3,20,25,1;2,10,-2,-2",
    )
    write(lists / "validation.csv", header, "2/d.jpg,0,0,0,0,,0,-0.25,0.1")
    for name in ("1/a.jpg", "1/b.jpg"):
        write_picture(root / "Manually_Annotated_Images" / name)
    write_picture(root / "Manually_Annotated" / "Manually_Annotated_Images" / "2" / "d.jpg")
    return root


def make_affectnet_arrays(root: Path) -> Path:
    for folder, valence in (("train_set", 0.3), ("val_set", "-0.5")):
        write_picture(root / folder / "images" / "0.jpg")
        annotations = root / folder / "annotations"
        annotations.mkdir()
        np.save(annotations / "0_val.npy", np.array(valence))
        np.save(annotations / "0_aro.npy", np.array(0.25))
        np.save(annotations / "0_lnd.npy", np.arange(136, dtype=np.float64))
        np.save(annotations / "1_val.npy", np.array(-2.0))
        np.save(annotations / "1_aro.npy", np.array(-2.0))
    return root


def make_afew_va(root: Path) -> Path:
    def clip(number: str, actor: str, valence: int) -> None:
        frame = {"landmarks": [[1.0, 2.0], [3.0, 4.0]], "valence": valence, "arousal": 3}
        text = json.dumps({"actor": actor, "video_id": number, "frames": {"00000": frame}})
        write(root / "01" / number / f"{number}.json", text)
        write_picture(root / "01" / number / "00000.png")

    clip("001", "Somebody", -10)
    clip("002", "Somebody", 7)
    return root


def make_omg(root: Path) -> Path:
    header = "link,start,end,video,utterance,arousal,valence,EmotionMaxVote"
    write(
        root / "omg_TrainVideos.csv",
        header,
        "https://example.org,0,1,5b44,utterance_1.mp4,0.4,-0.1,4",
        "https://example.org,1,2,5b44,utterance_2.mp4,0.6,0.2,3",
    )
    write(root / "omg_ValidationVideos.csv", header, "https://example.org,0,1,8c56,utterance_1.mp4,0.9,0.5,0")
    write_video(root / "train" / "5b44" / "utterance_1.mp4", 3)
    write_video(root / "validation" / "8c56" / "utterance_1.mp4", 2)
    return root


def make_plain(root: Path) -> Path:
    write_video(root / "a.mp4", 5)
    write_picture(root / "b.png")
    return write(
        root / "labels.csv",
        "image,video,time_s,frame,valence,arousal,weight,group,split",
        "b.png,,,,0.5,0.5,0.25,ann,train",
        ",a.mp4,0.2,,0.1,0.2,,,validation",
        ",a.mp4,,4,0.1,0.3,,,validation",
    )


def columns(faces: pd.DataFrame, *names: str) -> list[tuple[object, ...]]:
    """Those columns row by row, float32 rounded."""
    rows = faces[list(names)].itertuples(index=False)
    return [tuple(round(cell, 4) if isinstance(cell, float) else cell for cell in row) for row in rows]


def test_affwild_joins_its_two_files_and_its_points(tmp_path: Path) -> None:
    faces, left_out = read_set("affwild", make_affwild(tmp_path).parent)
    assert columns(faces, "frame", "valence", "arousal") == [(0, 0.1, 0.5), (1, -0.2, 0.6), (3, 0.4, -1.0)]
    assert set(faces["subject"]) == {"affwild/105"}
    assert faces["time_s"].tolist() == pytest.approx([0.0, 0.1, 0.3])
    assert faces["id"][0].endswith("/videos/train/105.mp4#0")
    assert [box if box is None else box.tolist() for box in faces["box_px"]] == [
        [3.0, 4.0, 30.5, 40.0],
        None,
        None,
    ]
    assert left_out == {"marked as not rated": 1}
    assert set(faces["split"]) == {""}  # the test labels were never published


def test_affwild2_keeps_its_split_and_tells_two_persons_apart(tmp_path: Path) -> None:
    faces, left_out = read_set("affwild2", make_affwild2(tmp_path))
    assert columns(faces.fillna({"frame": -1}), "subject", "split", "frame") == [
        ("affwild2/video1", "train", 0),
        ("affwild2/video1", "train", 2),
        ("affwild2/video2_left", "train", -1),
        ("affwild2/video4", "dev", 0),
    ]
    assert faces["id"][2] == "affwild2/cropped_aligned/video2_left/00001.jpg"
    assert left_out == {
        "marked as not rated": 2,
        "no cropped picture of the frame": 1,
        "two persons in the video and no cropped pictures to tell them apart": 1,
    }
    assert faces["where"][1].endswith("video1.txt:4")


def test_affectnet_lists_give_boxes_and_expressions_and_leave_out_no_faces(tmp_path: Path) -> None:
    faces, left_out = read_set("affectnet", make_affectnet(tmp_path))
    assert columns(faces, "split", "valence", "expression") == [("train", 0.7, "happy"), ("dev", -0.25, "neutral")]
    assert faces["box_px"][0].tolist() == [2.0, 3.0, 22.0, 28.0]
    assert faces["box_px"][1] is None
    assert left_out == {"marked as not rated": 2}
    assert set(faces["clip"]) == {""}


def test_affectnet_arrays_count_from_nought_in_both_parts_and_are_no_leak(tmp_path: Path) -> None:
    faces, left_out = read_set("affectnet", make_affectnet_arrays(tmp_path))
    assert columns(faces, "split", "valence", "arousal") == [("train", 0.3, 0.25), ("dev", -0.5, 0.25)]
    assert faces["box_px"][0].tolist() == [0, 1, 134, 135]
    assert left_out == {"marked as not rated": 2}


def test_afew_va_is_scaled_and_its_subject_is_the_actor(tmp_path: Path) -> None:
    faces, _ = read_set("afew-va", make_afew_va(tmp_path))
    assert columns(faces, "valence", "arousal", "subject") == [
        (-1.0, 0.3, "afew-va/Somebody"),
        (0.7, 0.3, "afew-va/Somebody"),
    ]
    assert faces["clip"].nunique() == 2


def test_omg_keeps_its_arousal_and_weighs_an_utterances_frames_half(tmp_path: Path) -> None:
    faces, left_out = read_set("omg-emotion", make_omg(tmp_path))
    assert columns(faces, "subject", "frame", "arousal", "split") == [
        ("omg-emotion/5b44", 0, 0.4, "train"),
        ("omg-emotion/5b44", 1, 0.4, "train"),
        ("omg-emotion/5b44", 2, 0.4, "train"),
        ("omg-emotion/8c56", 0, 0.9, "dev"),
        ("omg-emotion/8c56", 1, 0.9, "dev"),
    ]
    assert set(faces["weight"]) == {0.5}
    assert left_out == {"no video of the utterance": 1}


def test_a_plain_file_holds_pictures_and_moments_of_videos(tmp_path: Path) -> None:
    faces, left_out = read_set("csv", make_plain(tmp_path))
    assert columns(
        faces.fillna({"frame": -1, "time_s": -1}), "id", "frame", "time_s", "weight", "subject", "split"
    ) == [
        ("csv/b.png", -1, -1, 0.25, "csv/ann", "train"),
        ("csv/a.mp4#2", 2, 0.2, 1.0, "csv/a.mp4", "dev"),
        ("csv/a.mp4#4", 4, 0.4, 1.0, "csv/a.mp4", "dev"),
    ]
    assert not left_out


def test_pictures_of_one_group_person_or_video_are_one_subject_and_others_are_alone(tmp_path: Path) -> None:
    rows = ("a.png,0,0,ann,s1,7", "b.png,0,0,,s1,7", "c.png,0,0,,,7", "d.png,0,0,,,")
    for name in "abcd":
        write_picture(tmp_path / f"{name}.png")
    path = write(tmp_path / "labels.csv", "image,valence,arousal,group,subject,video", *rows)
    assert read_set("csv", path).faces["subject"].tolist() == ["csv/ann", "csv/s1", "csv/7", "csv/d.png"]


def test_pictures_of_one_name_in_two_folders_are_two_faces(tmp_path: Path) -> None:
    names = [f"{person}/day/camera/0.png" for person in ("ann", "ben")]
    for name in names:
        write_picture(tmp_path / name)
    path = write(tmp_path / "labels.csv", "image,valence,arousal", *(f"{name},0,0" for name in names))
    assert read_set("csv", path).faces["id"].tolist() == [f"csv/{name}" for name in names]


def test_a_file_that_is_only_measured_on_may_say_anything_of_splits(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    path = write(tmp_path / "labels.csv", "image,valence,arousal,split", "a.png,0,0,private")
    assert read_set("csv", path, splits=False).faces["split"].tolist() == [""]


def test_a_frame_that_is_labelled_twice_has_two_rows(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 5)
    path = write(tmp_path / "labels.csv", "video,time_s,valence,arousal", "a.mp4,0.1,0,0", "a.mp4,0.11,0,0.1")
    assert read_set("csv", path).faces["id"].tolist() == ["csv/a.mp4#1", "csv/a.mp4#1~2"]


def test_of_a_clip_one_frame_a_second_is_kept(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 25)
    lines = [f"a.mp4,{n},0,0" for n in range(25)]
    faces = read_set("csv", write(tmp_path / "labels.csv", "video,frame,valence,arousal", *lines)).faces
    assert thin_clips(faces)["frame"].tolist() == [0, 10, 20]


@pytest.mark.parametrize(
    ("kind", "make", "gone"),
    [
        ("affwild", make_affwild, "videos/train/105.mp4"),
        ("affwild2", make_affwild2, "batch1/video4.mp4"),
        ("affectnet", make_affectnet, "Manually_Annotated_Images/1/a.jpg"),
        ("affectnet", make_affectnet_arrays, "train_set/images/0.jpg"),
        ("afew-va", make_afew_va, "01/001/00000.png"),
        ("csv", make_plain, "b.png"),
        ("csv", make_plain, "a.mp4"),
    ],
)
def test_a_missing_picture_is_the_same_error_in_every_set(
    tmp_path: Path, kind: str, make: Callable[[Path], Path], gone: str
) -> None:
    made = make(tmp_path)
    (tmp_path / gone).unlink()
    with pytest.raises(DataError, match=r": no such picture or video; \d of \d labels lack theirs") as caught:
        read_set(kind, made)
    assert Path(gone).stem in caught.value.message


def test_frames_of_a_video_are_the_ones_that_were_rated(tmp_path: Path) -> None:
    faces, _ = read_set("affwild", make_affwild(tmp_path))
    grey = [round(float(pixels.mean()) / 10) for _, pixels in open_pictures(faces) if pixels is not None]
    assert grey == [0, 1, 3]


def test_a_label_behind_the_videos_end_has_no_pixels(tmp_path: Path) -> None:
    make_affwild(tmp_path)
    for target in ("valence", "arousal"):
        write(tmp_path / "annotations" / "train" / target / "105.txt", *["0"] * 6)
    faces, _ = read_set("affwild", tmp_path)
    assert [pixels is None for _, pixels in open_pictures(faces)] == [False] * 4 + [True] * 2


Spoil = Callable[[Path], object]


@pytest.mark.parametrize(
    ("kind", "make", "spoil", "said"),
    [
        (
            "affwild",
            make_affwild,
            lambda root: write(root / "annotations" / "train" / "valence" / "105.txt", "0.1", "high"),
            r"valence/105\.txt: has 2 lines, but .*arousal/105\.txt has 4",
        ),
        (
            "affwild",
            make_affwild,
            lambda root: write(root / "annotations" / "train" / "arousal" / "105.txt", "0", "0", "0", "1.5"),
            r"arousal/105\.txt:4: arousal is 1\.5, outside of -1\.\.1",
        ),
        (
            "affwild",
            make_affwild,
            lambda root: write(root / "bboxes" / "train" / "105" / "1.pts", "version: 1", "{", "3 4 5", "}"),
            r"1\.pts:3: '3 4 5' is not a point of two numbers",
        ),
        ("affwild", lambda root: root, lambda root: None, "has no annotations/train/valence"),
        (
            "affwild",
            make_affwild,
            lambda root: (root / "videos" / "train" / "105.mp4").write_bytes(b"none"),
            r"105\.mp4: not a video that OpenCV can read",
        ),
        (
            "affwild2",
            make_affwild2,
            lambda root: write(
                root / "annotations" / "VA_Estimation_Challenge" / "Train_Set" / "video1.txt", "arousal,valence", "0,0"
            ),
            r"video1\.txt:1: is 'arousal,valence', not the header",
        ),
        (
            "affwild2",
            make_affwild2,
            lambda root: write(
                root / "annotations" / "VA_Estimation_Challenge" / "Train_Set" / "video1.txt", "valence,arousal", "0"
            ),
            r"video1\.txt:2: '0' is not two numbers",
        ),
        ("affwild2", lambda root: root, lambda root: None, "has no Train_Set"),
        (
            "affwild2",
            make_affwild2,
            lambda root: write(
                root / "annotations" / "VA_Estimation_Challenge" / "Validation_Set" / "video1.txt",
                "valence,arousal",
                "0,0",
            ),
            r"Validation_Set/video1\.txt:2 is in split 'dev', and .*Train_Set/video1\.txt:2, .*\(affwild2/video1\), in "
            r"'train'",
        ),
        (
            "affectnet",
            make_affectnet,
            lambda root: write(
                root / "Manually_Annotated_file_lists" / "validation.csv",
                "subDirectory_filePath,expression,valence,arousal",
                "1/a.jpg,0,0,0",
            ),
            r"validation\.csv:2 is in split 'dev', and .*training\.csv:2, which shows the same",
        ),
        (
            "affectnet",
            make_affectnet,
            lambda root: write(
                root / "Manually_Annotated_file_lists" / "training.csv",
                "subDirectory_filePath,facial_landmarks,valence,arousal",
                "1/a.jpg,1;2;3,0,0",
            ),
            r"training\.csv:2: column 'facial_landmarks' holds 3 numbers",
        ),
        ("affectnet", lambda root: root, lambda root: None, "has neither training.csv"),
        (
            "affectnet",
            make_affectnet_arrays,
            lambda root: (root / "train_set" / "annotations" / "0_aro.npy").write_bytes(b"x"),
            r"0_aro\.npy: not an array of numbers",
        ),
        (
            "affectnet",
            make_affectnet_arrays,
            lambda root: (root / "train_set" / "annotations" / "0_aro.npy").unlink(),
            r"0_aro\.npy: cannot be read",
        ),
        (
            "afew-va",
            make_afew_va,
            lambda root: write(root / "01" / "001" / "001.json", '{"frames": {"00000": {"valence": 1}}}'),
            r"001\.json: Object missing required field `arousal`",
        ),
        (
            "afew-va",
            make_afew_va,
            lambda root: write(
                root / "01" / "001" / "001.json", '{"frames": {"00000": {"valence": 11, "arousal": 0}}}'
            ),
            r"001\.json: frame '00000': valence is 11, outside of -10\.\.10",
        ),
        ("afew-va", lambda root: root, lambda root: None, "has no folder NNN"),
        (
            "omg-emotion",
            make_omg,
            lambda root: write(
                root / "omg_TrainVideos.csv", "video,utterance,arousal,valence", "5b44,utterance_1.mp4,-0.5,0"
            ),
            r"omg_TrainVideos\.csv:2: column 'arousal' is -0\.5, outside of 0\.\.1",
        ),
        (
            "omg-emotion",
            make_omg,
            lambda root: write(
                root / "omg_ValidationVideos.csv", "video,utterance,arousal,valence", "5b44,utterance_1.mp4,0.5,0"
            ),
            r"omg_ValidationVideos\.csv:2 is in split 'dev', and .*omg_TrainVideos\.csv:2, which",
        ),
        ("omg-emotion", lambda root: root, lambda root: None, r"has none of omg_TrainVideos\.csv"),
    ],
)
def test_a_bad_file_or_a_leak_is_named(
    tmp_path: Path, kind: str, make: Callable[[Path], Path], spoil: Spoil, said: str
) -> None:
    root = make(tmp_path)
    spoil(root)
    with pytest.raises(DataError, match=said):
        read_set(kind, root)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.png,,,,0,0,nought,,", r"labels\.csv:2: column 'weight' is 'nought', not a number"),
        ("a.png,,,,0,0,0,,", r"labels\.csv:2: column 'weight' is 0; leave the line out"),
        ("a.png,,,,0,0,-1,,", r"labels\.csv:2: column 'weight' is -1, outside"),
        (",,,,0,0,,,", r"labels\.csv:2: needs column 'image' or column 'video'"),
        ("a.png,,,,0,0,,,half", r"labels\.csv:2: column 'split' is not one of train, dev, test: 'half'"),
        (",a.mp4,,1.5,0,0,,,", r"labels\.csv:2: column 'frame' is 1\.5, not a whole number"),
        (",a.mp4,,,0,0,,,", r"labels\.csv:2: column 'time_s' is ''"),
        ("a.png,,,,high,0,,,", r"labels\.csv:2: column 'valence' is 'high', not a number"),
        ("a.png,,,,nan,0,,,", r"labels\.csv:2: column 'valence' is 'nan', not a number"),
        ("a.png,,,,0", r"labels\.csv:2: column 'arousal' is '', not a number"),
        ("a.png,,,,0,1.5,,,", r"labels\.csv:2: column 'arousal' is 1\.5, outside of -1\.\.1"),
    ],
)
def test_a_bad_line_of_a_plain_file_is_named(tmp_path: Path, line: str, said: str) -> None:
    write_video(tmp_path / "a.mp4", 3)
    write_picture(tmp_path / "a.png")
    path = write(tmp_path / "labels.csv", "image,video,time_s,frame,valence,arousal,weight,group,split", line)
    with pytest.raises(DataError, match=said):
        read_set("csv", path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"image,valence\na.png,0\n", r"labels\.csv:1: has no column 'arousal'"),
        (b"image,valence,arousal\n", r"labels\.csv: has no line below its header"),
        (b"image,valence,arousal,image\n", r"labels\.csv:1: names a column twice"),
        (b"", r"labels\.csv:1: has no column 'valence'"),
        (b"image,valence,arousal\n\xff\xfe,0,0\n", "labels\\.csv: not UTF-8"),
    ],
)
def test_a_file_that_is_no_label_file_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "labels.csv").write_bytes(data)
    with pytest.raises(DataError, match=said):
        read_set("csv", tmp_path / "labels.csv")


def test_a_plain_file_says_what_it_is_before_it_is_trained_on(tmp_path: Path) -> None:
    path = make_plain(tmp_path)
    with pytest.raises(DataError, match=r"labels\.source\.json: not there; training needs it"):
        read_own(path)
    said = {"name": "Shop", "licence": "internal", "origin": "volunteers", "research_only": True}
    write(tmp_path / "labels.source.json", json.dumps(said))
    faces = read_own(path)
    assert set(zip(faces["source"], faces["licence"], strict=True)) == {("Shop", "internal (research only)")}
    published = read_own(Path(f"affwild={make_affwild(tmp_path / 'affwild')}"))
    assert set(published["licence"]) == {LAYOUTS["affwild"].licence}
    write(tmp_path / "labels.source.json", json.dumps(said | {"licence": " "}))
    with pytest.raises(DataError, match="licence is empty"):
        read_own(path)


def test_every_published_layout_says_that_it_is_for_research() -> None:
    for kind, layout in LAYOUTS.items():
        if kind != "csv":
            assert layout.research_only


def test_an_unknown_kind_or_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="imagenet: no such kind of data set; there are afew-va, affectnet, affwild"):
        read_set("imagenet", tmp_path)
    with pytest.raises(DataError, match="none: no such data set"):
        read_set("affwild2", tmp_path / "none")


@settings(deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True) | st.text(max_size=6))
def test_a_rating_is_within_its_range_or_refused_with_its_place(value: float | str) -> None:
    rating, told = float("nan"), ""
    try:
        rating = parse_numbers(pd.Series([str(value)], [3]), Path("a.txt"), "valence", marks=(-5.0,))[3]
    except DataError as error:
        told = str(error)
    if told:
        assert told.startswith("a.txt:3: valence is ")
    elif np.isnan(rating):
        assert float(value) == -5
    else:
        assert -1 <= rating == float(value) <= 1


@given(lines=st.lists(st.sampled_from(["{", "}", "1 2", "3.5 -4", "x y", "1", "", "nan 1"]), max_size=8))
def test_a_points_file_is_read_or_refused(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write(tmp_path_factory.mktemp("pts") / "1.pts", *lines)
    points, told = np.zeros((1, 2)), ""
    try:
        points = read_pts(path)
    except DataError as error:
        told = str(error)
    assert not told or "1.pts" in told
    assert points.ndim == 2
    assert points.shape[1] == 2
    assert np.isfinite(points).all()


FILES = Path(__file__).parents[1] / "edge" / "camera" / "files"


def test_a_time_finds_the_frame_that_is_shown_then_where_the_rate_varies() -> None:
    times = frame_times(FILES / "gap.mp4")
    assert times == pytest.approx([0, 0.1, 0.2, 14.3, 14.4, 14.5])
    asked = [0.0, 0.04, 0.06, 0.2, 5.0, 14.2, 14.3, 14.44, 14.6, 15.0]
    assert [frame_at(times, time_s) for time_s in asked] == [0, 0, 1, 2, 2, 2, 3, 4, 5, 6]


def test_labels_by_time_follow_the_stamps_not_the_mean_rate(tmp_path: Path) -> None:
    shutil.copy(FILES / "gap.mp4", tmp_path / "gap.mp4")
    rows = ["gap.mp4,0.1,0,0", "gap.mp4,14.3,0,0", "gap.mp4,20,0,0"]
    faces, _ = read_set("csv", write(tmp_path / "labels.csv", "video,time_s,valence,arousal", *rows))
    assert faces["frame"].tolist() == [1, 3, 6]
    assert [pixels is None for _, pixels in open_pictures(faces)] == [False, False, True]


def test_pictures_of_a_video_have_square_pixels(tmp_path: Path) -> None:
    (_, pixels) = next(read_video(FILES / "anamorphic.mp4", [2]))
    assert pixels.shape == (48, 64, 3)


@pytest.mark.parametrize("name", ["interlaced.mp4", "av1.mp4"])
def test_a_video_that_cannot_be_shown_is_refused_with_the_cure_or_shown(name: str) -> None:
    try:
        pictures = [pixels for _, pixels in read_video(FILES / name, range(6))]
    except DataError as error:
        said = str(error)
    else:
        said = f"convert it: ffmpeg -i {FILES / name}"
        assert len({pixels.tobytes() for pixels in pictures}) >= 5
    assert f"convert it: ffmpeg -i {FILES / name}" in said
