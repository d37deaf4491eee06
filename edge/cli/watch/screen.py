"""What the person on the ladder sees: a grid of dots and the numbers by which faces are judged."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge.config import FaceConfig
from edge.face.search import farthest_m, smallest_found_px
from edge.values import Face, Look, Rejection, Tick

_COLUMNS, _ROWS = 44, 11  # with the table under it, what a terminal of 80 by 24 holds
_LISTED = 5
_RECENT = 150  # frames that the counts look back on
_ADVICE: dict[Rejection, str] = {
    "small": "too small: nearer, or a longer lens",
    "turned": "turned away: hang it where people look",
    "dark": "too dark: light from in front of the faces",
    "blurred": "blurred: clean and focus the lens; more light",
}


class Screen:
    """Gathers looks and draws the last of them with counts of the recent ones.

    Args:
        limits: what a face has to reach to be scored.
        title: which camera this is.
    """

    def __init__(self, limits: FaceConfig, title: str) -> None:
        self._limits = limits
        self._title = title
        self._recent: deque[Look] = deque(maxlen=_RECENT)
        self._absent = ""  # why no frame comes

    def add(self, event: Look | Tick) -> None:
        """Takes the next look, or the reason for none."""
        if isinstance(event, Look):
            self._recent.append(event)
        self._absent = event.reason if isinstance(event, Tick) else ""

    def draw(self) -> RenderableType:
        """The last look as a grid of dots and a table, with counts of the recent ones."""
        faces = self._faces()
        title = f"{self._title}: no picture, {self._absent}" if self._absent else self._title
        return Group(
            Panel(_grid(self._recent[-1].size_px if faces else (1, 1), faces), title=title, expand=False, padding=0),
            self._table(faces),
            Text(self._counts(), no_wrap=True, overflow="ellipsis"),
            Text(self._reach(), no_wrap=True, overflow="ellipsis"),
            Text(_LEGEND, style="dim"),
        )

    def line(self) -> str:
        """The same in one line, for a pipe or a log."""
        if self._absent or not self._recent:
            return f"no picture: {self._absent}" if self._absent else "no picture yet"
        faces = self._faces()
        sizes = " ".join(f"{face.track.detection.size_px:.0f}" for face in faces) or "-"
        lights = " ".join(_number(face.quality.light if face.quality else None, 0) for face in faces) or "-"
        return f"faces {len(faces)}, px {sizes}, light {lights}; {self._counts()}"

    def _faces(self) -> list[Face]:
        """Those of the last look, largest first."""
        faces = () if self._absent or not self._recent else self._recent[-1].faces
        return sorted(faces, key=lambda face: -face.track.detection.size_px)

    def _table(self, faces: Sequence[Face]) -> Table:
        limits = self._limits
        table = Table(box=None, pad_edge=False)
        table.add_column("face", justify="right")
        for heading, limit in (
            ("size, px", limits.min_face_px), ("light", limits.min_light), ("sharpness", limits.min_sharpness),
        ):  # fmt: skip
            table.add_column(f"{heading}\n≥ {limit:g}", justify="right")
        table.add_column("would be scored")
        for number, face in enumerate(faces[:_LISTED], 1):
            size, quality = f"{face.track.detection.size_px:.0f}", face.quality
            if quality is None:
                table.add_row(str(number), size, "-", "-", Text("more faces than this board has time for", "yellow"))
                continue
            verdict = Text(_ADVICE[quality.rejection], "yellow") if quality.rejection else Text("yes", "green")
            table.add_row(str(number), size, _number(quality.light, 0), _number(quality.sharpness, 2), verdict)
        if not faces:
            table.add_row("-", "-", "-", "-", Text("no face in view", "dim"))
        return table

    def _reach(self) -> str:
        """How far away a face is still scored; empty before the first picture."""
        if not self._recent:
            return ""
        size_px, limits = self._recent[-1].size_px, self._limits
        far = [f"{farthest_m(*size_px, limits, lens_deg=lens):.1f} m with a lens of {lens}°" for lens in _LENSES]
        return f"scored from {smallest_found_px(*size_px, limits):.0f} px: up to {', '.join(far)}"

    def _counts(self) -> str:
        judged = [face.quality for look in self._recent for face in look.faces if face.quality]
        reasons = Counter(quality.rejection for quality in judged if quality.rejection)
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        most = max((len(look.faces) for look in self._recent), default=0)
        scored = len(judged) - sum(reasons.values())
        share = f"{100 * scored / len(judged):.0f} % good enough" if judged else "no face yet"
        return f"last {len(self._recent)} looks: at most {most} at once, {share}" + (f"; not: {told}" if told else "")


def _number(value: float | None, digits: int) -> str:
    """`-` for what was not measured, since the face was rejected before."""
    return "-" if value is None else f"{value:.{digits}f}"


_LENSES = (102, 66, 30)  # degrees across: wide, Raspberry Pi's standard, tele
_LEGEND = "●1 would be scored, ○2 not. No picture is shown, kept or sent. Ctrl-C ends it."


def _grid(size_px: tuple[int, int], faces: Sequence[Face]) -> Text:
    """Dots, and at each face's middle its mark and its number in the table; a good one is laid over a bad one."""
    cells = [
        [("·" if column % 4 == 0 and row % 2 == 0 else " ", "dim") for column in range(_COLUMNS)]
        for row in range(_ROWS)
    ]
    numbered = [(bool(face.quality and face.quality.rejection is None), -n, face) for n, face in enumerate(faces, 1)]
    for good, number, face in sorted(numbered, key=itemgetter(0, 1)):
        x, y = (place / side for place, side in zip(face.track.detection.center_px, size_px, strict=True))
        mark = ("●" if good else "○") + (str(-number) if -number <= _LISTED else "")
        row, column = _cell(y, _ROWS), min(_cell(x, _COLUMNS), _COLUMNS - len(mark))
        for offset, letter in enumerate(mark):
            cells[row][column + offset] = (letter, "bold green" if good else "yellow")
    return Text("\n").join(_line(row) for row in cells)


def _cell(place: float, cells: int) -> int:
    return min(max(int(place * cells), 0), cells - 1)


def _line(cells: Sequence[tuple[str, str]]) -> Text:
    """One row; neighbours of one style are sent together, since this goes over a network eight times a second."""
    runs = groupby(cells, key=itemgetter(1))
    return Text.assemble(*(("".join(letter for letter, _ in run), style) for style, run in runs))
