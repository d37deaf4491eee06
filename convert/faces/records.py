"""What every reader of a published layout gives: labelled frames, one after the other, and a count of what it left out.

Pixels are not here: a frame names its picture or video, and `convert.faces.pixels` opens it when it is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.values import Float32Array

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledFrame:
    """One picture, or one frame of a video, and what raters said of the face in it.

    Attributes:
        source: short name of the layout.
        path: the picture; the video where `frame` is a number.
        frame: of the video, counted from 0; None for a picture.
        time_s: of the frame within its clip; None for a picture that belongs to no clip.
        valence, arousal: −1..1.
        group: the person, or the video where persons have no names: what must not lie on both sides of a split.
        part: where the data set itself puts it; None where it declares no split.
        weight: in a loss, above 0.
        box_px: (x1, y1, x2, y2) of the face in pixels of the picture, where the data set gives it.
        landmarks_px: float32 (N, 2), x and y in pixels of the picture, in its own order, where the data set gives them.
        file: of the label.
        entry: its line in the file, or the name of its entry.
    """

    source: str
    path: Path
    frame: int | None = None
    time_s: float | None = None
    valence: float
    arousal: float
    group: str
    part: Part | None = None
    weight: float = 1.0
    box_px: tuple[float, float, float, float] | None = None
    landmarks_px: Float32Array | None = None
    file: Path
    entry: int | str

    @property
    def where(self) -> str:
        """File and line or entry of the label, for errors."""
        return f"{self.file}:{self.entry}" if isinstance(self.entry, int) else f"{self.file}: {self.entry}"

    @property
    def name(self) -> str:
        """Unique within a data set: the last parts of the path, and the frame."""
        name = "/".join((self.source, *self.path.parts[-3:]))
        return name if self.frame is None else f"{name}#{self.frame}"

    @property
    def clip(self) -> Path | None:
        """What its frames share: the video, or the folder of a clip's pictures; None for a picture by itself."""
        if self.time_s is None:
            return None
        return self.path if self.frame is not None else self.path.parent


class Reading:
    """Counts what a reader read and what it left out, and why.

    Attributes:
        read: labelled frames given.
        dropped: labels left out, by reason.
    """

    def __init__(self) -> None:
        self.read = 0
        self.dropped: Counter[str] = Counter()

    def drop(self, reason: str, count: int = 1) -> None:
        """Leaves `count` labels out."""
        self.dropped[reason] += count


Reader = Callable[[Path, Reading], Iterator[LabelledFrame]]
"""Reads a folder (or file) in one layout; raises DataError where it is malformed, naming file and line."""
