"""The robustness grid: what it does to a picture, and that it sees what a bundle loses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from convert.augment import occluders
from convert.augment.occluders import KINDS
from convert.faces.finder import FaceFinder, LabelledFace
from convert.predict import covers
from convert.predict import degradations as d
from convert.predict.evaluation import Device
from convert.predict.robustness import Robustness, measure_robustness
from convert.predict.robustness_grid import GRID, UNSEEN_COVERS, Level
from convert.predict.robustness_page import plot_robustness, to_card, to_markdown
from convert.predict.unseen_covers import UNSEEN
from edge.face.detector import YuNet
from edge.geometry import LEFT_EYE, RIGHT_EYE, CropRule, face_square
from edge.model.bundle import default_bundle, load_bundle
from edge.values import Detection, Embedding, FaceCrop, Float32Array, UInt8Array

SIDE = 200
LANDMARKS = np.array([(70, 70), (130, 70), (100, 105), (82, 130), (118, 130)], np.float32)
RNG = np.random.default_rng(0)
CLEAN = Level("clean", "clean")
# Of a plain crop under each unseen cover; another value means that figures of two models no longer compare.
MEANS = {
    "paper": 168.4,
    "cup": 152.8,
    "noise patch": 152.9,
    "knitted wrap": 142.7,
    "jointed hand": 153.4,
    "goggles": 154.5,
}


def picture(brightness: int = 120) -> UInt8Array:
    checks = (np.indices((SIDE, SIDE)).sum(axis=0) // 10 % 2 * 40 - 20)[..., None]
    return np.asarray(np.clip(brightness + checks + np.zeros(3), 0, 255), np.uint8)


class LandmarksInTheMiddle:
    """Finds a face of the picture's size in the middle of any frame that is not darker than asked."""

    def __init__(self, darkest: float = 0.0) -> None:
        self._darkest = darkest

    def detect(self, pixels: UInt8Array) -> list[Detection]:
        height, width = pixels.shape[:2]
        x, y = (width - SIDE) / 2, (height - SIDE) / 2
        middle = pixels[height // 2 - 50 : height // 2 + 50, width // 2 - 50 : width // 2 + 50]
        if middle.mean() < self._darkest:
            return []
        where = LANDMARKS + np.array([x, y], np.float32)
        return [Detection(box_px=(x, y, x + SIDE, y + SIDE), score=0.9, landmarks_px=where)]


@dataclass
class Brightness:
    """A device whose valence is the brightness of the crop's middle, and whose arousal is that of its lower part."""

    def __post_init__(self) -> None:
        self.manifest = SimpleNamespace(crop=SimpleNamespace(size=112, rule=CropRule()))
        self.backbone = self

    def embed(self, crop: FaceCrop) -> Embedding:
        upper, lower = crop.pixels[30:56, 36:76].mean(), crop.pixels[64:82, 40:72].mean()
        va = np.array([upper / 127.5 - 1, lower / 127.5 - 1], np.float32)
        return Embedding(track_id=1, captured_ns=0, vector=va, va=va)


def faces(count: int = 12) -> list[LabelledFace]:
    return [
        LabelledFace(
            name=f"drawn/{n}",
            source="drawn",
            validation=True,
            pixels=picture(level),
            landmarks_px=LANDMARKS,
            rated=(level / 127.5 - 1, level / 127.5 - 1),
        )
        for n, level in enumerate(np.linspace(40, 215, count).astype(int).tolist())
    ]


def measure(*levels: Level, darkest: float = 0.0, turner: Any = None) -> Robustness:
    device: Any = Brightness()
    return measure_robustness(faces(), device, LandmarksInTheMiddle(darkest), turner=turner, grid=(CLEAN, *levels))


MOUTH_BOX = Level("cover", "mouth box", cover=covers.boxed("mouth"))


def test_clean_frames_keep_everything_and_a_cover_only_what_it_leaves_free() -> None:
    clean, mouth = measure(MOUTH_BOX).levels
    assert clean.found == 1.0
    for before, after in ((clean.device, mouth.device), (clean.network, mouth.network)):
        assert before.agreement["valence"].ccc > 0.98
        assert before.kept == pytest.approx({"valence": 1.0, "arousal": 1.0})
        assert after.kept["valence"] > 0.95
        assert after.kept["arousal"] < 0.1
        assert after.agreement["arousal"].rmse > before.agreement["arousal"].rmse + 0.3


def test_faces_that_the_detector_misses_count_in_found_and_not_in_the_device_s_agreement() -> None:
    clean, dark = measure(Level("light", "1/4", spoil=d.dimmed(0.25)), darkest=60).levels
    assert clean.found > dark.found > 0
    assert dark.device.n == round(12 * dark.found)
    _, night = measure(Level("light", "1/100", spoil=d.dimmed(0.01)), darkest=60).levels
    assert (night.found, night.device.agreement, night.device.kept) == (0.0, {}, {})
    assert dark.network.n == night.network.n == 12


class Astray(LandmarksInTheMiddle):
    """Where the mouth is black it loses the face, or puts it elsewhere."""

    def __init__(self, off_px: float | None) -> None:
        super().__init__()
        self._off_px = off_px

    def detect(self, pixels: UInt8Array) -> list[Detection]:
        (face,) = super().detect(pixels)
        x, y = face.landmarks_px[3].astype(int)
        if pixels[y - 3 : y + 4, x - 3 : x + 4].max() > 0:
            return [face]
        if self._off_px is None:
            return []
        where = face.landmarks_px + np.array([0, self._off_px], np.float32)
        return [replace(face, landmarks_px=where)]


def test_what_a_cover_does_to_the_detector_costs_the_device_and_not_the_network() -> None:
    device: Any = Brightness()
    lost, moved, steady = (
        measure_robustness(faces(), device, detector, grid=(CLEAN, MOUTH_BOX)).levels[1]
        for detector in (Astray(None), Astray(40.0), LandmarksInTheMiddle())
    )
    assert (lost.found, lost.device.n, lost.device.agreement) == (0.0, 0, {})
    assert moved.found == 1.0
    assert moved.device.kept["valence"] < steady.device.kept["valence"] - 0.05
    assert lost.network == moved.network == steady.network


@pytest.mark.parametrize("name", UNSEEN)
def test_an_unseen_cover_hides_a_part_of_any_crop_repeats_and_varies(name: str) -> None:
    crop = picture()[:112, :112]
    one, two, other = (UNSEEN[name](crop, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert (one.shape, one.dtype) == (crop.shape, np.uint8)
    assert 0.05 < (one != crop).any(axis=2).mean() < 0.6
    assert UNSEEN[name](picture(), np.random.default_rng(1)).shape == (SIDE, SIDE, 3)


def test_unseen_covers_are_still_those_that_models_were_measured_with() -> None:
    crop = np.full((112, 112, 3), (200, 150, 120), np.uint8)
    means = {name: float(cover(crop, np.random.default_rng(0)).mean()) for name, cover in UNSEEN.items()}
    assert means == pytest.approx(MEANS, abs=0.3)


def test_training_knows_nothing_of_the_unseen_covers() -> None:
    assert not set(UNSEEN) & set(KINDS)
    assert {level.name for level in GRID if level.axis == UNSEEN_COVERS} == set(UNSEEN)
    for module in Path(occluders.__file__).parent.rglob("*.py"):
        assert "convert.predict" not in module.read_text("utf-8"), module


def test_a_cover_in_the_frame_changes_only_what_it_covers_of_the_picture() -> None:
    shot = d.place(picture(), LANDMARKS, roll_deg=20)
    covered = covers.cover_in_frame(shot, covers.boxed("mouth"), RNG)
    changed = (covered.pixels != shot.pixels).any(axis=2)
    assert not (changed & (shot.inside == 0)).any()
    x, y = shot.landmarks_px[3].round().astype(int)
    assert covered.pixels[y, x].max() == 0
    eyes = shot.landmarks_px[:2].round().astype(int)
    assert not changed[eyes[:, 1], eyes[:, 0]].any()
    assert 0.02 < changed.sum() / (shot.inside > 0).sum() < 0.3


def test_yaw_needs_a_turner_and_is_left_out_without() -> None:
    asked = []

    class Turner:
        def fit(self, pixels: UInt8Array, landmarks_px: Float32Array) -> Callable[[float], d.Shot]:
            def turned(yaw_deg: float) -> d.Shot:
                asked.append(yaw_deg)
                return d.place(pixels, landmarks_px)

            return turned

    level = Level("yaw", "+20°", yaw_deg=20)
    assert len(measure(level).levels) == 1
    turned = measure(level, turner=Turner()).levels[1]
    assert turned.device.kept["valence"] == pytest.approx(1.0)
    assert turned.network.n == 0
    assert asked == [20] * 12


def test_grid_without_clean_frames_and_faces_without_ratings_are_refused() -> None:
    device: Any = Brightness()
    with pytest.raises(ValueError, match="begin with the clean"):
        measure_robustness(faces(), device, LandmarksInTheMiddle(), grid=GRID[1:2])
    with pytest.raises(ValueError, match="ratings"):
        measure_robustness([], device, LandmarksInTheMiddle())
    trained = [replace(face, validation=False) for face in faces()]
    with pytest.raises(ValueError, match="held-out"):
        measure_robustness(trained, device, LandmarksInTheMiddle())


def test_same_seed_gives_the_same_figures() -> None:
    level = Level("cover", "hand", cover=covers.handed)
    assert measure(level) == measure(level)


def test_table_has_a_row_a_level_and_the_figure_is_written(tmp_path: Path) -> None:
    result = measure(
        Level("cover", "mask", cover=covers.worn("mask")), Level("light", "1/100", spoil=d.dimmed(0.01)), darkest=40
    )
    rows = [line for line in to_markdown(result).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(result.levels)
    assert len({row.count("|") for row in rows}) == 1
    assert "| mask |" in to_markdown(result)
    assert "| cover: mask |" in to_card(result)
    json.dumps(result.record())
    plot_robustness(result, tmp_path / "grid.png")
    drawn = cv2.imread(str(tmp_path / "grid.png"))
    assert drawn is not None
    assert drawn.std() > 5


@pytest.mark.parametrize(("scale", "roll"), [(1.0, 0.0), (0.4, 0.0), (1.0, 30.0), (0.6, -15.0)])
def test_placed_face_lies_where_its_landmarks_say(scale: float, roll: float) -> None:
    pixels = picture()
    x, y = LANDMARKS[LEFT_EYE].astype(int)
    pixels[y - 5 : y + 6, x - 5 : x + 6] = (255, 0, 0)
    shot = d.place(pixels, LANDMARKS, scale=scale, roll_deg=roll)
    assert shot.pixels.shape == (d.FRAME[1], d.FRAME[0], 3)
    red = np.argwhere((shot.pixels[..., 0] > 180) & (shot.pixels[..., 1] < 80))[:, ::-1]
    assert np.abs(red.mean(axis=0) - shot.landmarks_px[LEFT_EYE]).max() < 1.0
    assert shot.side_px == pytest.approx(scale * face_square(LANDMARKS, CropRule()).side, rel=0.01)
    across = shot.landmarks_px[LEFT_EYE] - shot.landmarks_px[RIGHT_EYE]
    assert np.degrees(np.arctan2(across[1], across[0])) == pytest.approx(roll, abs=0.5)


def test_crop_is_grey_where_the_picture_ends_as_on_a_device() -> None:
    shot = d.place(picture(200), LANDMARKS)
    crop = shot.cut(shot.landmarks_px + np.array([0, 90], np.float32), 112, CropRule())
    assert (crop[-10:] == 127).all()
    assert not (shot.pixels == 127).all(axis=2).any()


def test_less_light_is_darker_and_noisier_and_more_light_is_cut_at_white() -> None:
    shot = d.place(np.full((SIDE, SIDE, 3), 140, np.uint8), LANDMARKS)
    middle = (slice(200, 280), slice(280, 360))
    spreads, means = [], []
    for share in (1.0, 0.25, 0.05):
        seen = d.dimmed(share)(shot, np.random.default_rng(1)).pixels[middle]
        spreads.append(seen.std() / seen.mean())
        means.append(seen.mean())
    assert means[0] == pytest.approx(140, abs=2)
    assert means == sorted(means, reverse=True)
    assert spreads == sorted(spreads)
    assert d.overexposed(1.5)(shot, RNG).pixels[middle].mean() > 150
    assert d.overexposed(8.0)(shot, RNG).pixels[middle].min() == 255


def test_blur_coding_and_grey_take_what_they_name() -> None:
    speckled = np.random.default_rng(1).integers(60, 200, (SIDE // 2, SIDE // 2, 3), dtype=np.uint8)
    shot = d.place(np.asarray(cv2.resize(speckled, (SIDE, SIDE)), np.uint8), LANDMARKS)

    def fine(spoil: d.Spoil) -> float:
        seen = spoil(shot, np.random.default_rng(2))
        crop = seen.cut(seen.landmarks_px, 112, CropRule())
        return float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_32F)[30:80, 30:80].std())

    whole = fine(lambda shot, _: shot)
    assert whole > fine(d.defocused(2)) > fine(d.defocused(4))
    assert whole > fine(d.moved(9))
    coloured = shot._replace(pixels=np.asarray(shot.pixels * (1.0, 0.5, 0.3), np.uint8))
    assert np.ptp(d.greyed(coloured, RNG).pixels, axis=2).max() == 0
    coded = d.compressed(10)(coloured, RNG).pixels
    assert not np.array_equal(coded, coloured.pixels)
    assert np.abs(coded.mean(axis=(0, 1)) - coloured.pixels.mean(axis=(0, 1))).max() < 3


def test_shipped_bundle_goes_through_with_drawn_faces(finder: FaceFinder, draw_face: Callable[..., np.ndarray]) -> None:
    rng = np.random.default_rng(4)
    drawn: list[LabelledFace] = []
    while len(drawn) < 12:
        smile = rng.uniform(-0.8, 0.8)
        pixels = draw_face(rng, smile, 0.3)
        seen = finder.find(pixels)
        if seen is not None:
            drawn.append(
                LabelledFace(
                    name=f"drawn/{len(drawn)}",
                    source="drawn",
                    validation=True,
                    pixels=pixels,
                    landmarks_px=seen.landmarks_px,
                    rated=(smile, 0.0),
                )
            )
    detector = YuNet(size=(640, 480))
    grid = [level for level in GRID if level.name in ("clean", "64 px", "24 px", "JPEG 25", "mask")]
    result = measure_robustness(drawn, Device(load_bundle(default_bundle())), detector, grid=grid)
    by_name = {level.name: level for level in result.levels}
    assert set(by_name) == {level.name for level in grid}
    assert by_name["clean"].device.n >= 10
    assert by_name["mask"].network.n == 12
    assert by_name["24 px"].found <= by_name["64 px"].found
