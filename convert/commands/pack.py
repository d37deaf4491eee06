"""`pack`: a run's graphs as a bundle that a device takes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from convert.errors import DataError
from convert.faces.table import read_faces
from convert.package.packing import Label, assemble, write_folder, write_zip
from convert.package.signing import Signer
from convert.package.sources import choose_licence, list_sources
from convert.predict.measure import RECORD, metrics_of, read_record
from convert.predict.render import render
from convert.predict.table import hash_graphs
from convert.train.run import Run
from edge.output_files import check_output


def pack(
    run: Annotated[Path, typer.Option("--run", help="The run's folder.")] = Path("out/default"),
    out: Annotated[Path, typer.Option("--out", help="The bundle's folder; written anew.")] = Path("out/bundle"),
    name: Annotated[str, typer.Option("--name", help="The bundle's name, [a-z0-9-].")] = "default",
    version: Annotated[int, typer.Option("--version", min=1, help="Rises with each release of one name.")] = 1,
    created: Annotated[str | None, typer.Option("--created", help="Day, YYYY-MM-DD; default today (UTC).")] = None,
    archive: Annotated[Path | None, typer.Option("--zip", help="Also write the bundle as this ZIP.")] = None,
    sign: Annotated[
        Path | None, typer.Option("--sign", help="Ed25519 private key, PEM: `openssl genpkey -algorithm ed25519`.")
    ] = None,
    research_only: Annotated[
        bool, typer.Option("--research-only", help="Needed where a data set's terms forbid other use.")
    ] = False,
) -> None:
    """Packs backbone, head, golden vectors, manifest and model card into a folder, and loads it as a device would.

    The card's figures are those of `convert test RUN`; without it the card says that nothing was measured. With --sign
    the folder also gets `manifest.sig`, which devices check that name the public key.

    What a data set's owners forbid they forbid for weights made with it: a run that learned from one packs only with
    `--research-only`, and its manifest, model card and licence file then say so.

    Example: python -m convert pack --run out/default --out edge/bundles/default --version 2 --zip out/default.zip
    """
    check_output("--out", out, run, sign, emptied=True)
    check_output("--zip", archive, sign, *run.glob("*"))
    folder, console = Run(run), Console()
    recipe = folder.recipe()
    graphs = folder.read("backbone.tflite", "quantize"), folder.read("head.tflite", "train")
    signer = Signer(sign) if sign else None
    made = recipe.studio.stills if folder.path("studio").is_dir() else 0
    sources = list_sources(read_faces(folder.path("faces.parquet")), made=made)
    licence = choose_licence(sources, research_only=research_only)
    label = Label(name=name, version=version, created=created or time.strftime("%Y-%m-%d", time.gmtime()))
    record = read_record(path) if (path := folder.path(RECORD)).is_file() else None
    if record is None:
        console.print(f"{path}: not there; the card will say that nothing was measured (python -m convert test {run})")
    bundle = assemble(
        *graphs,
        recipe,
        label,
        sources=sources,
        metrics=metrics_of(record) if record else [],
        evidence=render("evidence.md.j2", **record) if record else "",
        licence=licence,
    )
    if record is not None and record["graphs"] != hash_graphs(bundle.manifest):
        raise DataError(f"{path}: was measured on other graphs", f"run python -m convert test {run}")
    worst = write_folder(bundle, out, signer)
    if archive is not None:
        write_zip(out, archive)
    console.print(f"{out}: {name} {version}, {sum(map(len, bundle.files.values()))} bytes, {bundle.sha256}")
    if signer is not None:
        console.print(f"signed by key {signer.fingerprint}", soft_wrap=True)
    for runtime, differences in worst.items():
        told = ", ".join(f"{key} {value:.4f}" for key, value in differences.items())
        console.print(f"golden vectors hold on {runtime}: {told}")
