"""`python -m benchmarks videos`: which video files are scored as they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def videos(
    out: Annotated[Path, typer.Option(help="Where the table goes, Markdown.")] = Path("docs/videos.md"),
    frames_only: Annotated[bool, typer.Option(help="Compare pictures only, without the model.")] = False,
    only: Annotated[str, typer.Option(help="Files whose name contains this; prints them instead of the page.")] = "",
    keep: Annotated[Path | None, typer.Option(help="A folder to make the files in and leave them.")] = None,
) -> None:
    """Makes some eighty files from one drawn clip and replays each.

    Codecs, containers, pixel formats and shapes, orientations, fields, rates, cuts. Each is to be scored as its plain
    twin, within 0.02 in the means of valence and arousal, or to be refused with a command that makes it one that is.
    Those commands are run too. Needs `ffmpeg` (Debian's 5.1 was used); nobody was filmed.

    Example: python -m benchmarks videos --only sar --frames-only
    """
    import tempfile

    from benchmarks.videos.measure import measure_all
    from benchmarks.videos.page import render
    from benchmarks.videos.recipes import RECIPES
    from convert.errors import DataError

    chosen = [recipe for recipe in RECIPES if only in recipe.name]
    if not chosen:
        raise DataError(f"--only {only}: no file has such a name")
    with tempfile.TemporaryDirectory(prefix="videos-") as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        results = measure_all(chosen, folder, scored=not frames_only)
    if only:
        for result in results:
            print(result)
    else:
        out.write_text(render(results), "utf-8")
        print(f"{out}: {len(results)} files, {sum(not result.held for result in results)} wrong")
    if any(not result.held for result in results):
        raise typer.Exit(1)
