"""The predictions table: what a bundle answers to faces, written once; every agreement, gate and page is read from it.

| column | dtype | meaning |
|---|---|---|
| `id` | str | of the face table |
| `condition` | str | of `corruption.CONDITIONS`; `clean` where nothing was changed |
| `answer` | str | see below |
| `valence`, `arousal` | float32 | −1..1; NaN where there is no answer |
| `found` | bool | the device's detector finds the face under this condition |
| `bundle` | str | hash of its graphs, see `hash_graphs` |
| `embedding` | list of float32, or None | of the clean `frame` answers |

`frame` is the backbone's answer to the crop where the face truly is; `device` the same where the detector finds it, in
a frame of 640 × 480; `stream` the head's, of a still held for twice the warm-up, of a clip after all steps of the time
grid up to that frame; `average` the best exponential average of a clip's frame answers; `float` the float network's
frame answer. Further ones are handed in: `teacher`, `HOG`, `LBP`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.pictures import Pictures, loose_square
from convert.metrics import TARGETS
from convert.predict.corruption import CLEAN, CONDITIONS, Condition
from convert.predict.evaluation import Device, embed_crop
from edge.affect.backbone import Backbone
from edge.affect.stream import Stream
from edge.face.crop import align_face, cut_square
from edge.face.detector import Detector
from edge.geometry import Square
from edge.model.bundle import Bundle, Manifest
from edge.values import Detection, Embedding, Float32Array, UInt8Array

FRAME_PX = (640, 480)  # width and height of what a camera delivers
_NEAR = 0.5  # of the crop's side: how far off the detector may be and still mean this face
_BOX = 0.78  # side of the detector's box in units of the crop's, where it finds none
_TYPES = {"id": "str", "condition": "str", "answer": "str", "valence": "float32", "arousal": "float32"}
_TYPES |= {"found": "bool", "bundle": "str", "embedding": "object"}
_OUTSIDE = 127  # grey, as the device's crop has it outside of the frame


def predict(
    bundle: Bundle,
    faces: pd.DataFrame,
    pictures: Pictures,
    conditions: Iterable[str] = (CLEAN,),
    *,
    detector: Detector,
    float_backbone: Backbone | None = None,
    others: Mapping[str, Float32Array] | None = None,
    most: int | None = None,
    advance: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """What a bundle answers to stills.

    Args:
        bundle: whose graphs are run as the device runs them.
        faces, pictures: N rows, and their pictures in this order.
        conditions: names of `CONDITIONS`; `clean` is always among them.
        detector: the device's.
        float_backbone: the same network before quantization.
        others: further answers to the clean pictures by name, float32 (N, 2).
        most: faces that conditions other than `clean` are tried on, chosen by a hash of their ids; None: all.
        advance: called after each face.

    Raises:
        DataError: a condition is unknown.
    """
    unknown = [name for name in conditions if name not in CONDITIONS]
    if unknown:
        raise DataError(f"{unknown[0]}: no such condition; there are {', '.join(CONDITIONS)}")
    device, ids = Device(bundle), faces["id"].to_list()
    order = sorted(ids, key=lambda name: hashlib.sha256(name.encode()).digest())
    tried = set(order if most is None else order[:most])
    rows: list[tuple[Any, ...]] = []
    held: list[tuple[Float32Array, Float32Array]] = []
    clean_found: list[bool] = []
    for n, name in enumerate(ids):
        loose, inside = pictures.loose[n], pictures.inside(n)
        for each in dict.fromkeys((CLEAN, *conditions)):
            if each != CLEAN and name not in tried:
                continue
            seen = _look(loose, inside, CONDITIONS[each], device, detector, seed=f"{each} {name}")
            rows.append((name, each, "frame", *seen.frame.va, seen.found, seen.vector if each == CLEAN else None))
            rows.append((name, each, "device", *seen.device, seen.found, None))
            if each == CLEAN:
                second = embed_crop(device.backbone, seen.crop, captured_ns=device.manifest.mirror_ns)
                held.append((seen.vector, second.vector))
                clean_found.append(seen.found)
        advance()
    answers = {"stream": hold(device.stream, device.manifest, *np.stack(held, axis=1)), **(others or {})}
    if float_backbone is not None:
        size = device.manifest.crop.size
        crops = [cut_square(pictures.loose[n], loose_square(), size) for n in range(len(ids))]
        answers["float"] = np.stack([embed_crop(float_backbone, crop).va for crop in crops])
    for answer, va in answers.items():
        rows += [(name, CLEAN, answer, *va[n], clean_found[n], None) for n, name in enumerate(ids)]
    return make_predictions(rows, hash_graphs(bundle.manifest))


def hash_graphs(manifest: Manifest) -> str:
    """SHA-256 of what decides the answers: both graphs, crop and time grid. Names, metrics and the card do not."""
    files = [manifest.files[name] for name in (manifest.backbone.file, manifest.head.file)]
    grid = f"{manifest.step_s:g} {manifest.reset_s:g} {manifest.warmup_steps}{' mirror' * manifest.mirror}"
    told = [*files, repr(manifest.crop), grid]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def make_predictions(rows: Iterable[tuple[Any, ...]], bundle: str) -> pd.DataFrame:
    """The table of rows (id, condition, answer, valence, arousal, found, embedding) of one bundle."""
    names = [name for name in _TYPES if name != "bundle"]
    frame = pd.DataFrame(list(rows), columns=names).assign(bundle=bundle)
    return frame[list(_TYPES)].astype(_TYPES)


def read_predictions(path: Path) -> pd.DataFrame:
    """Reads a table.

    Raises:
        DataError: the file is missing or no such table.
    """
    try:
        return pd.read_parquet(path)[list(_TYPES)].astype(_TYPES)
    except FileNotFoundError:
        raise DataError(f"{path}: no such predictions; run `python -m convert test`") from None
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: not a table of predictions ({error})") from error


def join(faces: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Rated faces ⋈ their answers: the face table's columns, and the answers as `said_valence`, `said_arousal`.

    Faces that nobody rated and rows without an answer are left out.
    """
    said = predictions.rename(columns={target: f"said_{target}" for target in TARGETS})
    both = faces.merge(said, on="id", how="inner")
    return both.dropna(subset=[*TARGETS, *(f"said_{target}" for target in TARGETS)]).reset_index(drop=True)


