"""Video files that are cut, corrupted or no videos, and files that are not the detector's.

See `conftest.py` for the deep run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.camera.replay import Replay
from edge.clock import FileClock
from edge.config import CameraConfig
from edge.errors import AssetError, CameraError, EngineError
from edge.face import detector
from edge.face.search import Search
from edge.model.engines.litert import LiteRtEngine
from edge.video_file import VideoFile

fuzz = settings.get_profile("fuzz")
FORMATS = {".avi": "MJPG", ".mp4": "mp4v"}
OTHERS = sorted((Path(__file__).parents[1] / "edge" / "camera" / "files").iterdir())
FRAMES = 12


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file of each format, a dozen frames."""
    files = {}
    for suffix, codec in FORMATS.items():
        path = tmp_path_factory.mktemp("whole") / f"clip{suffix}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10.0, (64, 48))
        for number in range(FRAMES):
            writer.write(np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8))
        writer.release()
        files[suffix] = path.read_bytes()
    return files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("video")


def frames(folder: Path, suffix: str, data: bytes) -> int:
    """How many frames come out; ends at a hundred times as many as went in."""
    path = folder / f"clip{suffix}"
    path.write_bytes(data)
    count, last_ns = 0, -1
    with Replay(CameraConfig(backend="replay", path=str(path), pace="fast"), FileClock()) as camera:
        for frame in camera:
            assert frame.captured_ns > last_ns
            last_ns = frame.captured_ns
            count += 1
            assert count <= 100 * FRAMES
        assert camera.failed >= 0
    return count


def test_the_whole_files_give_every_frame(videos: dict[str, bytes], folder: Path) -> None:
    assert {suffix: frames(folder, suffix, data) for suffix, data in videos.items()} == dict.fromkeys(FORMATS, FRAMES)


@fuzz
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_a_video_cut_anywhere(videos, folder: Path, typed, suffix: str, data: st.DataObject) -> None:
    whole = videos[suffix]
    with typed(CameraError):
        assert frames(folder, suffix, whole[: data.draw(st.integers(0, len(whole)))]) <= FRAMES


@settings(fuzz, max_examples=fuzz.max_examples * 2)
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_a_video_with_pieces_exchanged(videos, folder: Path, typed, suffix: str, data: st.DataObject) -> None:
    spoilt = bytearray(videos[suffix])
    header = data.draw(st.booleans())  # where sizes, rates and counts stand
    for at in data.draw(st.lists(st.integers(0, 600 if header else len(spoilt) - 8), min_size=1, max_size=6)):
        put = data.draw(
            st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"])
        )
        spoilt[at : at + len(put)] = put
    with typed(CameraError):
        frames(folder, suffix, bytes(spoilt))


@fuzz
@given(st.sampled_from(OTHERS), st.data())
def test_a_video_of_another_kind_with_pieces_exchanged(folder: Path, typed, whole: Path, data: st.DataObject) -> None:
    """Pauses, fields, long pixels, a codec that cannot be decoded; their headers above all."""
    spoilt = bytearray(whole.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(spoilt) - 8), min_size=1, max_size=6)):
        put = data.draw(st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff" * 4, b"\0" * 4]))
        spoilt[at : at + len(put)] = put
    with typed(CameraError):
        frames(folder, whole.suffix, bytes(spoilt))


@fuzz
@given(st.sampled_from([*FORMATS, ".mkv", ".mjpg", ".txt", ".m3u8"]), st.binary(max_size=400))
@example(".m3u8", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n")
@example(".txt", b"ffconcat version 1.0\nfile /etc/passwd\n")
@example(".mp4", b"\0\0\0\1ftypisom" + b"\xff" * 8 + b"\0" * 100)
@example(".mp4", b"\0\0\0\x08free" * 20)
def test_any_bytes_as_a_video(folder: Path, typed, suffix: str, data: bytes) -> None:
    with typed(CameraError):
        frames(folder, suffix, data)


@pytest.mark.parametrize("name", ["a\0b.avi", "", "/dev/zero", "/proc/self/mem", "http://127.0.0.1/a.avi"])
def test_a_path_that_is_no_video_is_one_line(typed, name: str) -> None:
    with typed(CameraError):
        VideoFile(name)
        raise AssertionError("opened")


HUGE = """
from edge.errors import CameraError
from edge.video_file import VideoFile
try:
    VideoFile(sys.argv[2])
except CameraError as error:
    print(error)
"""


def test_a_small_file_of_a_huge_picture_is_refused_before_it_is_decoded(
    tmp_path: Path, bounded: Callable[..., Any]
) -> None:
    path = tmp_path / "huge.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (4400, 4400))
    writer.write(np.zeros((4400, 4400, 3), np.uint8))
    writer.release()
    done = bounded(HUGE, path, memory_mb=1500)
    assert "4400x4400, at most 4096" in done.stdout, done.stderr


@settings(fuzz, max_examples=max(fuzz.max_examples // 4, 10))
@given(st.data())
def test_a_detector_file_with_any_change_is_not_used(tmp_path_factory: Any, data: st.DataObject) -> None:
    whole = bytearray(detector.GRAPH.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del whole[at:]
    altered = tmp_path_factory.mktemp("detector") / "yunet.tflite"
    altered.write_bytes(whole)
    with mock.patch.object(detector, "GRAPH", altered), pytest.raises(AssetError, match="SHA-256 differs"):
        Search()


@fuzz
@given(st.binary(max_size=200))
def test_any_bytes_as_a_graph_are_refused(typed, data: bytes) -> None:
    with typed(EngineError):
        LiteRtEngine(data, name="graph.tflite")
