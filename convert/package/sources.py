"""What the weights are made with, for manifest and model card: name, licence, origin, use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convert.errors import DataError, TrainingError
from edge.model.bundle import Source

if TYPE_CHECKING:
    import pandas as pd

LICENCE = "Apache-2.0"
RESEARCH_ONLY = "research only, under the terms of the data sets listed as sources"
_BOUND = "research only"  # words in a licence that forbids other use
_RATERS = {"people": "rated by people", "ai": "rated by an AI model"}
_TEACHER = "labelled by the teacher"
# By `source` of the face table: name, licence, origin.
_KIT = {
    "diffusionfer": (
        "DiffusionFER-S",
        "CC0-1.0",
        "faces made with Stable Diffusion, rated by the data set's two authors",
    ),
    "sfhq": ("SFHQ samples", "MIT", "synthetic faces made with StyleGAN2 and Stable Diffusion"),
    "studio": (
        "expression studio",
        "Apache-2.0",
        "our own re-enactments of the generated faces above, with a head model",
    ),
}
_BEHIND = (
    Source(
        name="ICT-FaceKit",
        licence="MIT",
        origin="USC Institute for Creative Technologies; a head model made from scans of consenting people",
        use="shape and motion of the studio's re-enactments; no texture of it",
    ),
    Source(
        name="MediaPipe Face Landmarker",
        licence="Apache-2.0",
        origin="Google; trained on Google's own data",
        use="teacher: landmarks, blendshapes and head pose; not in the bundle",
    ),
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
    return source.name in {*(name for name, _, _ in _KIT.values()), *(behind.name for behind in _BEHIND)}


def list_sources(faces: pd.DataFrame, *, made: int = 0) -> list[Source]:
    """The sources of a run with how many faces of each, who labelled them, and the generators behind them.

    Args:
        faces: the run's face table; rows of split test are not used.
        made: stills that the studio made for it besides, labelled by the teacher.

    Raises:
        DataError: a set has no licence, or bears the name of the kit's own.
    """
    used = faces[faces["split"] != "test"]
    ours = used["source"].str.startswith("studio") | (used["source"] == "stills")  # rated stills are the studio's
    kind = used["source"].where(~ours, "studio")
    listed = []
    for name, rows in used.groupby(kind, sort=False):
        known = _KIT.get(str(name))
        licence = rows["licence"].iloc[0] if known is None else known[1]
        if not licence:
            raise DataError(f"{name}: the run learned from it, and nothing says under which licence", "name its terms")
        if known is None and str(name) in {each for each, _, _ in _KIT.values()}:
            raise DataError(f"{name}: is the name of a set of the kit's own", "rename it")
        raters = ", ".join(
            f"{count} {_RATERS.get(rater, _TEACHER)}" for rater, count in rows["rater"].value_counts().items()
        )
        people = "real people" if bool(rows["real"].any()) else "no real person"
        title, _, origin = known or (str(name), "", f"faces of {people}, given by whoever trained")
        use = f"training, calibration and dev: {raters}"
        listed.append(Source(name=title, licence=licence, origin=origin, use=use, count=len(rows)))
    if made:
        title, licence, origin = _KIT["studio"]
        use = f"training, labelled by the teacher: {made} more"
        listed.append(Source(name=title, licence=licence, origin=origin, use=use, count=made))
    return [*listed, *(_BEHIND if any(map(is_ours, listed)) else ())]


def choose_licence(sources: Sequence[Source], *, research_only: bool) -> str:
    """The licence of weights made with these sources.

    Args:
        sources: as `list_sources` gives them.
        research_only: the user knows.

    Raises:
        TrainingError: a set allows research only and the user did not say that they know.
    """
    bound = [source for source in sources if _BOUND in source.licence.lower()]
    if bound and not research_only:
        names = "; ".join(f"{source.name}: {source.licence}" for source in bound)
        raise TrainingError(f"the run learned from {names}. Pack with --research-only: the bundle will say so")
    return RESEARCH_ONLY if research_only else LICENCE
