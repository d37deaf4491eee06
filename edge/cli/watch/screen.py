"""What the person on the ladder sees: a grid of dots and some numbers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge.cli.watch.sight import FaceSight, Sight
from edge.config import FaceConfig

_COLUMNS, _ROWS = 44, 12  # with the table under it, what a terminal of 80 by 24 holds
_LISTED = 5
_RECENT = 150  # frames that the counts look back on
_ADVICE = {
    "small": "too small: nearer, or a longer lens",
    "turned": "turned away: hang it where people look",
    "dark": "too dark: light from in front of the faces",
    "blurred": "blurred: clean and focus the lens; more light",
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
        return Group(
            grid,
            self._table(sight),
            Text(self._counts(), no_wrap=True, overflow="ellipsis"),
            Text(_LEGEND, style="dim"),
        )

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
            table.add_column(f"{heading}\n≥ {limit:g}", justify="right")
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


_LEGEND = "●1 would be scored, ○2 not. No picture is shown, kept or sent. Ctrl-C ends it."


def _grid(faces: Sequence[FaceSight]) -> Text:
    """Dots, and at each face's middle its mark and its number in the table; a good one is laid over a bad one."""
    cells = [
        [("·" if column % 4 == 0 and row % 2 == 0 else " ", "dim") for column in range(_COLUMNS)]
        for row in range(_ROWS)
    ]
    numbered = list(enumerate(faces, 1))
    for number, face in sorted(numbered, key=lambda one: (one[1].rejection is None, -one[0])):
        row, column = min(int(face.y * _ROWS), _ROWS - 1), min(int(face.x * _COLUMNS), _COLUMNS - 1)
        good = face.rejection is None
        mark = ("●" if good else "○") + (str(number) if number <= _LISTED else "")
        column = min(column, _COLUMNS - len(mark))
        for offset, letter in enumerate(mark):
            cells[row][column + offset] = (letter, "bold green" if good else "yellow")
    return Text("\n").join(_line(row) for row in cells)


def _line(cells: Sequence[tuple[str, str]]) -> Text:
    """One row; neighbours of one style are sent together, since this goes over a network eight times a second."""
    runs = groupby(cells, key=itemgetter(1))
    return Text.assemble(*(("".join(letter for letter, _ in run), style) for style, run in runs))
