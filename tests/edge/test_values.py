"""The values: frozen, read-only, and pictures that cannot be serialized."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest

from edge import values
from edge.values import Detection, FaceCrop, Frame


def frame() -> Frame:
    return Frame(pixels=np.zeros((4, 6, 3), np.uint8), captured_ns=0, index=0)


def crop() -> FaceCrop:
    return FaceCrop(track_id=1, pixels=np.zeros((4, 4, 3), np.uint8), captured_ns=0)


@pytest.mark.parametrize("picture", [frame(), crop()], ids=["frame", "crop"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pictures_refuse_to_be_pickled(picture: object, protocol: int) -> None:
    with pytest.raises(TypeError, match="never serialized"):
        pickle.dumps(picture, protocol)


def test_pictures_refuse_to_be_copied() -> None:
    with pytest.raises(TypeError, match="never serialized"):
        copy.copy(frame())


def test_arrays_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        frame().pixels[0, 0, 0] = 1
    detection = Detection(box_px=(0, 0, 1, 1), score=1, landmarks_px=np.zeros((5, 2), np.float32))
    with pytest.raises(ValueError, match="read-only"):
        detection.landmarks_px[0] = 1


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 6), np.uint8), np.zeros((4, 6, 4), np.uint8), np.zeros((4, 6, 3), np.float32)]
)
def test_frame_refuses_anything_but_rgb_bytes(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"uint8 \(H, W, 3\)"):
        Frame(pixels=pixels, captured_ns=0, index=0)


def test_every_value_is_frozen_slotted_and_keyword_only() -> None:
    found = [v for v in vars(values).values() if dataclasses.is_dataclass(v) and isinstance(v, type)]
    assert len(found) >= 9
    for value in found:
        assert value.__dataclass_params__.frozen, value
        assert "__slots__" in vars(value), value
        assert all(f.kw_only for f in dataclasses.fields(value)), value
