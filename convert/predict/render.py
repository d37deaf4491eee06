"""Pages from records: the templates in `pages/`, and the tables in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from convert.metrics import TARGETS

PAGES = Path(__file__).with_name("pages")
Row = Mapping[str, Any]
_NONE = "–"
_SIGNED = ("difference", "bias", "shift", "above")
_SHARES = ("found", "kept")
_BOUNDS = {"ccc": ("ccc_low", "ccc_high"), "difference": ("low", "high"), "above": ("low", "high")}
_BOUNDS |= {"kept": ("low", "high"), "shift": ("low", "high")}


def render(template: str, **values: Any) -> str:
    """A template of `pages/` with these values; what is missing in them is an error."""
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown from our own records
    )
    pages.globals |= {"table": table, "pairs": pairs, "cell": cell, "only": only}
    if "tables" in values:
        values["tables"] = defaultdict(list, values["tables"])  # one that was not measured is empty
    return pages.get_template(template).render(**values)


def table(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """Markdown: a line a row. Columns: title to the key of a cell; `key [95%]` adds its interval."""
    return _markdown(list(columns), [[cell(row, key) for key in columns.values()] for row in rows])


def pairs(rows: Sequence[Row], by: Mapping[str, str], cells: Mapping[str, str]) -> str:
    """Markdown: one line for valence and arousal of the same thing.

    Args:
        rows: with a `target` each.
        by: titles and keys of what a line is about.
        cells: titles and keys of what is given for both targets.
    """
    lines: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rows:
        lines.setdefault(tuple(row[key] for key in by.values()), {})[row["target"]] = row
    titles = [*by, *(f"{target}: {title}" if title else target for target in TARGETS for title in cells)]
    body = []
    for both in lines.values():
        first = next(iter(both.values()))
        told = [cell(both[target], key) if target in both else _NONE for target in TARGETS for key in cells.values()]
        body.append([*(cell(first, key) for key in by.values()), *told])
    return _markdown(titles, body)


def only(rows: Sequence[Row], **wanted: Any) -> list[Row]:
    """The rows whose cells are these; a list or tuple names several."""

    def fits(row: Row) -> bool:
        return all(
            row[key] in (value if isinstance(value, (list, tuple)) else (value,)) for key, value in wanted.items()
        )

    return [row for row in rows if fits(row)]


def cell(row: Row, key: str) -> str:
    """One cell as text: shares as percent, differences with their sign, `key [95%]` with its interval, if any."""
    name = key.removesuffix(" [95%]")
    value = row.get(name)
    if value is None:
        return _NONE
    told = _number(name, value)
    if name == key:
        return told
    low, high = (row.get(bound) for bound in _BOUNDS[name])
    return told if low is None or high is None else f"{told} [{_number(name, low)}, {_number(name, high)}]"


def _number(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    if name in _SHARES:
        return f"{value:.0%}"
    return f"{value:+.3f}" if name in _SIGNED else f"{value:.3f}"


def _markdown(titles: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
