"""What the weights are made with, for manifest and model card: name, licence, origin, use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convert.errors import DataError
from edge.bundle import Source

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
        use="training, also re-enacted, and calibration, labelled by the teacher; validation (a held-out part)",
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
        use="training, labelled by the teacher",
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


def parse_licences(stated: Sequence[str]) -> dict[str, str]:
    """Reads `SOURCE=SPDX` entries: licences by source.

    Raises:
        DataError: an entry is not of that form.
    """
    licences = {}
    for entry in stated:
        name, equals, licence = (part.strip() for part in entry.partition("="))
        if not (name and equals and licence):
            raise DataError(f"--licence {entry}: is not like mydata=CC-BY-4.0")
        licences[name] = licence
    return licences


def list_sources(counts: Mapping[str, int], licences: Mapping[str, str] | None = None) -> list[Source]:
    """The sources of a run, with how many pictures of each, and the generators behind them.

    Args:
        counts: pictures by short name of the data set; names that are not shipped data are recorded as they are.
        licences: of sources that are not shipped data, by name.

    Raises:
        DataError: a licence is given for something that the run did not use, or for shipped data, which has its own.
    """
    licences = licences or {}
    for name in licences:
        if name not in counts or name in _USED:
            own = ", ".join(sorted(counts.keys() - _USED.keys())) or "none"
            raise DataError(f"--licence {name}: is no source of your own in this run; those are: {own}")
    listed = []
    for name, count in counts.items():
        known = _USED.get(name)
        if known is None:
            known = Source(name=name, licence=licences.get(name, "not stated"), origin="not stated", use="training")
        listed.append(Source(**{**{f: getattr(known, f) for f in known.__struct_fields__}, "count": count}))
    behind = _BEHIND if counts.keys() & {"diffusionfer", "sfhq"} else ()
    teacher = (_USED["face_landmarker"],) if behind else ()
    return [*listed, *teacher, *behind]
