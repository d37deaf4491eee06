"""What `python -m analytics export` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    store: Annotated[str, typer.Option("--store", help="A DuckDB file or postgresql://….")],
    lake: Annotated[Path, typer.Option("--lake", help="The folder; other stores may export to it too.")],
    name: Annotated[str, typer.Option("--name", help="Of this store's files in the lake; the file's own name.")] = "",
    keep_days: Annotated[
        float, typer.Option("--keep-days", min=0, help="Delete days of the lake that are older; 0 keeps all.")
    ] = 0.0,
) -> None:
    """Writes a store's windows as Parquet files by local day and site, for DuckDB, Spark and whatever reads Parquet.

    A second run changes nothing but what came in between. Each file is replaced whole.

    Example: python -m analytics export --store windows.duckdb --lake lake
    """
    from analytics.lake import file_name, purge_lake, write_lake
    from analytics.store import Store

    with Store(store, read_only=True) as kept:
        written = write_lake(kept.windows(), lake, name or file_name(store))
    removed = purge_lake(lake, keep_days) if keep_days else 0
    print(f"{lake}: {written} files written" + (f", {removed} days removed" if removed else ""))
