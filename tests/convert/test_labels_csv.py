"""Label files: what is read, and how a bad line is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convert.errors import DataError
from convert.faces.finder import LabelledFace
from convert.faces.labels_csv import read_labels


def _write(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_columns_in_any_order_with_extras(tmp_path: Path) -> None:
    path = _write(tmp_path, "arousal,mood,image,valence\n0.5,fine,a/b.png,-1\n")
    (row,) = read_labels(path)
    assert (row.image, row.valence, row.arousal) == (tmp_path / "a/b.png", -1.0, 0.5)
    assert row.extra == {"mood": "fine"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,valence\na.png,0\n", r"labels\.csv:1: has no column 'arousal'"),
        ("image,valence,arousal\na.png,0,0\nb.png,high,0\n", r"labels\.csv:3: column 'valence' is 'high'"),
        ("image,valence,arousal\na.png,0,1.5\n", r"labels\.csv:2: column 'arousal' is 1\.5, outside"),
        ("image,valence,arousal\na.png,nan,0\n", r"labels\.csv:2: column 'valence' is nan, outside"),
        ("image,valence,arousal\na.png,0\n", r"labels\.csv:2: column 'arousal' is None, not a number"),
        ("image,valence,arousal\n,0,0\n", r"labels\.csv:2: column 'image' is empty"),
        ("image,valence,arousal\n", r"labels\.csv: has no line below its header"),
        ("", r"labels\.csv:1: has no column 'image'"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_labels(_write(tmp_path, text))


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such label file"):
        read_labels(tmp_path / "none.csv")
    (tmp_path / "labels.csv").write_bytes(b"image,valence,arousal\n\xff\xfe,0,0\n")
    with pytest.raises(DataError, match="not UTF-8"):
        read_labels(tmp_path / "labels.csv")


def test_pictures_of_one_group_person_or_video_belong_together_and_others_are_alone(tmp_path: Path) -> None:
    rows = ("a.png,0,0,ann,s1,7", "b.png,0,0,,s1,7", "c.png,0,0,,,7", "d.png,0,0,,,")
    path = _write(tmp_path, "\n".join(("image,valence,arousal,group,subject,video", *rows)))
    assert [row.group for row in read_labels(path)] == ["ann", "s1", "7", ""]


def test_what_a_face_is_drawn_with_is_its_group_within_its_source(tmp_path: Path) -> None:
    pixels, landmarks = np.zeros((1, 1, 3), np.uint8), np.zeros((5, 2), np.float32)

    def face(source: str, group: str) -> LabelledFace:
        return LabelledFace(
            name=f"{source}/a.png",
            source=source,
            validation=True,
            pixels=pixels,
            landmarks_px=landmarks,
            rated=None,
            group=group,
        )

    assert face("one", "ann").cluster != face("two", "ann").cluster
    assert face("one", "").cluster == "one/a.png"
