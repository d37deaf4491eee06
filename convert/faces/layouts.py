"""The layouts that can be read, by kind: their reader, how to get the data, and what its owners allow.

None of these sets is part of this repository, and the shipped weights never saw one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from convert.errors import DataError, find_named
from convert.faces.afew_va import read_afew_va
from convert.faces.affectnet import read_affectnet
from convert.faces.affwild import read_affwild
from convert.faces.affwild2 import read_affwild2
from convert.faces.groups import check_splits
from convert.faces.omg_emotion import read_omg_emotion
from convert.faces.plain import SOURCE as PLAIN
from convert.faces.plain import read_declaration, read_plain
from convert.faces.table import make_faces

Reader = Callable[[Path, Counter[str]], Iterator[pd.DataFrame]]
"""Reads a folder (or file): parts of a face table without `id` and `source`, ratings NaN where the set marks a face as
not rated, `subject` within the set; counts in the counter what it leaves out. Raises DataError with file and line."""

FRAME_GAP_S = 1.0


class Layout(NamedTuple):
    """One published layout.

    Attributes:
        title: as its authors call it.
        holds: what lies in its folder.
        licence: in a few words, for manifests; "research only" binds what is trained on it.
        origin: who made it, of whom.
        obtain: how to get it.
        read: its reader.
        part: split that `evaluate` measures on unless told otherwise; empty: all.
    """

    title: str
    holds: str
    licence: str
    origin: str
    obtain: str
    read: Reader
    part: str = ""

    @property
    def research_only(self) -> bool:
        """Its terms forbid other use of the data and of what is trained on it."""
        return "research only" in self.licence


LAYOUTS = {
    "affwild": Layout(
        "Aff-Wild",
        "annotations/train/{valence,arousal}/N.txt, videos/train/N.mp4, bboxes and landmarks as .pts",
        "non-commercial research only, by agreement (EULA)",
        "videos of people from YouTube, rated frame by frame by trained annotators (Imperial College London)",
        "ask its authors (ibug.doc.ic.ac.uk, First Affect-in-the-Wild Challenge)",
        read_affwild,
    ),
    "affwild2": Layout(
        "Aff-Wild2",
        "VA_Estimation_Challenge/{Train_Set,Validation_Set}/*.txt, videos, cropped_aligned/NAME/00001.jpg",
        "non-commercial research only, by agreement (EULA)",
        "videos of people from YouTube, rated frame by frame by trained annotators (Kollias & Zafeiriou)",
        "EULA signed by an academic with a permanent post (ibug.doc.ic.ac.uk/resources/aff-wild2)",
        read_affwild2,
        "dev",
    ),
    "affectnet": Layout(
        "AffectNet",
        "training.csv and validation.csv with pictures, or {train_set,val_set}/{images,annotations/N_val.npy}",
        "research only, by agreement",
        "pictures of people from web searches, rated by twelve annotators (University of Denver)",
        "agreement signed by a professor or the head of a laboratory (mohammadmahoor.com/affectnet)",
        read_affectnet,
        "dev",
    ),
    "afew-va": Layout(
        "AFEW-VA",
        "NNN/NNN.json with pictures NNN/00000.png",
        "non-commercial research only",
        "scenes of feature films, rated frame by frame (Imperial College London)",
        "on request (ibug.doc.ic.ac.uk/resources/afew-va-database)",
        read_afew_va,
    ),
    "omg-emotion": Layout(
        "OMG-Emotion",
        "omg_TrainVideos.csv and its like, clips as VIDEO/utterance_N.mp4",
        "CC-BY-NC-SA-3.0-DE, research only",
        "monologues from YouTube, rated by the utterance by crowd workers (University of Hamburg)",
        "labels and prepare_data.py at github.com/knowledgetechnologyuhh/OMGEmotionChallenge",
        read_omg_emotion,
        "dev",
    ),
    PLAIN: Layout(
        "Your own label file",
        "a CSV with image (or video and time_s), valence, arousal; also group, split, weight, expression",
        "as the file beside it says: NAME.source.json",
        "as the file beside it says",
        "yours; several annotators' files become one with `labels merge`",
        read_plain,
    ),
}


def find_layout(kind: str) -> Layout:
    """The kind of data set of that name; raises what `find_named` does."""
    return find_named(LAYOUTS, kind, "kind of data set")


class ReadSet(NamedTuple):
    """A data set's labels.

    Attributes:
        faces: a face table; frames of one clip together and in order.
        left_out: labels left out, by reason.
    """

    faces: pd.DataFrame
    left_out: dict[str, int]


def read_set(kind: str, path: Path, *, splits: bool = True) -> ReadSet:
    """Reads the labels of a data set; no picture is opened.

    Args:
        kind: of `LAYOUTS`.
        path: its folder, or the file of kind `csv`.
        splits: keep the declared split; False leaves it empty.

    Raises:
        DataError: the data is malformed, a picture or video is missing (names the label's line), a subject is in two
            splits, or nothing is left.
    """
    layout = find_layout(kind)
    if kind != PLAIN and not path.exists():
        raise DataError(f"{path}: no such data set")
    left_out: Counter[str] = Counter()
    table = pd.concat(list(layout.read(path, left_out)), ignore_index=True)
    rated = table["valence"].notna() & table["arousal"].notna()
    left_out["marked as not rated"] += int((~rated).sum())
    table = table[rated].reset_index(drop=True)
    reasons = {reason: count for reason, count in left_out.items() if count}
    if table.empty:
        why = "; ".join(f"{count} {reason}" for reason, count in reasons.items()) or "it holds no label"
        raise DataError(f"{path}: nothing of it can be used: {why}")
    there = {picture: Path(picture).is_file() for picture in table["picture"].unique()}
    missing = table[~table["picture"].map(there)]
    if len(missing):
        first = missing.iloc[0]
        raise DataError(
            f"{first['where']}: {first['picture']}: no such picture or video; {len(missing)} of {len(table)} labels "
            "lack theirs",
            "bring the files, or leave these lines out",
        )
    root = path if path.is_dir() else path.parent
    faces = make_faces(
        table.assign(
            id=_names(kind, root, table),
            source=kind,
            subject=kind + "/" + table["subject"],
            rater="people",
            licence=layout.licence,
            **({} if splits else {"split": ""}),
        )
    )
    check_splits(faces)
    return ReadSet(faces, reasons)


def thin_clips(faces: pd.DataFrame, gap_s: float = FRAME_GAP_S) -> pd.DataFrame:
    """The rows without those nearer than `gap_s` to the one before of their clip: neighbours say the same."""
    keep, last = np.ones(len(faces), bool), {"": 0.0}
    for row, (clip, time_s) in enumerate(zip(faces["clip"], faces["time_s"], strict=True)):
        if clip and clip in last and time_s - last[clip] < gap_s - 1e-6:
            keep[row] = False
        elif clip:
            last[clip] = time_s
    return faces[keep].reset_index(drop=True)


def _names(kind: str, root: Path, table: pd.DataFrame) -> pd.Series:
    """`<kind>/<path below the set>#<frame>`; `~2` after what is labelled a second time."""
    short = {}
    for picture in table["picture"].unique():
        path = Path(picture)
        short[picture] = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
    names = kind + "/" + table["picture"].map(short)
    if "frame" in table:
        frame = table["frame"].astype("Int64")
        names = names.where(frame.isna(), names + "#" + frame.astype("str"))
    again = names.groupby(names).cumcount()
    return names.where(again.eq(0), names + "~" + (again + 1).astype(str))


def read_own(given: Path) -> pd.DataFrame:
    """The face table to learn from: of a label file of one's own, or of a published set as `KIND=PATH`.

    One's own is named and licensed as `NAME.source.json` beside it says.

    Raises:
        DataError: as `read_set`, or the declaration is missing or malformed.
    """
    kind, equals, path = str(given).partition("=")
    if equals and kind in LAYOUTS and kind != PLAIN:
        return read_set(kind, Path(path)).faces
    declared = read_declaration(given)
    licence = declared.licence + (" (research only)" if declared.research_only else "")
    return read_set(PLAIN, given).faces.assign(source=declared.name, licence=licence)
