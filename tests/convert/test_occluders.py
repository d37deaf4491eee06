"""Things laid over a face: they lie where they should, depend on nothing but themselves, and cost little."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.augment.occluders import KINDS, Occluder, draw_occluder, occlude
from edge.values import UInt8Array

SIZE = 112
EYES, MOUTH, CHEEK = (0.5, 0.317), (0.5, 0.65), (0.68, 0.5)


def crop(value: int = 140) -> UInt8Array:
    ramp = np.linspace(-40, 40, SIZE)[:, None, None] + np.zeros((SIZE, SIZE, 3))
    return np.asarray(value + ramp, np.uint8)


def changed(occluder: Occluder, at: tuple[float, float], half: float = 0.06) -> float:
    """How much of a patch about `at` no longer is what it was, 0-1."""
    before, after = crop().astype(int), occlude(crop(), occluder).astype(int)
    left, right, top, bottom = (round((v + d) * SIZE) for v in at for d in (-half, half))
    return float((np.abs(after - before).max(axis=2) > 8)[top:bottom, left:right].mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_occluder_covers_a_part_and_keeps_shape_dtype_and_input(kind: str, dtype: type) -> None:
    face: NDArray[Any] = crop().astype(dtype)
    before = face.copy()
    covered = occlude(face, Occluder(kind=kind))
    assert covered.shape == face.shape
    assert covered.dtype == dtype
    assert np.array_equal(face, before)
    assert covered.min() >= 0
    assert covered.max() <= 255
    share = (np.abs(covered.astype(float) - before).max(axis=2) > 8).mean()
    assert 0.02 < share < 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_both_dtypes_show_the_same_thing(kind: str) -> None:
    small = occlude(crop(), Occluder(kind=kind, seed=3)).astype(float)
    large = occlude(crop().astype(np.float32), Occluder(kind=kind, seed=3))
    assert np.abs(small - large).max() <= 2


@pytest.mark.parametrize(
    ("kind", "hidden", "free"),
    [
        ("mask", MOUTH, EYES),
        ("patch", MOUTH, EYES),
        ("hand", MOUTH, EYES),
        ("sunglasses", (0.325, 0.33), MOUTH),
        ("sunglasses", (0.675, 0.33), MOUTH),
    ],
)
def test_usual_place_hides_what_it_names_and_nothing_else(
    kind: str, hidden: tuple[float, float], free: tuple[float, float]
) -> None:
    for seed in range(4):
        thing = Occluder(kind=kind, seed=seed, rgb=None if kind == "sunglasses" else (40, 60, 160))
        assert changed(thing, hidden) > 0.9
        if kind != "hand":
            assert changed(thing, free, 0.03) < 0.1


def test_hand_reaches_from_where_its_angle_says() -> None:
    up = Occluder(kind="hand", rgb=(60, 40, 30))
    assert changed(up, (0.5, 0.93)) > 0.9
    assert changed(up, (0.5, 0.07)) < 0.1
    from_the_left = replace(up, angle=np.pi / 2)
    assert changed(from_the_left, (0.07, 0.65)) > 0.9
    assert changed(from_the_left, (0.93, 0.65)) < 0.1


def test_flip_mirrors_what_is_laid() -> None:
    thing = Occluder(kind="hair", rgb=(20, 20, 20))
    assert changed(thing, (0.75, 0.2)) > changed(thing, (0.25, 0.2))
    assert np.abs(occlude(crop(), thing)[:, ::-1].astype(int) - occlude(crop(), replace(thing, flip=True))).max() <= 3


def test_same_draw_gives_the_same_picture_and_others_do_not() -> None:
    first, again = (draw_occluder(np.random.default_rng(5)) for _ in range(2))
    assert first == again
    assert np.array_equal(occlude(crop(), first), occlude(crop(), again))
    pictures = {occlude(crop(), draw_occluder(np.random.default_rng(n))).tobytes() for n in range(20)}
    assert len(pictures) == 20


def test_draws_hold_every_kind_and_hands_most_often() -> None:
    rng = np.random.default_rng(0)
    kinds = [draw_occluder(rng).kind for _ in range(500)]
    assert set(kinds) == set(KINDS)
    assert max(KINDS, key=kinds.count) == "hand"


def test_hand_takes_its_skin_from_the_face() -> None:
    dark, light = (occlude(crop(value), Occluder(kind="hand", style="fist")) for value in (60, 190))
    middle = slice(round(0.6 * SIZE), round(0.7 * SIZE))
    assert dark[middle, middle].mean() < 90
    assert light[middle, middle].mean() > 120


def test_unknown_names_and_a_crop_that_is_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="no occluder is called 'veil'"):
        occlude(crop(), Occluder(kind="veil"))
    with pytest.raises(ValueError, match="no mask is 'torn'"):
        occlude(crop(), Occluder(kind="mask", style="torn"))
    with pytest.raises(ValueError, match="square"):
        occlude(crop()[:50], Occluder(kind="mask"))


def test_a_training_can_afford_one_for_every_crop() -> None:
    things = [draw_occluder(np.random.default_rng(n)) for n in range(60)]
    face = crop()
    best = min(_seconds(face, things) for _ in range(3))
    # An order above what was measured (0.3 ms): painting anew for each crop would take more.
    assert best / len(things) < 0.003


def _seconds(face: UInt8Array, things: list[Occluder]) -> float:
    began = time.process_time()  # not the clock's time, of which others on this machine take their share
    for thing in things:
        occlude(face, thing)
    return time.process_time() - began
