"""The layouts that can be read, by kind: their reader, how to get the data, and what its owners allow.

None of these sets is part of this repository, and the shipped weights never saw one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from convert.errors import DataError
from convert.faces.afew_va import read_afew_va
from convert.faces.affectnet import read_affectnet
from convert.faces.affwild import read_affwild
from convert.faces.affwild2 import read_affwild2
from convert.faces.omg_emotion import read_omg_emotion
from convert.faces.plain import SOURCE as PLAIN
from convert.faces.plain import read_declaration, read_plain
from convert.faces.records import LabelledFrame, Part, Reader, Reading
from convert.faces.split import refuse_leaks
from edge.model.bundle import Source

_TRAINING = "training, calibration; validation (a held-out part)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One published layout.

    Attributes:
        kind: its short name, also the source of its frames.
        title: as its authors call it.
        holds: what lies in its folder.
        licence: in a few words, for manifests.
        origin: who made it, of whom.
        obtain: how to get it.
        research_only: its terms forbid other use of the data and of what is trained on it.
        part: what `evaluate` measures on unless told otherwise; None is all of it.
        read: its reader.
    """

    kind: str
    title: str
    holds: str
    licence: str
    origin: str
    obtain: str
    research_only: bool
    part: Part | None
    read: Reader


_LAYOUTS = (
    Layout(
        kind="affwild",
        title="Aff-Wild",
        holds="annotations/train/{valence,arousal}/N.txt, videos/train/N.mp4, bboxes and landmarks as .pts",
        licence="non-commercial research only, by agreement (EULA)",
        origin="videos of people from YouTube, rated frame by frame by trained annotators (Imperial College London)",
        obtain="ask its authors (ibug.doc.ic.ac.uk, First Affect-in-the-Wild Challenge)",
        research_only=True,
        part=None,
        read=read_affwild,
    ),
    Layout(
        kind="affwild2",
        title="Aff-Wild2",
        holds="VA_Estimation_Challenge/{Train_Set,Validation_Set}/*.txt, videos, cropped_aligned/NAME/00001.jpg",
        licence="non-commercial research only, by agreement (EULA)",
        origin="videos of people from YouTube, rated frame by frame by trained annotators (Kollias & Zafeiriou)",
        obtain="EULA signed by an academic with a permanent post (ibug.doc.ic.ac.uk/resources/aff-wild2)",
        research_only=True,
        part="validation",
        read=read_affwild2,
    ),
    Layout(
        kind="affectnet",
        title="AffectNet",
        holds="training.csv and validation.csv with pictures, or {train_set,val_set}/{images,annotations/N_val.npy}",
        licence="research only, by agreement",
        origin="pictures of people from web searches, rated by twelve annotators (University of Denver)",
        obtain="agreement signed by a professor or the head of a laboratory (mohammadmahoor.com/affectnet)",
        research_only=True,
        part="validation",
        read=read_affectnet,
    ),
    Layout(
        kind="afew-va",
        title="AFEW-VA",
        holds="NNN/NNN.json with pictures NNN/00000.png",
        licence="non-commercial research only",
        origin="scenes of feature films, rated frame by frame (Imperial College London)",
        obtain="on request (ibug.doc.ic.ac.uk/resources/afew-va-database)",
        research_only=True,
        part=None,
        read=read_afew_va,
    ),
    Layout(
        kind="omg-emotion",
        title="OMG-Emotion",
        holds="omg_TrainVideos.csv and its like, clips as VIDEO/utterance_N.mp4",
        licence="CC-BY-NC-SA-3.0-DE, research only",
        origin="monologues from YouTube, rated by the utterance by crowd workers (University of Hamburg)",
        obtain="labels and prepare_data.py at github.com/knowledgetechnologyuhh/OMGEmotionChallenge",
        research_only=True,
        part="validation",
        read=read_omg_emotion,
    ),
    Layout(
        kind=PLAIN,
        title="Your own label file",
        holds="a CSV with image (or video and time_s), valence, arousal; also weight, group, split",
        licence="as the file beside it says: NAME.source.json",
        origin="as the file beside it says",
        obtain="yours; several annotators' files become one with `labels merge`",
        research_only=False,
        part=None,
        read=read_plain,
    ),
)
LAYOUTS = {layout.kind: layout for layout in _LAYOUTS}


def find_layout(kind: str) -> Layout:
    """The layout of that kind.

    Raises:
        DataError: there is none.
    """
    try:
        return LAYOUTS[kind]
    except KeyError:
        raise DataError(f"{kind}: no such kind of data set; there are {', '.join(LAYOUTS)}") from None


def read_dataset(kind: str, path: Path, reading: Reading) -> Iterator[LabelledFrame]:
    """Reads a data set lazily and refuses a split with somebody on both sides.

    Args:
        kind: of `LAYOUTS`.
        path: its folder, or the file of kind `csv`.
        reading: counts what was read and what was left out.

    Raises:
        DataError: the data is missing or malformed, a group is in two parts, or nothing is left of it.
    """
    layout = find_layout(kind)
    if not path.exists():
        raise DataError(f"{path}: no such data set")
    for frame in refuse_leaks(layout.read(path, reading)):
        reading.read += 1
        yield frame
    if not reading.read:
        why = "; ".join(f"{count} {reason}" for reason, count in reading.dropped.most_common()) or "it holds no label"
        raise DataError(f"{path}: nothing of it can be used: {why}")


def describe_source(kind: str, path: Path) -> tuple[Source, bool]:
    """The source for manifest and model card, and whether its terms allow research only.

    Raises:
        DataError: the data is of kind `csv` and the file that declares it is missing or malformed.
    """
    layout = find_layout(kind)
    if kind == PLAIN:
        declared = read_declaration(path)
        named = Source(name=declared.name, licence=declared.licence, origin=declared.origin, use=_TRAINING)
        return named, declared.research_only
    return Source(name=layout.title, licence=layout.licence, origin=layout.origin, use=_TRAINING), layout.research_only
