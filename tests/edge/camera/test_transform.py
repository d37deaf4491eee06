from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera.transform import Transform

sizes = st.tuples(st.integers(2, 40), st.integers(2, 40))
fractions = st.floats(0, 1, width=32)
polygons = st.lists(st.tuples(fractions, fractions), min_size=3, max_size=8)


def picture(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(width * 100 + height).integers(1, 256, (height, width, 3), dtype=np.uint8)


@given(sizes)
def test_four_quarter_turns_are_none(size):
    before = picture(*size)
    turn = Transform(rotate=90)
    after = before
    for _ in range(4):
        after = turn.apply(after)
    assert np.array_equal(before, after)


@given(sizes)
def test_turns_add_up(size):
    before = picture(*size)
    quarter = Transform(rotate=90).apply
    assert np.array_equal(Transform(rotate=180).apply(before), quarter(quarter(before)))
    assert np.array_equal(Transform(rotate=270).apply(before), quarter(quarter(quarter(before))))


@given(sizes)
def test_flipping_twice_is_nothing(size):
    before = picture(*size)
    flip = Transform(flip=True)
    assert np.array_equal(flip.apply(flip.apply(before)), before)


def test_turning_is_clockwise_and_flipping_comes_after():
    before = np.zeros((2, 3, 3), np.uint8)
    before[0, 0] = 255  # top left
    assert Transform(rotate=90).apply(before)[0, 1].all()  # goes top right
    assert Transform(rotate=90, flip=True).apply(before)[0, 0].all()
    assert Transform(rotate=90).apply(before).shape == (3, 2, 3)


@given(sizes, st.lists(polygons, min_size=1, max_size=3), st.sampled_from([0, 90, 180, 270]), st.booleans())
def test_zones_are_black_and_all_else_untouched(size, zones, rotate, flip):
    before = picture(*size)
    kept = before.copy()
    turned = Transform(rotate=rotate, flip=flip).apply(before)
    after = Transform(rotate=rotate, flip=flip, zones=zones).apply(before)
    assert np.array_equal(before, kept)
    black = (after == 0).all(axis=2)
    assert np.array_equal(after[~black], turned[~black])
    height, width = after.shape[:2]
    for zone in zones:
        corners = (np.array(zone, np.float32) * (width, height) - 0.5).astype(np.float32)
        # Only simple outlines have an inside that everybody agrees on.
        if len(zone) == 3:
            for y in range(height):
                for x in range(width):
                    if cv2.pointPolygonTest(corners, (x, y), measureDist=True) > 0.5:
                        assert black[y, x]
    if len(zones) == 1 and len(zones[0]) == 3:
        outside = [
            (x, y)
            for y in range(height)
            for x in range(width)
            if cv2.pointPolygonTest(corners, (x, y), measureDist=True) < -1.5
        ]
        assert not any(black[y, x] for x, y in outside)


def test_a_zone_over_everything_leaves_nothing():
    everything = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    assert not Transform(zones=[everything]).apply(picture(33, 21)).any()


def test_zones_follow_a_change_of_size():
    left_half = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
    transform = Transform(zones=[left_half])
    for width, height in ((40, 30), (20, 10), (40, 30)):
        after = transform.apply(picture(width, height))
        assert not after[:, : width // 2].any()
        assert after[:, width // 2 + 1 :].all()


def test_zones_lie_in_the_turned_and_flipped_picture():
    top = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.3), (0.0, 0.3)]
    after = Transform(rotate=90, flip=True, zones=[top]).apply(picture(20, 40))
    assert after.shape == (20, 40, 3)
    assert not after[:6].any()
    assert after[8:].all()


def test_nothing_to_do_copies_nothing():
    before = picture(8, 8)
    assert Transform().apply(before) is before


def test_other_angles_are_refused():
    with pytest.raises(ValueError, match="45"):
        Transform(rotate=45)
