"""Who belongs together, and which part each is in: rows of one subject are never in two splits."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from convert.errors import DataError

DEV_SHARE = TEST_SHARE = 0.15
TWINS = Path(__file__).with_name("sfhq_twins.csv")


def split_of(subject: str, seed: int = 0) -> str:
    """The split of a subject that no set declares: a fixed hash decides, on every machine alike."""
    digest = hashlib.sha256(f"affect-edge split {seed} {subject}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return "test" if place < TEST_SHARE else "dev" if place < TEST_SHARE + DEV_SHARE else "train"


def split_faces(faces: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Fills `split` where the set declares none, after merging subjects that show one face.

    A set that declares splits but no `dev` keeps them, and its `dev` is taken out of its `train` by the same hash.

    Raises:
        DataError: a subject is in two splits, or declared for some of its rows only; names both rows.
    """
    faces = merge_subjects(faces)
    check_splits(faces)
    hashed = faces["subject"].map({subject: split_of(subject, seed) for subject in faces["subject"].unique()})
    declared = faces.groupby("source")["split"].transform(lambda splits: splits.ne("").any())
    has_dev = faces.groupby("source")["split"].transform(lambda splits: splits.eq("dev").any())
    carved = declared & ~has_dev & faces["split"].eq("train") & hashed.eq("dev")
    split = faces["split"].where(faces["split"].ne(""), hashed).mask(carved, "dev")
    return faces.assign(split=split)


def check_splits(faces: pd.DataFrame) -> None:
    """Raises DataError, which names both rows, where a subject is in two splits or only partly in one."""
    first = faces.groupby("subject", sort=False)["split"].transform("first")
    mixed = np.flatnonzero(first.to_numpy() != faces["split"].to_numpy())
    if mixed.size:
        row = faces.iloc[int(mixed[0])]
        other = faces[faces["subject"] == row["subject"]].iloc[0]
        raise DataError(
            f"{_named(row)} is in split {row['split'] or 'none'!r}, and {_named(other)}, which shows the same person, "
            f"video or picture ({row['subject']}), in {other['split'] or 'none'!r}",
            "put all of them into one split",
        )


def merge_subjects(faces: pd.DataFrame) -> pd.DataFrame:
    """Gives one `subject` to all that show one face: identical pixels, and generator twins.

    Of several names the first in alphabetical order stays. Rows without `sha256` are compared by subject alone.
    """
    first = {subject: subject for subject in sorted(faces["subject"].unique())}

    def find(subject: str) -> str:
        while first[subject] != subject:
            subject = first[subject]
        return subject

    twins = faces["id"].map(twin_groups()).fillna("")
    for shared in (faces["sha256"], twins):
        alike = shared.ne("") & shared.duplicated(keep=False)
        for _, together in faces.loc[alike, "subject"].groupby(shared[alike]):
            one, *others = sorted({find(subject) for subject in together})
            first.update(dict.fromkeys(others, one))
    return faces.assign(subject=faces["subject"].map({subject: find(subject) for subject in first}).astype("str"))


def twin_groups() -> dict[str, str]:
    """The generator groups of SFHQ by `id` of a face: variants of one generated face share a group."""
    if not TWINS.is_file():
        return {}
    table = pd.read_csv(TWINS, dtype=str, comment="#")
    return {f"sfhq/{image}": f"twins {group}" for image, group in zip(table["image"], table["group"], strict=True)}


def _named(row: pd.Series) -> str:
    return str(row["where"] or row["id"])
