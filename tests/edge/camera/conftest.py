"""Video files made on the spot, whole and damaged, and a V4L2 camera without hardware."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

MakeVideo = Callable[..., Path]


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Writes a video whose frame k is grey level 8·k, with a red square top left."""

    def make(name: str = "clip.avi", *, frames: int = 20, fps: float = 10.0) -> Path:
        path = tmp_path / name
        fourcc = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
        writer = cv2.VideoWriter(str(path), fourcc, fps, (96, 64))
        assert writer.isOpened()
        for number in range(frames):
            picture = np.full((64, 96, 3), 8 * number, np.uint8)
            picture[:32, :32] = (0, 0, 255)
            writer.write(picture)
        writer.release()
        return path

    return make


def frame_chunks(data: bytes) -> list[tuple[int, int]]:
    """Where an AVI file's pictures lie: (offset, length) each."""
    position, end = data.index(b"movi") + 4, data.index(b"idx1")
    chunks = []
    while position < end - 8:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == b"00dc":
            chunks.append((position + 8, length))
        position += 8 + length + length % 2
    return chunks


@pytest.fixture
def damage() -> Callable[[Path, list[int]], None]:
    """Overwrites whole pictures of an MJPEG AVI with zeros."""

    def overwrite(path: Path, numbers: list[int]) -> None:
        data = bytearray(path.read_bytes())
        chunks = frame_chunks(bytes(data))
        for number in numbers:
            offset, length = chunks[number]
            data[offset : offset + length] = bytes(length)
        path.write_bytes(data)

    return overwrite


@pytest.fixture
def index_first() -> Callable[[Path], None]:
    """Moves an MP4's index before its pictures, as files meant for streaming have it."""

    def rewrite(path: Path) -> None:
        data = path.read_bytes()
        atoms, position = [], 0
        while position < len(data):
            size = int.from_bytes(data[position : position + 4], "big")
            if size == 1:  # a 64-bit size follows
                size = int.from_bytes(data[position + 8 : position + 16], "big")
            atoms.append((data[position + 4 : position + 8], data[position : position + size]))
            position += size
        index = bytearray(next(atom for kind, atom in atoms if kind == b"moov"))
        table = index.index(b"stco") + 8
        for entry in range(int.from_bytes(index[table : table + 4], "big")):
            at = table + 4 + 4 * entry
            index[at : at + 4] = (int.from_bytes(index[at : at + 4], "big") + len(index)).to_bytes(4, "big")
        head = b"".join(atom for kind, atom in atoms if kind == b"ftyp")
        rest = b"".join(atom for kind, atom in atoms if kind not in (b"ftyp", b"moov"))
        path.write_bytes(head + bytes(index) + rest)

    return rewrite


class StandIn:
    """A V4L2 camera for programs started with `environment`; see `v4l2_stand_in.c` for what it plays.

    Attributes:
        device: the path to configure.
        environment: for `subprocess`.
    """

    def __init__(self, library: Path, folder: Path, pictures: Sequence[np.ndarray]) -> None:
        self.folder = folder
        self.device = str(folder / "video0")
        self.environment = os.environ | {"LD_PRELOAD": str(library), "V4L2_STAND_IN": str(folder)}
        self.plug_in()
        self.show(pictures)

    def show(self, pictures: Sequence[np.ndarray], *formats: str, fps: int = 30) -> None:
        """Plays other pictures, RGB and of one size, from the next time on that it is opened."""
        height, width = pictures[0].shape[:2]
        for name, encode in (("YUYV", _yuyv), ("MJPG", _jpeg)):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir()
            for number, picture in enumerate(pictures):
                (self.folder / name / str(number)).write_bytes(encode(picture))
        (self.folder / "format").write_text(f"{width} {height} {fps} {' '.join(formats or ('YUYV', 'MJPG'))}\n")

    def do(self, mode: str) -> None:
        """Changes what it does, from the next frame on: `fine`, `stall`, `eio`, `frozen`, `empty`, `short`, ..."""
        draft = self.folder / "mode.new"
        draft.write_text(mode)
        draft.replace(self.folder / "mode")

    def plug_in(self) -> None:
        Path(self.device).symlink_to("/dev/null")

    def unplug(self) -> None:
        """The device file goes, and what is open gives nothing any more."""
        Path(self.device).unlink()
        self.do("stall")


def _yuyv(picture: np.ndarray) -> bytes:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_YUYV).tobytes()


def _jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


@pytest.fixture(scope="session")
def stand_in_library(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Path:
    """The stand-in, compiled."""
    library = tmp_path_factory.mktemp("stand_in") / "stand_in.so"
    source = Path(__file__).with_name("v4l2_stand_in.c")
    subprocess.run([program("cc"), "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def v4l2_stand_in(stand_in_library: Path, tmp_path: Path) -> Callable[[Sequence[np.ndarray]], StandIn]:
    """Makes a camera that plays the given pictures."""

    def make(pictures: Sequence[np.ndarray]) -> StandIn:
        folder = tmp_path / "camera"
        folder.mkdir()
        return StandIn(stand_in_library, folder, pictures)

    return make
