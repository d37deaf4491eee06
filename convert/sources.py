"""What the weights are made with, for manifest and model card: name, licence, origin, use."""

from __future__ import annotations

from collections.abc import Mapping

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


def list_sources(counts: Mapping[str, int]) -> list[Source]:
    """The sources of a run, with how many pictures of each, and the generators behind them.

    Args:
        counts: pictures by short name of the data set; names that are not shipped data are recorded as they are.
    """
    listed = []
    for name, count in counts.items():
        known = _USED.get(name)
        if known is None:
            known = Source(name=name, licence="not stated", origin="not stated", use="training")
        listed.append(Source(**{**{f: getattr(known, f) for f in known.__struct_fields__}, "count": count}))
    behind = _BEHIND if counts.keys() & {"diffusionfer", "sfhq"} else ()
    teacher = (_USED["face_landmarker"],) if behind else ()
    return [*listed, *teacher, *behind]
