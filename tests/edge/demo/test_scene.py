from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge.affect.network import load_model
from edge.config import EngineConfig, ModelConfig
from edge.demo.cast import CAST
from edge.demo.portrait import Portrait
from edge.demo.scene import Scene, SceneFace
from edge.face.crop import align_face
from edge.face.detector import Detector
from edge.face.search import Search
from edge.model.bundle import default_bundle
from edge.values import Detection, FaceCrop

needs_bundle = pytest.mark.skipif(
    not (default_bundle() / "manifest.json").is_file(), reason="no default model bundle in this checkout"
)


def scene(*, seed: int = 0, width: int = 640, height: int = 480) -> Scene:
    return Scene(width, height, seed=seed)


@pytest.fixture(scope="module")
def drawn() -> Scene:
    return scene()


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Search()


def of_face(face: SceneFace, detections: list[Detection]) -> Detection | None:
    x1, y1, x2, y2 = face.box_px
    return next((d for d in detections if x1 < d.center_px[0] < x2 and y1 < d.center_px[1] < y2), None)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "width", "height"), [(0, 640, 480), (5, 640, 480), (1, 1280, 720)])
def test_the_real_detector_finds_every_visible_face(detector, seed, width, height):
    drawn = scene(seed=seed, width=width, height=height)
    shown, found, extra = [0] * len(CAST), [0] * len(CAST), 0
    for t_s in np.arange(0, 60, 1.5):
        detections = detector.detect(drawn.draw(t_s))
        faces = drawn.truth(t_s)
        extra += sum(all(of_face(face, [detection]) is None for face in faces) for detection in detections)
        for face in faces:
            if face.visible:
                shown[face.actor] += 1
                found[face.actor] += of_face(face, detections) is not None
    assert min(shown) >= 20
    assert min(hit / count for hit, count in zip(found, shown, strict=True)) >= 0.95
    assert extra <= 3


def test_landmarks_lie_where_the_features_are_drawn(drawn, detector):
    places = []
    for t_s in np.arange(0.5, 20, 1.5):
        detections = detector.detect(drawn.draw(t_s))
        for face in drawn.truth(t_s):
            detection = of_face(face, detections) if face.visible else None
            if detection is not None:
                x1, y1, x2, y2 = face.box_px
                middle, height = ((x1 + x2) / 2, (y1 + y2) / 2), y2 - y1
                places.append((detection.landmarks_px - middle) / height)
    right, left, nose, *corners = np.mean(places, axis=0)
    assert right == pytest.approx((-0.167, -0.14), abs=0.04)
    assert left == pytest.approx((0.167, -0.14), abs=0.04)
    assert nose == pytest.approx((0.0, 0.08), abs=0.05)
    assert np.mean(corners, axis=0) == pytest.approx((0.0, 0.25), abs=0.05)


@needs_bundle
@pytest.mark.slow
def test_the_shipped_model_reads_the_scripted_valence(drawn, detector):
    model = load_model(ModelConfig(), EngineConfig())
    crop = model.bundle.manifest.crop
    scripted, read = [], []
    for t_s in np.arange(0, 64, 1.6):
        pixels = drawn.draw(t_s)
        detections = detector.detect(pixels)
        for face in drawn.truth(t_s):
            detection = of_face(face, detections) if face.visible else None
            if detection is not None:
                cut = align_face(pixels, detection.landmarks_px, crop.size, crop.rule)
                scripted.append(face.valence)
                read.append(model.backbone.embed(FaceCrop(track_id=1, pixels=cut, captured_ns=0)).va[0])
    assert np.corrcoef(scripted, read)[0, 1] > 0.5


def test_the_picture_is_a_function_of_seed_and_time(drawn):
    again = scene()
    for t_s in (0.0, 7.3, 31.0):
        assert np.array_equal(drawn.draw(t_s), again.draw(t_s))
        assert drawn.truth(t_s) == again.truth(t_s)
    assert not np.array_equal(drawn.draw(3.0), scene(seed=1).draw(3.0))
    assert drawn.truth(3.0) != scene(seed=1).truth(3.0)


def test_drawing_one_time_leaves_no_trace_in_another(drawn):
    before = drawn.draw(4.0).copy()
    drawn.draw(11.0)
    assert np.array_equal(drawn.draw(4.0), before)


def test_at_least_three_faces_are_always_visible_and_one_comes_and_goes(drawn):
    visible = [sum(face.visible for face in drawn.truth(t_s)) for t_s in np.arange(0, 120, 0.25)]
    assert min(visible) >= 3
    assert max(visible) == 4
    assert any(earlier != later for earlier, later in itertools.pairwise(visible))


def test_scripts_are_smooth_and_stay_in_range(drawn):
    for actor in range(len(CAST)):
        path = np.array([(face.valence, face.arousal) for t in range(1800) for face in [drawn.truth(t / 15)[actor]]])
        assert np.abs(path).max() <= 1
        assert np.abs(np.diff(path, axis=0)).max() < 0.06  # in a fifteenth of a second
        assert np.ptp(path[:, 0]) > 0.6
        assert np.ptp(path[:, 1]) > 0.4


@pytest.mark.parametrize("actor", range(len(CAST)))
def test_expressions_change_the_face_and_blinks_the_eyes(actor):
    portrait = Portrait(CAST[actor].look)
    neutral = portrait.draw(0, 0).astype(int)

    def change(rows: slice, *expression: float) -> float:
        return float(np.abs(portrait.draw(*expression).astype(int) - neutral)[rows, 90:190, :3].mean())

    mouth, eyes = slice(195, 235), slice(128, 156)
    assert change(mouth, 0.8, 0.2) > 4
    assert change(mouth, -0.8, -0.2) > 1
    assert change(mouth, 0, 0.8) > 4
    assert change(eyes, 0, 0.8) > 1
    assert change(eyes, 0, 0, 1) > 3
    assert change(mouth, 0, 0, 1) == 0


def test_extreme_expressions_can_be_drawn_and_do_not_spill_over_the_face():
    portrait = Portrait(CAST[0].look)
    cover = portrait.draw(0, 0)[..., 3]
    for valence, arousal, blink in itertools.product((-1, 0, 1), (-1, 0, 1), (0, 1)):
        assert np.array_equal(portrait.draw(valence, arousal, blink)[..., 3], cover)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (320, 240), (480, 640), (1280, 720)])
def test_every_size_can_be_drawn(width, height):
    small = scene(width=width, height=height)
    for t_s in (0.0, 25.0, 30.0):
        assert small.draw(t_s).shape == (height, width, 3)
