"""The grid of axes and levels on which robustness is measured."""

from __future__ import annotations

from typing import NamedTuple

from convert.predict import covers
from convert.predict import degradations as d
from convert.predict.unseen_covers import UNSEEN

CLEAN = "clean"
SEEN_COVERS, UNSEEN_COVERS = "cover", "unseen cover"


class Level(NamedTuple):
    """One cell of the grid; what is None is left as it is.

    Attributes:
        axis, name: what is varied, and how far.
        spoil: done to the frame.
        cover: laid before the face, in the frame for the device and on the crop for the network.
        face_px: side of the detector's box.
        roll_deg, yaw_deg: turn of the head; a yaw is made by re-enacting, also that of 0.
    """

    axis: str
    name: str
    spoil: d.Spoil | None = None
    cover: covers.Cover | None = None
    face_px: float | None = None
    roll_deg: float = 0.0
    yaw_deg: float | None = None


GRID: tuple[Level, ...] = (
    Level(CLEAN, CLEAN),
    *(Level("face size", f"{side} px", face_px=side) for side in (64, 48, 40, 32, 24)),
    *(Level("light", f"1/{part}" if part > 1 else "1", spoil=d.dimmed(1 / part)) for part in (1, 2, 4, 10, 20)),
    *(Level("over-exposure", f"×{gain:g}", spoil=d.overexposed(gain)) for gain in (1.5, 2.0, 3.0)),
    *(Level("motion blur", f"{length} px", spoil=d.moved(length)) for length in (3, 6, 9, 12)),
    *(Level("defocus", f"{radius} px", spoil=d.defocused(radius)) for radius in (1, 2, 3, 4)),
    *(Level("coding", f"JPEG {quality}", spoil=d.compressed(quality)) for quality in (50, 25, 10)),
    Level("coding", "grey", spoil=d.greyed),
    # Training draws bars, masks, sunglasses and hands too; what is below is drawn by other means, for this grid alone.
    *(Level(SEEN_COVERS, f"{part} box", cover=covers.boxed(part)) for part in ("mouth", "eyes")),
    *(Level(SEEN_COVERS, kind, cover=covers.worn(kind)) for kind in ("mask", "sunglasses")),
    Level(SEEN_COVERS, "hand", cover=covers.handed),
    *(Level(UNSEEN_COVERS, name, cover=cover) for name, cover in UNSEEN.items()),
    *(Level("roll", f"{turn:+d}°", roll_deg=turn) for turn in (-30, -15, 15, 30)),
    *(Level("yaw", f"{turn:+d}°" if turn else "0°", yaw_deg=turn) for turn in (-30, -20, -10, 0, 10, 20, 30)),
)
