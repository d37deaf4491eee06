"""The videos that both machines see: the drawn scene, made here, and one of people where it lies beside the checkout.

benchmarks draws such a clip too; neither of the two packages knows the other, and a device writes no video at all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2

from edge.demo.scene import Scene
from edge.errors import ConfigError
from firmware_config.debian.target import ROOT
from firmware_config.errors import PackageError

# Three people walk by, 480 × 270, 41 frames: an Intel sample video, CC BY 4.0, which is not part of the repository.
PEOPLE = ROOT.parent / "shared/clips/face-demographics-walking-and-pause.mp4"
SCENE_S = 11.0  # two windows; a frame takes seconds under emulation, most of it the detector's floating point
_FPS, _WIDTH, _HEIGHT = 5, 320, 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One video.

    Attributes:
        title: what it shows.
        path: the file.
    """

    title: str
    path: Path

    @property
    def sha256(self) -> str:
        """Of the file's bytes."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def find_clips(scratch: Path, given: Path | None) -> list[Clip]:
    """The drawn scene, written into a scratch folder, and the one that is given, or the people if they are here.

    Raises:
        ConfigError: the given file is not there.
        PackageError: OpenCV cannot write a video here.
    """
    if given is not None and not given.is_file():
        raise ConfigError(f"--clip {given}: no such file")
    clips = [Clip(title=f"the drawn scene, {SCENE_S:g} s at {_FPS} frames a second", path=draw(scratch / "scene.avi"))]
    if given is not None or PEOPLE.is_file():
        chosen = given or PEOPLE
        clips.append(Clip(title=chosen.name, path=chosen))
    return clips


def draw(path: Path, *, seconds: float = SCENE_S) -> Path:
    """Writes the drawn scene as MJPEG in AVI.

    Raises:
        PackageError: OpenCV cannot write such a file here.
    """
    scene = Scene(_WIDTH, _HEIGHT)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), float(_FPS), (_WIDTH, _HEIGHT))
    if not writer.isOpened():
        raise PackageError(f"{path.name}: OpenCV cannot write MJPEG into AVI here; give a video with --clip")
    for index in range(round(seconds * _FPS)):
        writer.write(cv2.cvtColor(scene.draw(index / _FPS), cv2.COLOR_RGB2BGR))
    writer.release()
    return path