def hold(stream: Stream, manifest: Manifest, vectors: Float32Array, second: Float32Array | None = None) -> Float32Array:
    """The head's answers (N, 2) to faces that are held for twice the warm-up.

    Args:
        stream: the head.
        manifest: its manifest.
        vectors: embeddings (N, D).
        second: those of every second step, if they differ, as where the bundle mirrors.
    """
    h = c = np.zeros((len(vectors), manifest.head.h.shape[-1]), np.float32)
    va = np.zeros((len(vectors), 2), np.float32)
    for step in range(2 * manifest.warmup_steps):
        va, h, c = stream.run(vectors if second is None or step % 2 == 0 else second, h, c)
    return np.clip(va, -1, 1)


class _Seen:
    """One face under one condition: the answer where it truly is, and where the detector finds it."""

    def __init__(self, crop: UInt8Array, frame: Embedding, device: tuple[float, float], *, found: bool) -> None:
        self.crop, self.frame, self.device, self.found = crop, frame, device, found
        self.vector = frame.vector


def _look(
    loose: UInt8Array, inside: Any, condition: Condition, device: Device, detector: Detector, *, seed: str
) -> _Seen:
    rng = np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()))
    crop = device.manifest.crop
    pixels = loose if condition.corrupt is None else condition.corrupt(loose, rng)
    if condition.axis == "mirror":
        inside = inside[:, ::-1]
    scale = min(condition.face_px / (_BOX * loose_square().side), 1.0) if condition.face_px is not None else 1.0
    shown = _place(np.where(inside[..., None], pixels, np.uint8(0)), scale, condition.roll_deg, 0)
    framed = _place(np.where(inside[..., None], pixels, np.uint8(_OUTSIDE)), scale, condition.roll_deg, _OUTSIDE)
    width, height = FRAME_PX
    square = Square((width - 1) / 2, (height - 1) / 2, loose_square().side * scale, np.radians(condition.roll_deg))
    face = cut_square(framed, square, crop.size)
    answer = embed_crop(device.backbone, face)
    found = _nearest(detector.detect(shown), square)
    if found is None:
        return _Seen(face, answer, (np.nan, np.nan), found=False)
    valence, arousal = embed_crop(device.backbone, align_face(framed, found.landmarks_px, crop.size, crop.rule)).va
    return _Seen(face, answer, (valence, arousal), found=True)


def _place(pixels: UInt8Array, scale: float, roll_deg: float, around: int) -> UInt8Array:
    """The picture in the middle of a frame, turned clockwise and made smaller."""
    if scale < 1:
        side = max(1, round(pixels.shape[0] * scale))
        pixels = np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    (height, width), (w, h) = pixels.shape[:2], FRAME_PX
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -roll_deg, 1.0)
    matrix[:, 2] += ((w - width) / 2, (h - height) / 2)
    border = (around, around, around)
    return np.asarray(cv2.warpAffine(pixels, matrix, FRAME_PX, flags=cv2.INTER_LINEAR, borderValue=border), np.uint8)


def _nearest(faces: Iterable[Detection], square: Square) -> Detection | None:
    """The detection of the frame's one face: the nearest to its square, unless that is another thing."""

    def off(face: Detection) -> float:
        return float(np.hypot(*(np.array(face.center_px) - (square.center_x, square.center_y))))

    nearest = min(faces, key=off, default=None)
    return nearest if nearest is not None and off(nearest) < _NEAR * square.side else None
