"""What the person on the ladder sees: a grid of dots and some numbers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge.aim.sight import FaceSight, Sight
from edge.config import FaceConfig

_COLUMNS, _ROWS = 48, 14
_LISTED = 6
_RECENT = 150  # frames that the counts look back on
_ADVICE = {
    "small": "too small: nearer, or a longer lens",
    "turned": "turned away: hang it where people look",
    "dark": "too dark: light from in front of the faces",
    "blurred": "blurred: clean and focus the lens, or more light",
}


class Screen:
    """Gathers sights and draws the last of them with counts of the recent ones.

    Args:
        limits: what a face has to reach to be scored.
        title: which camera this is.
    """

    def __init__(self, limits: FaceConfig, title: str) -> None:
        self._limits = limits
        self._title = title
        self._recent: deque[Sight] = deque(maxlen=_RECENT)

    def add(self, sight: Sight) -> None:
        """Takes the next sight."""
        self._recent.append(sight)

    def draw(self) -> RenderableType:
        """The last sight as a grid of dots and a table, with counts of the recent ones."""
        sight = self._recent[-1] if self._recent else Sight(light=0.0, faces=())
        grid = Panel(_grid(sight.faces), title=self._title, expand=False, padding=0)
        return Group(grid, self._table(sight), Text(self._counts()), Text(_LEGEND, style="dim"))

    def line(self) -> str:
        """The same in one line, for a pipe or a log."""
        if not self._recent:
            return "no frame yet"
        sight = self._recent[-1]
        sizes = " ".join(f"{face.size_px:.0f}" for face in sight.faces) or "-"
        return f"faces {len(sight.faces)}, px {sizes}, light {sight.light:.0f}; {self._counts()}"

    def _table(self, sight: Sight) -> Table:
        limits = self._limits
        table = Table(box=None, pad_edge=False)
        table.add_column("face", justify="right")
        for heading, limit in (
            ("size, px", limits.min_face_px), ("light", limits.min_light), ("sharpness", limits.min_sharpness),
        ):  # fmt: skip
            table.add_column(f"{heading} (≥ {limit:g})", justify="right")
        table.add_column("would be scored")
        for number, face in enumerate(sight.faces[:_LISTED], 1):
            verdict = Text("yes", "green") if face.rejection is None else Text(_ADVICE[face.rejection.value], "yellow")
            table.add_row(str(number), f"{face.size_px:.0f}", f"{face.light:.0f}", f"{face.sharpness:.2f}", verdict)
        if not sight.faces:
            table.add_row("-", "-", "-", "-", Text("no face in view", "dim"))
        return table

    def _counts(self) -> str:
        faces = [face for sight in self._recent for face in sight.faces]
        reasons = Counter(face.rejection.value for face in faces if face.rejection is not None)
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        most = max((len(sight.faces) for sight in self._recent), default=0)
        scored = len(faces) - sum(reasons.values())
        share = f"{100 * scored / len(faces):.0f} % good enough" if faces else "no face yet"
        return f"last {len(self._recent)} frames: at most {most} at once, {share}" + (f"; not: {told}" if told else "")


_LEGEND = "● would be scored   ○ would not   |   Ctrl-C ends it. Nothing of the picture is shown, kept or sent."


def _grid(faces: Iterable[FaceSight]) -> Text:
    cells = [[" " if (row + column) % 4 else "·" for column in range(_COLUMNS)] for row in range(_ROWS)]
    styles: dict[tuple[int, int], str] = {}
    for face in faces:
        row, column = min(int(face.y * _ROWS), _ROWS - 1), min(int(face.x * _COLUMNS), _COLUMNS - 1)
        good = face.rejection is None
        if styles.get((row, column)) != "bold green":
            cells[row][column] = "●" if good else "○"
            styles[row, column] = "bold green" if good else "yellow"
    text = Text()
    for row, line in enumerate(cells):
        for column, cell in enumerate(line):
            text.append(cell, styles.get((row, column), "dim"))
        if row < _ROWS - 1:
            text.append("\n")
    return text
