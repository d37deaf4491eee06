"""Frames of any size, type and stride, and faces found anywhere, through detector, crop, gate and the whole step.

See `conftest.py` for the deep run.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.affect.network import AffectModel, load_model
from edge.affect.window import Windower
from edge.clock import NS, FileClock
from edge.config import Config, EngineConfig, FaceConfig, ModelConfig, WindowConfig
from edge.device import Device, origin_of
from edge.errors import FrameError
from edge.face.crop import align_face
from edge.face.quality import QualityGate
from edge.face.schedule import Schedule
from edge.face.search import Search, Sighting
from edge.face.tracker import Expected, Tracker
from edge.geometry import CropRule
from edge.health import HealthMonitor
from edge.values import Detection, FaceCrop, Frame, Quality

fuzz = settings.get_profile("fuzz")
GATE = QualityGate(FaceConfig(min_face_px=1, max_yaw_deg=90, min_light=0, min_sharpness=0))
POSE = Quality(size_px=60, yaw_deg=0)
SIDES = st.sampled_from([0, 1, 2, 3, 7, 8, 31, 112, 191, 192, 193, 640, 4096, 5000])


def turned(picture: NDArray[Any], how: str) -> NDArray[Any]:
    """The same numbers in another order of memory."""
    return {
        "plain": lambda: picture,
        "upside down": lambda: picture[::-1],
        "mirrored": lambda: picture[:, ::-1],
        "every other": lambda: np.repeat(np.repeat(picture, 2, 0), 2, 1)[::2, ::2],
        "bgr": lambda: picture[..., ::-1],
        "columns first": lambda: np.asfortranarray(picture),
        "one pixel for all": lambda: np.broadcast_to(picture[:1, :1], picture.shape) if picture.size else picture,
        "read-only": lambda: np.frombuffer(picture.tobytes(), picture.dtype).reshape(picture.shape),
    }[how]()


STRIDES = ["plain", "upside down", "mirrored", "every other", "bgr", "columns first", "one pixel for all", "read-only"]


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    """Mostly pictures, some of them odd; at most some 2 million values, so that an example takes milliseconds."""
    height, width = draw(SIDES), draw(SIDES)
    if height * width > 700_000:
        height = min(height, 64)
    channels = draw(st.sampled_from([3, 3, 3, 3, 1, 2, 4, 0]))
    shape = draw(st.sampled_from([(height, width, channels)] * 5 + [(height, width), (height,), (1, height, width, 3)]))
    dtype = draw(st.sampled_from(["uint8"] * 6 + ["float32", "float64", "int8", "uint16", "bool", "complex64"]))
    picture = np.random.default_rng(draw(st.integers(0, 3))).integers(0, 256, shape, np.uint8).astype(dtype)
    return turned(picture, draw(st.sampled_from(STRIDES)) if picture.ndim == 3 else "plain")


NUMBERS = st.floats(-50, 700) | st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e30, -1e9, 0.0])


# Ten coordinates of landmarks, four of the box.
FACES = st.lists(NUMBERS, min_size=14, max_size=14)


def face(numbers: list[float]) -> Detection:
    points = np.array(numbers[:10], np.float32).reshape(5, 2)
    x1, y1, x2, y2 = numbers[10:]
    return Detection(box_px=(x1, y1, x2, y2), score=0.9, landmarks_px=points)


@pytest.fixture(scope="module")
def search() -> Search:
    return Search()


@fuzz
@given(arrays())
def test_any_array_is_a_frame_or_refused(typed, pixels: NDArray[Any]) -> None:
    with typed(FrameError):
        frame = Frame(pixels=pixels.view(), captured_ns=0, index=0)
        assert frame.pixels.size


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 5, 3), (4097, 1, 3), (1, 4097, 3), (4, 4, 4)])
def test_what_is_no_picture_is_refused_with_what_came(shape: tuple[int, ...]) -> None:
    with pytest.raises(FrameError, match=r"got .*\(\d+, \d+, \d\)"):
        Frame(pixels=np.zeros(shape, np.uint8), captured_ns=0, index=0)


@fuzz
@given(arrays())
@example(np.zeros((1, 4096, 3), np.uint8))
@example(np.zeros((4096, 1, 3), np.uint8))
@example(np.zeros((1, 1, 3), np.uint8))
def test_search_takes_any_picture(search: Search, typed, pixels: NDArray[Any]) -> None:
    with typed(FrameError):
        search.find(pixels, [Expected(3.0, 2.0, 40.0, 0.5, True)])


@settings(fuzz, max_examples=fuzz.max_examples * 4)
@given(arrays(), FACES)
def test_a_crop_of_any_face_in_any_picture(typed, pixels: NDArray[Any], numbers: list[float]) -> None:
    with typed(FrameError):
        found = face(numbers)
        GATE.judge_pose(found)
        crop = align_face(pixels, found.landmarks_px, 112, CropRule())
        assert (crop.shape, crop.dtype) == ((112, 112, 3), np.uint8)
        GATE.judge_crop(POSE, crop)


@fuzz
@given(arrays())
def test_the_gate_judges_any_array_or_refuses_it(typed, crop: NDArray[Any]) -> None:
    with typed(FrameError):
        GATE.judge_crop(POSE, crop)


class Found:
    """A search that finds what a test says."""

    def __init__(self) -> None:
        self.faces: list[list[float]] = []

    def find(self, pixels: NDArray[np.uint8], expected: Any, *, wide: bool) -> Sighting:
        return Sighting([face(numbers) for numbers in self.faces], range(len(expected)))


@cache
def model() -> AffectModel:
    """No fixture: a failing example would print all of its weights."""
    return load_model(ModelConfig(), EngineConfig())


def new_device(search: Any) -> Device:
    clock, nowhere, origin = FileClock(), object(), origin_of(Config(), model().bundle)
    return Device(
        camera=nowhere,
        schedule=Schedule(step_s=0.1, reset_s=1.0),
        search=search,
        tracker=Tracker(confirm_s=0.0),
        gate=GATE,
        model=model(),
        windower=Windower(WindowConfig(), clock, origin, lambda: ("0123abcd", 1), step_s=0.1, reset_s=1.0),
        sink=nowhere,
        clock=clock,
        health=HealthMonitor(),
        origin=origin,
        model_state="shipped",
    )


@fuzz
@given(
    st.lists(
        st.tuples(SIDES.filter(bool), SIDES.filter(bool), st.sampled_from(STRIDES), st.lists(FACES, max_size=3)),
        min_size=1,
        max_size=4,
    )
)
def test_a_run_of_any_frames_and_faces_goes_on(typed, script: list[Any]) -> None:
    """Each face is shown twice, so that it becomes a track, is cut and scored."""
    search = Found()
    device = new_device(search)
    clock: Any = device.clock
    for height, width, strides, found in script:
        picture = np.random.default_rng(1).integers(0, 256, (min(height, 300), min(width, 300), 3), np.uint8)
        search.faces = found
        for _ in range(3):
            clock.now_ns += NS // 10
            with typed(FrameError):
                frame = Frame(pixels=turned(picture, strides), captured_ns=clock.now_ns, index=0)
                device.look(frame, device.schedule.plan(clock.now_ns))


def test_a_defect_of_opencv_on_a_frame_is_still_counted_not_fatal() -> None:
    """The last net: what a library raises by itself costs its frame."""

    class Broken(Found):
        def find(self, pixels: NDArray[np.uint8], expected: Any, *, wide: bool) -> Sighting:
            raise cv2.error("a defect")

    device = new_device(Broken())
    device.step(Frame(pixels=np.zeros((8, 8, 3), np.uint8), captured_ns=0, index=0))
    assert device.health.failed == 1


def test_a_crop_that_is_no_square_is_refused_by_the_backbone_in_words(typed) -> None:
    with typed():
        model().backbone.embed(FaceCrop(track_id=1, pixels=np.zeros((5, 7, 3), np.uint8), captured_ns=0))
        raise AssertionError("embedded")
