"""The same face with other skin: what the tone alone does to the answers, all else being equal.

Groups of people of different tone differ in their expressions too, so a gap between them may be nobody's fault. Here
each held-out face is painted in six tones and compared with itself. Training darkens and lightens skin where its colour
is (`convert.augment.skin`, by factors on RGB); this paints where a face's skin lies, in CIELAB, and shares no code.
Change nothing here once a model was measured with it. Light on painted skin is that of the picture, without the gloss
that darker skin shows; real skin is not paint.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.metrics import TARGETS, Agreement, agreement, resample
from convert.predict.evaluation import Device, answer_frames
from convert.predict.fairness import Estimate
from edge.values import Float32Array, UInt8Array

# L*, a* and b* of cheeks, about the middle of each bin of `convert.predict.skin_tone`.
TONES = {
    "very light": (76.0, 9.0, 15.0),
    "light": (69.0, 11.0, 18.0),
    "intermediate": (63.0, 12.0, 19.0),
    "tan": (57.0, 13.0, 19.5),
    "brown": (46.0, 13.0, 18.0),
    "dark": (33.0, 10.0, 13.0),
}
_DRAWS = 2000
_FACE = (0.5, 0.5, 0.4, 0.5)  # an ellipse (x, y, half width, half height), in units of the crop's side
_NO_SKIN = ((0.325, 0.317, 0.09, 0.04), (0.675, 0.317, 0.09, 0.04), (0.5, 0.65, 0.13, 0.055))  # eyes, mouth
_CHEEKS = ((0.3, 0.5), (0.7, 0.5))
_BELOW = """\
Frame answers, crops cut where the faces truly are. shift: the answer to the painted face less that to the face as it
is. Groups of tone differ in what they express; here nothing does but the paint, so a shift is the network's own.
Training shows each face in other tones too, made by other means. Paint is not skin: it has no gloss and no features of
a people, leaves light rims about eyes and lips, and the faces are generated."""
_SOFT, _RADIUS = 0.02, 0.06
_LEAST_CHROMA, _RATIO = 3.0, (0.4, 2.5)  # a* or b* below which a picture is grey; by how much colour is changed at most


class ToneResult(NamedTuple):
    """The held-out faces painted in one tone.

    Attributes:
        tone: its name.
        agreement: with the raters, by target.
        shift: the answer to the painted face less that to the face as it is, by target; the mean with its interval.
        moved: the same, root mean square.
    """

    tone: str
    agreement: dict[str, Agreement]
    shift: dict[str, Estimate]
    moved: dict[str, float]


def paint_skin(crop: UInt8Array, lab: tuple[float, float, float]) -> UInt8Array:
    """The crop with the skin of its face in another tone; eyes and mouth stay.

    Args:
        crop: uint8 (S, S, 3), RGB, by the default crop rule.
        lab: CIELAB that the cheeks come to have, L* 0..100.
    """
    size = crop.shape[0]
    pixels = np.asarray(cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    skin = _cheeks(pixels)
    chroma = np.where(skin[1:] > _LEAST_CHROMA, np.array(lab[1:]) / np.maximum(skin[1:], _LEAST_CHROMA), 1.0)
    ratios = np.array([lab[0] / max(float(skin[0]), 1.0), *np.clip(chroma, *_RATIO)], np.float32)
    painted = pixels * ratios
    mask = _ellipse(size, _FACE)
    for hole in _NO_SKIN:
        mask *= 1 - _ellipse(size, hole)
    mixed = (pixels + mask[:, :, None] * (painted - pixels)).astype(np.float32)
    mixed[:, :, 0] = np.clip(mixed[:, :, 0], 0, 100)
    rgb = cv2.cvtColor(mixed, cv2.COLOR_LAB2RGB)
    return np.asarray(np.clip(np.rint(rgb * 255), 0, 255), np.uint8)


def measure_other_skin(device: Device, images: UInt8Array, rated: Float32Array) -> list[ToneResult]:
    """The bundle's frame answers to the same faces in each tone.

    Args:
        device: the bundle.
        images: uint8 (N, S, S, 3), RGB, cut where the faces truly are.
        rated: float32 (N, 2), columns by `TARGETS`.
    """
    plain = answer_frames(device.backbone, images)
    results = []
    for number, (tone, lab) in enumerate(TONES.items()):
        answers = answer_frames(device.backbone, np.stack([paint_skin(image, lab) for image in images]))
        shifts = (answers - plain).astype(np.float64)
        picks = resample(len(shifts), None, np.random.default_rng([number]), _DRAWS)
        low, high = np.percentile([shifts[pick].mean(axis=0) for pick in picks], [2.5, 97.5], axis=0)
        results.append(
            ToneResult(
                tone,
                {t: agreement(rated[:, c], answers[:, c]) for c, t in enumerate(TARGETS)},
                {t: Estimate(float(shifts[:, c].mean()), float(low[c]), float(high[c])) for c, t in enumerate(TARGETS)},
                {t: float(np.sqrt((shifts[:, c] ** 2).mean())) for c, t in enumerate(TARGETS)},
            )
        )
    return results


def to_section(results: list[ToneResult]) -> str:
    """The part of the page: what was found, a table with a row a tone and target, and what it does not say."""
    lines = ["| painted | target | CCC [95%] | mean shift [95%] | shift, RMS |", "|---|---|---|---|---|"]
    for result in results:
        for target, found in result.agreement.items():
            shift = result.shift[target]
            lines.append(
                f"| {result.tone} | {target} | {found.ccc:.3f} [{found.ccc_low:.3f}, {found.ccc_high:.3f}] "
                f"| {shift.value:+.3f} [{shift.low:+.3f}, {shift.high:+.3f}] | {result.moved[target]:.3f} |"
            )
    table = "\n".join(lines)
    return f"### The same faces with other skin\n\n{tell_finding(results)}\n\n{table}\n\n{_BELOW}"


def tell_finding(results: list[ToneResult]) -> str:
    """One line: the range of CCC and the largest mean shift over all tones."""
    told = []
    for target in TARGETS:
        found = [result.agreement[target].ccc for result in results]
        worst = max(results, key=lambda result: abs(result.shift[target].value))
        shift = worst.shift[target]
        told.append(
            f"{target} CCC {min(found):.3f} to {max(found):.3f}, largest mean shift {shift.value:+.3f} "
            f"[{shift.low:+.3f}, {shift.high:+.3f}] ({worst.tone})"
        )
    return f"The same {results[0].agreement[TARGETS[0]].n} faces painted in six skin tones: {'; '.join(told)}."


def _cheeks(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    size = lab.shape[0]
    radius = round(_RADIUS * size)
    patches = [
        lab[round(y * size) - radius : round(y * size) + radius, round(x * size) - radius : round(x * size) + radius]
        for x, y in _CHEEKS
    ]
    return np.asarray(np.median(np.concatenate([patch.reshape(-1, 3) for patch in patches]), axis=0), np.float32)


def _ellipse(size: int, ellipse: tuple[float, float, float, float]) -> NDArray[np.float32]:
    x, y, half_width, half_height = ellipse
    at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / size
    inside = ((at[None, :] - x) / half_width) ** 2 + ((at[:, None] - y) / half_height) ** 2 <= 1
    return np.asarray(cv2.GaussianBlur(inside.astype(np.float32), (0, 0), _SOFT * size), np.float32)
