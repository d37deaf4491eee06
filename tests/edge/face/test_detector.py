"""The detector on pictures: drawn, none, and real clips where they are at hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import AssetError, EngineError
from edge.face import detector as module
from edge.face.detector import YuNet, _suppress, read_graph, shrink


@pytest.fixture(scope="module")
def yunet() -> YuNet:
    return YuNet(size=(640, 480))


def pictures(clip: Path, every: int) -> list[np.ndarray]:
    if not clip.is_file():
        pytest.skip(f"{clip.name} is not on this machine")
    capture = cv2.VideoCapture(str(clip))
    frames = []
    while True:
        there, picture = capture.read()
        if not there:
            return frames[::every]
        frames.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


@pytest.mark.parametrize("shape", [(480, 640), (1080, 1920), (640, 360), (97, 501), (16, 16)])
def test_empty_picture_of_any_shape_has_no_face(yunet: YuNet, shape: tuple[int, int]) -> None:
    assert yunet.detect(np.full((*shape, 3), 90, np.uint8)) == []


def test_picture_of_one_size_leaves_no_trace_in_the_next(yunet: YuNet, clips: Path) -> None:
    (picture, *_) = pictures(clips / "single_face.mp4", 100)
    before = yunet.detect(picture)
    yunet.detect(np.full((900, 200, 3), 255, np.uint8))
    after = yunet.detect(picture)
    assert before[0].box_px == after[0].box_px


def test_three_people_are_found_in_every_frame(yunet: YuNet, clips: Path) -> None:
    frames = pictures(clips / "face-demographics-walking-and-pause.mp4", 4)
    assert [len(yunet.detect(frame)) for frame in frames] == [3] * len(frames)


def test_landmarks_and_box_lie_where_a_face_has_them(yunet: YuNet, clips: Path) -> None:
    for frame in pictures(clips / "single_face.mp4", 12):
        (face,) = yunet.detect(frame)
        right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks_px
        assert right_eye[0] < nose[0] < left_eye[0]
        assert right_mouth[0] < nose[0] < left_mouth[0]
        assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])
        x1, y1, x2, y2 = face.box_px
        assert x1 < right_mouth[0] < left_mouth[0] < x2
        assert y1 < right_eye[1] < right_mouth[1] < y2
        assert x2 - x1 == pytest.approx(y2 - y1, abs=0.01)


def test_shipped_graph_puts_landmarks_where_the_published_one_does(yunet: YuNet, shared: Path, clips: Path) -> None:
    onnx = shared / "models" / "face_detection_yunet_2023mar.onnx"
    if not onnx.is_file():
        pytest.skip(f"{onnx.name} is not on this machine")
    published = cv2.FaceDetectorYN.create(str(onnx), "", (640, 360), 0.6, 0.3)
    for frame in pictures(clips / "single_face.mp4", 12):
        (face,), (row,) = yunet.detect(frame), published.detect(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1]
        assert np.abs(face.landmarks_px - row[4:14].reshape(5, 2)).max() < 0.05 * face.size_px
        assert face.score == pytest.approx(row[14], abs=0.05)


def test_anchors_that_saw_one_face_are_merged_and_others_kept() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    points = np.zeros((3, 7, 2), np.float32)
    points[:, :2] = boxes.reshape(3, 2, 2)
    faces, best = _suppress(points, np.array([0.9, 0.9, 0.7], np.float32))
    assert best == pytest.approx([0.9, 0.7])
    assert faces[:, :2].reshape(-1, 4) == pytest.approx(np.array([[0.5, 0, 10.5, 10], [50, 50, 60, 60]]))


@pytest.mark.parametrize("size", [(64, 48), (32, 24), (40, 30), (16, 12)])
def test_shrunk_picture_shows_the_same_places(size: tuple[int, int]) -> None:
    x, y = np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 48))
    out = np.zeros((size[1], size[0], 3), np.uint8)
    shrink(np.stack([x, y, x], axis=2).astype(np.uint8), out)
    assert np.abs(out[:, :, 0].mean(axis=0) - (np.arange(size[0]) + 0.5) / size[0] * 255).max() < 4
    assert np.abs(out[:, :, 1].mean(axis=1) - (np.arange(size[1]) + 0.5) / size[1] * 255).max() < 5


def test_altered_graph_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "yunet.tflite"
    monkeypatch.setattr(module, "GRAPH", path)
    with pytest.raises(AssetError, match="cannot be read"):
        read_graph()
    path.write_bytes(b"not a network")
    with pytest.raises(AssetError, match="SHA-256 differs"):
        read_graph()


def test_graph_that_is_not_yunet_is_refused() -> None:
    other = (module.GRAPH.parent / "default" / "backbone.tflite").read_bytes()
    with pytest.raises(EngineError, match=r"yunet\.tflite"):
        YuNet(other)
