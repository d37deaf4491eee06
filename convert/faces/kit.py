"""The faces that the shipped weights are made with, all generated, and rated real faces to test on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from convert.errors import DataError
from convert.faces.finder import read_picture
from convert.faces.groups import split_faces
from convert.faces.pictures import hash_pixels
from convert.faces.table import check_faces, join_faces, make_faces

KIT_SOURCES = ("diffusionfer", "sfhq", "studio", "studio2", "stills")
STILLS = Path(__file__).parents[1] / "ratings"  # rated stills that come with the kit; how they were made is said there
HALF_WEIGHT_ERROR = 0.15  # standard error of a rating at which it weighs half
_RANGE_TO_SD = 1.128  # mean range of two normal numbers, in standard deviations
_USUAL_SD = 0.07  # of one pass; of faces rated twice 0.05 to 0.08
_PRIOR = 2.0  # passes' worth of the usual spread


def data_root(path: Path) -> Path:
    """The folder that holds the data sets: `path` itself, or `path/data`.

    Raises:
        DataError: neither holds DiffusionFER's labels.
    """
    for root in (path, path / "data"):
        if (root / "diffusionfer" / "labels.csv").is_file():
            return root
    raise DataError(f"{path}: has no diffusionfer/labels.csv; point --data at the folder of the data sets")


def kit_faces(root: Path) -> pd.DataFrame:
    """DiffusionFER (rated by people), SFHQ and the studio's rated stills (by an AI model), with splits and hashes.

    Pictures marked as not usable (drawings, captions, broken faces) are left out. A still belongs to the subject of the
    portrait it was made from.

    Raises:
        DataError: a file is missing or malformed.
    """
    root = data_root(root)
    diffusionfer = _read(root / "diffusionfer" / "labels.csv")
    parts = [
        _table("diffusionfer", root / "diffusionfer", diffusionfer, licence="CC0-1.0", rater="people").assign(
            subject="diffusionfer/" + diffusionfer["group"].astype(str), expression=diffusionfer["expression"]
        )
    ]
    portraits = {
        f"diffusionfer/{Path(row.image).name}": f"diffusionfer/{row.group}" for row in diffusionfer.itertuples()
    }
    rated = root / "ratings"
    usable = [np.ones(len(parts[0]), bool)]
    for name in KIT_SOURCES[1:]:
        folder = STILLS if name == "stills" else rated
        if name == "sfhq" and not (rated / "sfhq.csv").is_file() and (root / "sfhq").is_dir():
            images = [f"images/{path.name}" for path in sorted((root / "sfhq" / "images").glob("*.jpg"))]
            table = pd.DataFrame({"image": images, "valence": np.nan, "arousal": np.nan, "usable": 1})
        elif (folder / f"{name}.csv").is_file():
            table = _read(folder / f"{name}.csv")
        else:
            continue
        home = root / "sfhq" if name == "sfhq" else folder / name
        licence = "MIT" if name == "sfhq" else "Apache-2.0"
        part = _table(name, home, table, licence=licence, rater="ai")
        if "portrait" in table:
            part["subject"] = [portraits.get(portrait, portrait) for portrait in table["portrait"]]
            part["loose"] = True
        parts.append(part)
        usable.append(table["usable"].to_numpy() == 1)
    faces = join_faces(*parts)
    faces["sha256"] = [hash_pixels(read_picture(Path(path))) for path in faces["picture"]]
    return check_faces(split_faces(faces)[np.concatenate(usable)])


def rated_clips(root: Path) -> pd.DataFrame:
    """Faces of real people in videos, rated by an AI model: split `test`, so only `open_test` gives them out.

    Raises:
        DataError: a file is missing or malformed.
    """
    root = data_root(root)
    table = _read(root / "ratings" / "clips.csv")
    table = table[table["usable"] == 1].reset_index(drop=True)
    people = _faces_of(table)
    picture = [str(root.parent / "clips" / clip) for clip in table["clip"]]
    box = table[["x", "y", "w", "h"]].to_numpy(np.float32)
    box[:, 2:] += box[:, :2]
    return make_faces(
        {
            "id": [f"clips/{person}#{frame}" for person, frame in zip(people, table["frame"], strict=True)],
            "picture": picture,
            "frame": table["frame"],
            "time_s": table["t_s"],
            "subject": [f"clips/{_PERSON_OF.get(person, person)}" for person in people],
            "split": "test",
            "source": "clips",
            "licence": ["CC-BY-4.0" if name.startswith(_BY_INTEL) else "Pexels or MIT" for name in table["clip"]],
            "valence": table["valence"],
            "arousal": table["arousal"],
            "weight": rating_weight(table),
            "rater": "ai",
            "clip": [f"clips/{person}" for person in people],
            "box_px": list(box),
            "where": [f"{root / 'ratings' / 'clips.csv'}:{n + 2}" for n in table.index],
        }
    ).sort_values(["clip", "frame"], ignore_index=True)


# Who is in which clip, by looking at them; `:1` is the second face of a clip.
_PEOPLE = {
    "asl man 1": ("asl/again.mkv", "asl/help.mkv", "asl/no.mkv", "asl/yes.mkv"),
    "asl man 2": ("asl/milk.mkv", "asl/please.mkv", "asl/sorry.mkv"),
    "asl woman": ("asl/book.mkv", "asl/learn.mkv"),
    "head-pose man": ("head-pose-face-detection-female-and-male.mp4", "head-pose-face-detection-male.mp4"),
    "head-pose woman": (
        "head-pose-face-detection-female-and-male.mp4:1",
        "head-pose-face-detection-female.mp4",
        "face-demographics-walking-and-pause.mp4",
    ),
    "selfie man": ("face_noface.mov", "single_face.mp4"),
}
_PERSON_OF = {clip: person for person, clips in _PEOPLE.items() for clip in clips}
_BY_INTEL = ("face-demographics", "head-pose", "one-by-one", "store-aisle", "asl/")


def rating_weight(table: pd.DataFrame) -> np.ndarray:
    """What ratings of several passes weigh in a loss: float64 (N,), 1 / (1 + (error / 0.15)²).

    Args:
        table: `passes`, and `spread_valence`, `spread_arousal` (their range). Without these columns all weigh 1.
    """
    if "passes" not in table:
        return np.ones(len(table))
    variance = np.zeros(len(table))
    twice = table["passes"].to_numpy() >= 2
    for name in ("spread_valence", "spread_arousal"):
        own = (table[name].to_numpy(float) / _RANGE_TO_SD) ** 2
        known = np.where(twice, (own + _PRIOR * _USUAL_SD**2) / (1 + _PRIOR), _USUAL_SD**2)
        variance += known / table["passes"].to_numpy() / 2
    return 1 / (1 + variance / HALF_WEIGHT_ERROR**2)


def _faces_of(table: pd.DataFrame) -> list[str]:
    """`<clip>`, and `<clip>:<n>` for its further faces; a box that moved by less than its width is the same face."""
    names = [""] * len(table)
    for clip, rows in table.groupby("clip", sort=False):
        seen: list[tuple[float, float, float]] = []
        for row in rows.sort_values("frame").itertuples():
            x, y = row.x + row.w / 2, row.y + row.h / 2
            far = [np.hypot(x - other[0], y - other[1]) / max(row.w, other[2]) for other in seen]
            person = int(np.argmin(far)) if far and min(far) < 1 else len(seen)
            seen[person : person + 1] = [(x, y, row.w)]
            names[row.Index] = f"{clip}:{person}" if person else str(clip)
    return names


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _table(source: str, folder: Path, table: pd.DataFrame, *, licence: str, rater: str) -> pd.DataFrame:
    """The face table of a rating file whose pictures lie below `folder`."""
    below = [image.removeprefix(f"{source}/") for image in table["image"]]
    return make_faces(
        {
            "id": [f"{source}/{image}" for image in below],
            "picture": [str(folder / image) for image in below],
            "subject": [f"{source}/{Path(image).name}" for image in below],
            "source": source,
            "licence": licence,
            "real": False,
            "valence": table["valence"],
            "arousal": table["arousal"],
            "weight": rating_weight(table),
            "rater": np.where(table["valence"].notna(), rater, ""),
        }
    )
