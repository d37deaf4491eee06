"""The search: what it finds of drawn faces, where it looks, and that its cost has a bound."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from edge.cli.bench.crowd import draw_crowd
from edge.config import EngineConfig, FaceConfig
from edge.demo.scene import Scene
from edge.face.search import MOST_REGIONS, Search, search_scale, smallest_found_px
from edge.face.tracker import Expected
from edge.geometry import box_iou, roll_radians
from edge.values import Detection


@pytest.fixture(scope="module")
def search() -> Search:
    return Search()


def expect(face: Detection, dx: float = 0.0, *, roll: float = 0.0) -> Expected:
    x, y = face.center_px
    return Expected(x + dx, y, face.size_px, roll, True)


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (1920, 1080), (3840, 2160)])
def test_wide_search_finds_the_drawn_people_at_any_camera_size(search: Search, size: tuple[int, int]) -> None:
    scene = Scene(*size)
    found = [face.box_px for face in search.find(scene.draw(3.0)).detections]
    visible = [face.box_px for face in scene.truth(3.0) if face.visible]
    assert len(found) == len(visible)
    assert all(any(box_iou(box, one) > 0.5 for one in found) for box in visible)


@pytest.mark.parametrize("faces", [1, 2, 5, 8, 16, 25])
def test_mosaic_finds_the_same_faces_as_the_wide_search(search: Search, faces: int) -> None:
    picture = draw_crowd(faces)[0]
    wide = search.find(picture).detections
    near = search.find(picture, [expect(face, 5.0) for face in wide], wide=False)
    assert list(near.looked_for) == list(range(faces))
    assert len(near.detections) == faces
    for face in wide:
        middle = face.landmarks_px.mean(axis=0)
        off = min(np.hypot(*(one.landmarks_px.mean(axis=0) - middle)) for one in near.detections)
        assert off < 0.12 * face.size_px


def test_face_at_the_frames_edge_is_found_at_its_place(search: Search) -> None:
    picture = draw_crowd(1)[0]
    (whole,) = search.find(picture).detections
    cut = round(whole.box_px[0]) - 6
    near = search.find(np.ascontiguousarray(picture[:, cut:]), [expect(whole, -cut)], wide=False).detections
    assert np.abs(near[0].landmarks_px + np.array([cut, 0]) - whole.landmarks_px).max() < 0.1 * whole.size_px


def test_nothing_is_searched_where_nobody_is_known_and_the_search_is_not_wide(search: Search) -> None:
    found = search.find(draw_crowd(3)[0], wide=False)
    assert (found.detections, list(found.looked_for)) == ([], [])


def test_more_faces_than_cells_take_turns(search: Search) -> None:
    picture = np.full((480, 640, 3), 90, np.uint8)
    crowd = [Expected(30.0 + 9 * n, 200.0, 30.0, 0.0, True) for n in range(MOST_REGIONS + 20)]
    turns = [set(search.find(picture, crowd, wide=False).looked_for) for _ in range(3)]
    assert all(len(turn) == MOST_REGIONS for turn in turns)
    assert turns[0] | turns[1] == set(range(len(crowd)))
    assert set(search.find(picture, crowd).looked_for) == set(range(len(crowd)))


@pytest.mark.parametrize("tilt", [-25, 25])
def test_tilted_face_is_upright_in_its_cell_after_some_steps(search: Search, tilt: float) -> None:
    picture = draw_crowd(1)[0]
    (face,) = search.find(picture).detections
    straight = roll_radians(face.landmarks_px)
    turn = cv2.getRotationMatrix2D(face.center_px, -tilt, 1.0)
    turned = np.asarray(cv2.warpAffine(picture, turn, (640, 480), borderValue=(128, 128, 128)), np.uint8)
    roll = 0.0
    for _ in range(8):
        (found,) = search.find(turned, [expect(face, roll=roll)], wide=False).detections
        roll = roll_radians(found.landmarks_px)
    assert math.degrees(roll - straight) == pytest.approx(tilt, abs=8)


def test_one_face_in_two_cells_is_one_detection(search: Search) -> None:
    picture = draw_crowd(1)[0]
    (face,) = search.find(picture).detections
    assert len(search.find(picture, [expect(face, -6), expect(face, 6)]).detections) == 1


@pytest.mark.parametrize(
    ("size", "limits", "scale", "smallest"),
    [
        ((640, 480), FaceConfig(), 0.5, 24),
        ((1920, 1080), FaceConfig(), 0.5, 24),
        ((3840, 2160), FaceConfig(), 0.25, 48),
        ((640, 480), FaceConfig(min_face_px=12), 1.0, 12),
        ((640, 480), FaceConfig(min_face_px=48), 0.25, 48),
        ((1920, 1080), FaceConfig(search_px=480), 0.25, 48),
    ],
)
def test_wide_search_shrinks_as_far_as_the_smallest_wanted_face_allows(
    size: tuple[int, int], limits: FaceConfig, scale: float, smallest: float
) -> None:
    assert search_scale(*size, limits) == scale
    assert smallest_found_px(*size, limits) == smallest


def test_picture_that_changes_its_size_is_searched_anew() -> None:
    search = Search(FaceConfig(), EngineConfig())
    for size in ((640, 480), (480, 640), (640, 480)):
        picture = np.asarray(cv2.resize(draw_crowd(2)[0], size), np.uint8)
        assert len(search.find(picture).detections) == 2
