"""The detectors on pictures: drawn, none, and real clips where they are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest

from edge.config import EngineConfig, FaceConfig
from edge.errors import AssetError, EngineError
from edge.face.detector import BlazeFace, Detector, _suppress, load_detector
from edge.model.assets import BLAZEFACE, find_asset


@pytest.fixture(scope="module")
def blazeface(detector_asset: Path) -> Detector:
    return load_detector(FaceConfig(), EngineConfig())


@pytest.fixture(scope="module")
def yunet(shared: Path) -> Detector:
    model = shared / "models" / "face_detection_yunet_2023mar.onnx"
    if not model.is_file():
        pytest.skip(f"{model.name} is not on this machine")
    return load_detector(FaceConfig(detector="yunet", model=str(model)), EngineConfig())


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
def test_empty_picture_of_any_shape_has_no_face(blazeface: Detector, shape: tuple[int, int]) -> None:
    assert blazeface.detect(np.full((*shape, 3), 90, np.uint8)) == []


def test_letterbox_of_one_size_leaves_no_trace_in_the_next(blazeface: Detector, clips: Path) -> None:
    (picture, *_) = pictures(clips / "single_face.mp4", 100)
    before = blazeface.detect(picture)
    blazeface.detect(np.full((900, 200, 3), 255, np.uint8))
    after = blazeface.detect(picture)
    assert before[0].box_px == after[0].box_px


def test_three_people_are_found_in_every_frame(blazeface: Detector, clips: Path) -> None:
    frames = pictures(clips / "face-demographics-walking-and-pause.mp4", 4)
    assert [len(blazeface.detect(frame)) for frame in frames] == [3] * len(frames)


@pytest.mark.parametrize("name", ["blazeface", "yunet"])
def test_landmarks_lie_where_a_face_has_them(name: str, request: pytest.FixtureRequest, clips: Path) -> None:
    detector: Detector = request.getfixturevalue(name)
    for frame in pictures(clips / "single_face.mp4", 12):
        (face,) = detector.detect(frame)
        right_eye, left_eye, nose, mouth, right_ear, left_ear = face.landmarks_px
        assert right_ear[0] < right_eye[0] < nose[0] < left_eye[0] < left_ear[0]
        assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]
        x1, y1, x2, y2 = face.box_px
        assert x1 < nose[0] < x2
        assert y1 < nose[1] < y2


def test_detectors_agree_on_where_eyes_and_mouth_are(blazeface: Detector, yunet: Detector, clips: Path) -> None:
    for frame in pictures(clips / "single_face.mp4", 12):
        (one,), (other,) = blazeface.detect(frame), yunet.detect(frame)
        assert np.abs(one.landmarks_px[:4] - other.landmarks_px[:4]).max() < 0.12 * one.size_px


def test_anchors_that_saw_one_face_are_merged_and_others_kept() -> None:
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60], [1, 0, 11, 10]], np.float32)
    scores = np.array([0.9, 0.7, 0.9], np.float32)
    points = np.zeros((3, 8, 2), np.float32)
    points[:, :2] = boxes.reshape(3, 2, 2)
    faces, best = _suppress(points, scores)
    assert best == pytest.approx([0.9, 0.7])
    assert faces[:, :2].reshape(-1, 4) == pytest.approx(np.array([[0.5, 0, 10.5, 10], [50, 50, 60, 60]]))


def test_missing_detector_file_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECT_EDGE_ASSETS", str(tmp_path))
    if find_asset(BLAZEFACE) is not None:
        pytest.skip("a system package provides the file")
    with pytest.raises(AssetError, match="run `affect-edge fetch`"):
        load_detector(FaceConfig(), EngineConfig())


def test_missing_or_broken_yunet_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "yunet.onnx"
    with pytest.raises(AssetError, match="names no file"):
        load_detector(FaceConfig(detector="yunet", model=str(path)), EngineConfig())
    path.write_bytes(b"not a network")
    with pytest.raises(AssetError, match="cannot read it as YuNet"):
        load_detector(FaceConfig(detector="yunet", model=str(path)), EngineConfig())


def test_graph_that_is_not_blazeface_is_refused() -> None:
    class Other:
        inputs: ClassVar[dict[str, object]] = {}
        outputs: ClassVar[dict[str, object]] = {}

        def invoke(self, tensors: object) -> dict[str, object]:
            return {}

    with pytest.raises(EngineError, match="not BlazeFace"):
        BlazeFace(Other())  # type: ignore[arg-type]
