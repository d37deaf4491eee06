"""What a long run says: a bar on a terminal, plain lines otherwise; always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """One counted piece of work, as a context manager.

    Args:
        title: what it is.
        total: how many pieces.
        every: on plain output, a line each so many pieces.
    """

    def __init__(self, title: str, total: int, *, every: int = 5) -> None:
        self._title, self._total, self._every, self._done = title, total, every, 0
        self._started = time.monotonic()
        self._bar: Bar | None = None
        if sys.stderr.isatty():
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(title, total=total, note="")

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, record: Mapping[str, float] | None = None, *, done: int | None = None) -> None:
        """Counts one piece more, or sets the count to the record's `epoch` or to `done`."""
        record = record or {}
        self._done = int(record.get("epoch", done if done is not None else self._done + 1))
        note = " ".join(f"{name} {value:.3f}" for name, value in record.items() if name not in ("epoch", "seconds"))
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, note=note)
        elif self._done % self._every == 0 or self._done == self._total:
            spent = time.monotonic() - self._started
            print(
                f"{self._title} {self._done}/{self._total} {spent:.0f} s {note}".rstrip(), file=sys.stderr, flush=True
            )
