"""The record of a measurement of the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from benchmarks.detector.measure import Found
from benchmarks.record import Record, describe_origin


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one scene.

    Attributes:
        name: of the file; `clips` for all together, `hall` for the composed one.
        steps, clear: pictures, and clear faces in them.
        found, in_view: share of the clear faces that the search found, and that are in view as a track.
        false_a_step: tracks in view where the reference sees no face.
        search_ms, reference_ms: mean processor time of a step.
        crop_off: how far the crop's centre is from the reference's, in its sides: median and 95th percentile.
        crop_side: median ratio of the sides.
        roll_deg: 5th and 95th percentile of the difference.
    """

    name: str
    steps: int
    clear: int
    found: float | None
    in_view: float | None
    false_a_step: float
    search_ms: float
    reference_ms: float
    crop_off: Sequence[float] = ()
    crop_side: float | None = None
    roll_deg: Sequence[float] = ()


class Detector(Record, frozen=True, kw_only=True):
    """The measurement; `scenes` by clip, then all clips together and the hall."""

    scenes: list[Scene]


def gather(found: Mapping[str, Found], hall: Found, *, load_before: float, device_name: str) -> Detector:
    """The record of all scenes."""
    scenes = [_tell(name, [one]) for name, one in found.items()]
    scenes += [_tell("clips", list(found.values())), _tell("hall", [hall])]
    return Detector(**describe_origin(device_name, load_before=load_before), scenes=scenes)


def _tell(name: str, parts: Sequence[Found]) -> Scene:
    steps, clear = sum(one.steps for one in parts), sum(one.clear for one in parts)
    crops = np.array([each for one in parts for each in one.crops]).reshape(-1, 3)
    told = {} if not len(crops) else {
        "crop_off": np.quantile(crops[:, 0], [0.5, 0.95]).round(4).tolist(),
        "crop_side": round(float(np.median(crops[:, 1])), 4),
        "roll_deg": np.quantile(crops[:, 2], [0.05, 0.95]).round(2).tolist(),
    }  # fmt: skip
    return Scene(
        name=name,
        steps=steps,
        clear=clear,
        found=sum(one.detected for one in parts) / clear if clear else None,
        in_view=sum(one.tracked for one in parts) / clear if clear else None,
        false_a_step=sum(one.false for one in parts) / max(steps, 1),
        search_ms=float(np.mean([each for one in parts for each in one.search_ms])),
        reference_ms=float(np.mean([each for one in parts for each in one.reference_ms])),
        **told,
    )
