"""Groups of faces by apparent age and by skin tone: on portraits that no training saw, and on all there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convert.faces.finder import LabelledFace, cut_faces
from convert.predict.evaluation import Device, answer_frames
from convert.predict.fairness import AGES, TONES, GroupResult, read_ages, slice_groups, to_markdown, tones_of
from convert.predict.gaps import tell_finding, tell_gaps
from convert.predict.skin_tone import UNKNOWN
from convert.train.material import Material
from edge.values import Float32Array

_AFTER = """\
A gap is clear where its interval, widened for the number of pairs, excludes zero. "Not clear" is no proof of equality:
small groups have wide intervals, and the intervals say what they do not exclude. A narrow range of expressions alone
lowers a group's CCC, hence RMSE and mean error beside it. The angle is measured on the picture, so its light counts as
skin; grey pictures and those without a colour of skin are left out. The ages were judged by a vision-language model
from contact sheets, not by people (`convert/predict/README.md`). All faces are generated: no gap here says how the
network treats real people. A gap may be the network's, the teacher's or the raters' own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTable:
    """One comparison of groups.

    Attributes:
        title: what is compared on what.
        note: whose labels, and what was left out.
        results: by group.
    """

    title: str
    note: str
    results: list[GroupResult]


def gather_groups(material: Material, device: Device) -> list[GroupTable]:
    """The tables: portraits held out from every training first, then those that most were trained on."""
    ages = {f"sfhq/{image}": group for image, group in read_ages().items()}
    known = set(material.teacher.names)
    held = [face for face in material.faces if face.validation and face.name in known]
    unrated = [face for face in material.faces if face.rated is None]
    teacher = "Reference: the teacher's labels."
    seen = f"{teacher} Most of these portraits were trained on, with these labels: it says how well they were learnt."
    tables = []

    def answer(faces: list[LabelledFace]) -> Float32Array:
        return answer_frames(device.backbone, cut_faces(faces, device.manifest.crop.size, device.manifest.crop.rule))

    def add_ages(title: str, note: str, faces: list[LabelledFace]) -> None:
        aged = [face for face in faces if face.name in ages]
        if aged:
            groups = [ages[face.name] for face in aged]
            results = slice_groups(answer(aged), material.teacher.va_of(aged), groups, AGES)
            tables.append(GroupTable(title=title, note=note, results=results))

    def add_tones(title: str, note: str, faces: list[LabelledFace], rated: Float32Array | None = None) -> None:
        if not faces:
            return
        groups = tones_of(faces)
        if left := groups.count(UNKNOWN):
            note += f" Left out: {left} of {len(faces)} pictures that are grey or have no colour of skin."
        labels = material.teacher.va_of(faces) if rated is None else rated
        tables.append(GroupTable(title=title, note=note, results=slice_groups(answer(faces), labels, groups, TONES)))

    judged = "Skin tone, held-out portraits that raters judged (DiffusionFER-S)"
    add_tones(judged, "Reference: its two raters.", material.held, material.rated)
    add_tones("Skin tone, all held-out portraits (both sets)", teacher, held)
    add_ages("Apparent age, held-out portraits (SFHQ)", teacher, held)
    add_tones("Skin tone, all portraits of SFHQ, most of them trained on", seen, unrated)
    add_ages("Apparent age, all portraits of SFHQ, most of them trained on", seen, unrated)
    return tables


def to_page(tables: Sequence[GroupTable]) -> str:
    """What was found, then every table with its clearest gaps, as Markdown."""
    parts = [to_card(tables)]
    for table in tables:
        parts += [f"### {table.title}", table.note, to_markdown(table.results), tell_gaps(table.results)]
    return "\n\n".join([*parts, _AFTER])


def to_card(tables: Sequence[GroupTable]) -> str:
    """What was found, a line a table."""
    found = "\n".join(tell_finding(table.title, table.results) for table in tables)
    return (
        "Groups of faces were compared pair by pair in mean error and RMSE of valence and arousal, by bootstrap over "
        f"portraits, corrected for the number of pairs. Found:\n\n{found}"
    )
