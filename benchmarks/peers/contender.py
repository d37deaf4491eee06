"""One contender before it is timed: what it is, and a call that does its job once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.record import Figure
from convert.errors import TrainingError
from convert.networks.cost import count_macs
from edge.affect.backbone import pixel_converter
from edge.face.crop import align_face
from edge.geometry import CropRule
from edge.model.engines import Engine
from edge.values import Float32Array, UInt8Array


class ShownFace(NamedTuple):
    """A face to show: its picture uint8 (H, W, 3), RGB, its landmarks in it, and (valence, arousal) of its rating."""

    pixels: UInt8Array
    landmarks_px: Float32Array
    rated: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contender:
    """Attributes as of `Peer`; `run` takes the number of the call."""

    name: str
    engine: str
    precision: str
    run: Callable[[int], object]
    size_bytes: int
    macs: int | None = None
    job: str = "face"
    kit: bool = False
    as_used: bool = True
    equal: str | None = None
    ccc: dict[str, Figure] | None = None
    found: float | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """Unique among the contenders."""
        return f"{self.name}, {self.engine}, {self.precision}"


def macs_of(*graphs: bytes) -> int | None:
    """Multiply-accumulates of TFLite graphs, each run once; None where an operator cannot be counted."""
    try:
        return sum(map(count_macs, graphs))
    except TrainingError:
        return None


def cut(face: ShownFace, size: int) -> UInt8Array:
    """The device's crop: uint8 (size, size, 3), RGB."""
    return align_face(face.pixels, face.landmarks_px, size, CropRule())


def look_at(faces: list[ShownFace], engine: Engine, size: int) -> Callable[[int], object]:
    """From a frame and a face's place through a network that takes one crop: cut, convert, run."""
    ((name, spec),) = engine.inputs.items()
    convert = pixel_converter(spec)

    def run(call: int) -> object:
        return engine.invoke({name: convert(cut(faces[call % len(faces)], size))[None]})

    return run
