"""What a page is made of, and the two ways of writing it: Markdown, and one HTML file that asks nobody for anything."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.9rem; } h2 { margin-top: 3rem; border-bottom: 1px solid #d5dae1; } h3 { margin-top: 2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .86rem; margin: .8rem 0; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #e3e7ec; text-align: right; white-space: nowrap;
  vertical-align: top; font-variant-numeric: tabular-nums; }
th { background: #f4f6f8; vertical-align: bottom; } th:first-child, td:first-child { text-align: left; }
th.words, td.words { text-align: left; white-space: normal; min-width: 11rem; }
td.words:last-child { min-width: 22rem; }
code { background: #f4f6f8; padding: 0 .2rem; }
img { max-width: 100%; height: auto; } .warning { border-left: 4px solid #c2571a; padding: .1rem 1rem;
  background: #fdf4ee; }
"""
# Nothing may be loaded: should a request ever slip in, the reader's browser refuses it.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


_CODE, _AS_CODE = re.compile("`([^`]+)`"), r"<code>\1</code>"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, level 1 to 3."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph; one that a reader must not miss is a warning."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; what was not measured is an empty cell.

    Attributes:
        head: titles of the columns.
        rows: as long as the head.
        words: columns of running text, from 0.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture by the name of its file, and what it shows."""

    name: str
    shows: str


Block = Heading | Words | Grid | Picture


def to_markdown(blocks: Sequence[Block], *, pictures: str) -> str:
    """The page as Markdown; `pictures` is their folder, as the page sees it."""
    return "\n\n".join(_markdown(block, pictures) for block in blocks) + "\n"


def to_html(blocks: Sequence[Block], pictures: Mapping[str, bytes]) -> str:
    """The page as HTML with its pictures (PNG, by name) in it."""
    title = next(block.text for block in blocks if isinstance(block, Heading))
    body = "\n".join(_html(block, pictures) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _markdown(block: Block, pictures: str) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Words):
        return f"> {block.text}" if block.warning else block.text
    if isinstance(block, Picture):
        return f"![{block.shows}]({pictures}/{block.name})"
    align = ["---" if n == 0 or n in block.words else "---:" for n in range(len(block.head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (block.head, align, *block.rows))


def _html(block: Block, pictures: Mapping[str, bytes]) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    if isinstance(block, Words):
        kind = ' class="warning"' if block.warning else ""
        return f"<p{kind}>{_CODE.sub(_AS_CODE, html.escape(block.text))}</p>"
    if isinstance(block, Picture):
        data = base64.b64encode(pictures[block.name]).decode()
        return f'<p><img alt="{html.escape(block.shows)}" src="data:image/png;base64,{data}"></p>'
    kinds = [' class="words"' if n in block.words else "" for n in range(len(block.head))]
    head = "".join(f"<th{kind}>{html.escape(title)}</th>" for kind, title in zip(kinds, block.head, strict=True))
    rows = "\n".join(
        "<tr>" + "".join(f"<td{kind}>{html.escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in block.rows
    )
    return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>'
