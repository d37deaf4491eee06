"""A bundle's agreement with ratings, by the device's own detector, crop, graphs and stream. Needs no TensorFlow.

`frame` is the backbone's own answer to a picture. `stream` is the head's answer after the picture was held for twice
the warm-up on the time grid, from a state of its own: what a device says of a face that keeps its expression.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.finder import FaceFinder, cut_face
from convert.faces.pictures import open_pictures
from convert.metrics import TARGETS, Agreement, agreement
from edge.affect.backbone import Backbone
from edge.affect.stream import Stream, StreamState
from edge.model.bundle import Bundle
from edge.model.engines.choice import open_engine
from edge.values import Embedding, FaceCrop, Float32Array, UInt8Array

ANSWERS = ("frame", "stream")
NS = 1_000_000_000


class Device:
    """A bundle's graphs, run as the device runs them.

    Raises:
        BundleError: the graphs are not those the manifest names.
        EngineError: the runtime is missing or cannot load them.
    """

    def __init__(self, bundle: Bundle, *, runtime: str = "litert") -> None:
        self.manifest = manifest = bundle.manifest
        engine = open_engine(bundle, manifest.backbone.file, runtime=runtime)
        self.backbone = Backbone(engine, manifest.backbone, manifest.mirror_ns)
        self.stream = Stream(open_engine(bundle, manifest.head.file, runtime=runtime), manifest)

    def answer(self, crop: UInt8Array) -> Float32Array:
        """Both answers to a crop uint8 (S, S, 3), RGB: float32 (2, 2), rows by `ANSWERS`, columns by `TARGETS`."""
        step_ns = round(self.manifest.step_s * NS)
        seen = [embed_crop(self.backbone, crop, captured_ns=slot * step_ns) for slot in (0, 1)]
        state: StreamState | None = None
        held = (0.0, 0.0)
        for slot in range(2 * self.manifest.warmup_steps):
            now = replace(seen[slot % 2], captured_ns=slot * step_ns)
            (score,), (state,) = self.stream.step([now], [state])
            held = (score.valence, score.arousal)
        return np.array([seen[0].va, held], np.float32)


def embed_crop(backbone: Backbone, crop: UInt8Array, *, captured_ns: int = 0) -> Embedding:
    """The device's embedding and frame answer for one crop uint8 (S, S, 3), RGB, seen at that instant."""
    return backbone.embed(FaceCrop(track_id=0, pixels=crop, captured_ns=captured_ns))


def answer_frames(backbone: Backbone, crops: Iterable[UInt8Array]) -> Float32Array:
    """The frame answers to N crops: float32 (N, 2), columns by `TARGETS`."""
    return np.stack([embed_crop(backbone, crop).va for crop in crops])


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Agreement by answer (`frame`, `stream`) and target (`valence`, `arousal`).

    Attributes:
        n: pictures.
        faces_found: pictures in which the detector found a face.
    """

    n: int
    faces_found: int
    agreement: dict[str, dict[str, Agreement]]

    def record(self) -> dict[str, object]:
        """The record that `--json` prints."""
        answers = {
            answer: {
                target: {key: value for key, value in found._asdict().items() if key != "n"}
                for target, found in targets.items()
            }
            for answer, targets in self.agreement.items()
        }
        return {"n": self.n, "faces_found": self.faces_found, **answers}


def evaluate(
    faces: pd.DataFrame, device: Device, finder: FaceFinder, *, advance: Callable[[], None] = lambda: None
) -> Evaluation:
    """Scores each row's picture and compares; where no face is found, the whole picture is scored.

    Args:
        faces: a face table of pictures; intervals draw those of one subject together.
        device: the bundle.
        finder: finds the face that a picture is about.
        advance: called after each picture.

    Raises:
        DataError: a picture is missing or unreadable; names the label file's line.
    """
    crop = device.manifest.crop
    found, answers = 0, []
    for row, pixels in open_pictures(faces):
        if pixels is None:
            raise DataError(f"{faces['where'][row]}: the video ends before the frame")
        face = finder.find(pixels)
        found += face is not None
        answers.append(device.answer(cut_face(pixels, face, crop.size, crop.rule)))
        advance()
    rated = faces[list(TARGETS)].to_numpy(np.float32)
    return compare(rated, np.stack(answers), found, groups=faces["subject"].to_list())


def compare(
    rated: Float32Array, answers: Float32Array, faces_found: int, *, groups: Sequence[str] | None = None
) -> Evaluation:
    """The evaluation of answers (N, 2, 2) as `Device.answer` gives them to ratings (N, 2).

    Args:
        rated, answers: the ratings and the answers.
        faces_found: in how many of the pictures.
        groups: N names of what belongs together, as the frames of one person; intervals draw them whole.
    """
    return Evaluation(
        n=len(rated),
        faces_found=faces_found,
        agreement={
            answer: {
                target: agreement(rated[:, t], answers[:, a, t], groups=groups) for t, target in enumerate(TARGETS)
            }
            for a, answer in enumerate(ANSWERS)
        },
    )
