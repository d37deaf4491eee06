"""`python -m benchmarks report`: the kept results as pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    results: Annotated[
        Path | None, typer.Option("--results", help="Folder with one folder a device; default: the checkout's.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder that gets the pages.")] = Path("docs"),
) -> None:
    """Write benchmarks.md with its pictures, and benchmarks.html, one file that loads nothing, from the kept results.

    Example: python -m benchmarks report --out docs
    """
    from benchmarks.reference.kept import FOLDER
    from benchmarks.report.blocks import to_html, to_markdown
    from benchmarks.report.gather import gather_devices
    from benchmarks.report.page import make_page
    from convert.errors import DataError

    place = results or FOLDER
    devices = gather_devices(place) if place.is_dir() else []
    if not devices:
        raise DataError(f"{place}: holds no results; `python -m benchmarks reference` makes some")
    page = make_page(devices)
    pictures = out / "benchmarks"
    pictures.mkdir(parents=True, exist_ok=True)
    for stale in pictures.glob("*.png"):
        if stale.name not in page.pictures:
            stale.unlink()
    for name, png in page.pictures.items():
        (pictures / name).write_bytes(png)
    (out / "benchmarks.md").write_text(to_markdown(page.blocks, pictures=pictures.name), encoding="utf-8")
    (out / "benchmarks.html").write_text(to_html(page.blocks, page.pictures), encoding="utf-8")
    print(f"{len(devices)} devices: {out / 'benchmarks.md'}, {out / 'benchmarks.html'}")
