"""Draws faces with known valence and arousal, as one's own data to try `python -m convert fit` on.

    python examples/drawn_faces.py out/faces

Leaves `labels.csv` (image, valence, arousal, group: the person), `labels.source.json` and the pictures: 300 of 30
drawn persons. What `fit` learns from them holds for drawn faces only.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from edge.demo.expression import Portrait, Pose
from edge.demo.portrait import Look

PERSONS, EACH = 30, 10


def draw(folder: Path, *, persons: int = PERSONS, each: int = EACH, seed: int = 0) -> Path:
    """Draws the faces of so many persons, `each` of every one; returns the label file's path."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for person in range(persons):
        portrait = Portrait(_look(rng, person))
        wall = rng.uniform(60, 200, 3)
        for number in range(each):
            valence, arousal = (round(float(value), 2) for value in rng.uniform((-0.9, -0.5), 0.9))
            pixels, cover = portrait.draw(Pose(valence, arousal))
            share = cover[..., None] / 255
            picture = np.clip(share * pixels + (1 - share) * wall + rng.normal(0, 4, pixels.shape), 0, 255)
            name = f"images/{person:02d}-{number}.png"
            cv2.imwrite(str(folder / name), picture[20:360, :, ::-1].astype(np.uint8))
            rows.append([name, valence, arousal, f"person {person}"])
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "valence", "arousal", "group"])
        writer.writerows(rows)
    said = {"name": "drawn faces", "licence": "Apache-2.0", "origin": "drawn by examples/drawn_faces.py"}
    (folder / "labels.source.json").write_text(json.dumps(said, indent=1) + "\n")
    return folder / "labels.csv"


def _look(rng: np.random.Generator, person: int) -> Look:
    skin = np.array([226, 178, 150]) * rng.uniform(0.35, 1.05)
    colors = [tuple(map(float, rng.uniform(low, high, 3))) for low, high in ((20, 140), (40, 130), (30, 220))]
    lips = tuple(map(float, skin * (0.85, 0.6, 0.6)))
    return Look(
        skin=tuple(map(float, skin)),  # type: ignore[arg-type]
        hair=colors[0],  # type: ignore[arg-type]
        iris=colors[1],  # type: ignore[arg-type]
        lips=lips,  # type: ignore[arg-type]
        clothes=colors[2],  # type: ignore[arg-type]
        style=str(rng.choice(["short", "long", "curly", "bob"])),  # type: ignore[arg-type]
        beard=float(rng.choice([0.0, 0.0, 1.0])),
        width=float(rng.uniform(0.92, 1.08)),
        seed=person,
    )


if __name__ == "__main__":
    print(draw(Path(sys.argv[1] if len(sys.argv) > 1 else "out/faces")))
