"""What the weights are made with, for manifest and model card: name, licence, origin, use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from convert.errors import TrainingError
from convert.faces.imported import Imported
from edge.model.bundle import Source

LICENCE = "Apache-2.0"
RESEARCH_ONLY = "research only, under the terms of the data sets listed as sources"
_BY_TEACHER = "labelled by the teacher"
_USED = {
    "diffusionfer": Source(
        name="DiffusionFER-S",
        licence="CC0-1.0",
        origin="faces made with Stable Diffusion, rated by the data set's two authors",
        use="training, also re-enacted; calibration; validation (a held-out part)",
    ),
    "sfhq": Source(
        name="SFHQ samples",
        licence="MIT",
        origin="synthetic faces made with StyleGAN2 and Stable Diffusion",
        use=f"training, also re-enacted, and calibration, {_BY_TEACHER}; validation (a held-out part)",
    ),
    "ict_facekit": Source(
        name="ICT-FaceKit",
        licence="MIT",
        origin="USC Institute for Creative Technologies; a head model made from scans of consenting people",
        use="shape and motion of the studio's re-enactments; no texture of it",
    ),
    "studio": Source(
        name="expression studio",
        licence="Apache-2.0",
        origin="our own re-enactments of the generated faces above, with the head model",
        use=f"training, {_BY_TEACHER}",
    ),
    "face_landmarker": Source(
        name="MediaPipe Face Landmarker",
        licence="Apache-2.0",
        origin="Google; trained on Google's own data",
        use="teacher: landmarks, blendshapes and head pose; not in the bundle",
    ),
}
_BEHIND = (
    Source(
        name="StyleGAN2 / FFHQ",
        licence="not used directly",
        origin="generator trained by NVIDIA on photographs of people (FFHQ)",
        use="made faces of SFHQ",
    ),
    Source(
        name="Stable Diffusion",
        licence="not used directly",
        origin="generator trained by others on photographs from the web (LAION)",
        use="made faces of DiffusionFER and SFHQ",
    ),
)


def is_ours(source: Source) -> bool:
    """Whether a source is one that the shipped weights are made with: no photograph of a real person among them."""
    return source.name in {known.name for known in (*_USED.values(), *_BEHIND)}


def list_sources(counts: Mapping[str, int], imported: Sequence[Imported] = ()) -> list[Source]:
    """The sources of a run, with how many pictures of each, and the generators behind them.

    Args:
        counts: pictures by short name of the data set.
        imported: the records of data sets that are not the kit's own.

    Raises:
        TrainingError: nobody said what one of the sets is, or one bears the name of the kit's own.
    """
    for record in imported:
        if is_ours(record.source):
            raise TrainingError(f"{record.path}: calls itself {record.source.name}, which is the kit's own; rename it")
    known_sets = _USED | {record.kind: record.source for record in imported}
    listed = []
    for name, count in counts.items():
        known = known_sets.get(name)
        if known is None:
            raise TrainingError(f"{name}: the run learned from it, but has no record of its source and licence")
        listed.append(msgspec.structs.replace(known, count=count))
    behind = _BEHIND if counts.keys() & {"diffusionfer", "sfhq"} else ()
    teacher = (_USED["face_landmarker"],) if behind else ()
    return [*listed, *teacher, *behind]


def choose_licence(imported: Sequence[Imported], *, research_only: bool) -> str:
    """The licence of weights made with these data sets besides the kit's own.

    Args:
        imported: their records.
        research_only: the user knows.

    Raises:
        TrainingError: a set allows research only and the user did not say that they know.
    """
    bound = [record.source for record in imported if record.research_only]
    if bound and not research_only:
        names = "; ".join(f"{source.name}: {source.licence}" for source in bound)
        raise TrainingError(f"the run learned from {names}. Pack with --research-only: the bundle will say so")
    return RESEARCH_ONLY if research_only else LICENCE
