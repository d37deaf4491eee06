"""`pack`: a run's graphs as a bundle, proved on the runtimes that are here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from convert.commands.evidence import CARD_PART
from convert.faces.imported import IMPORTED, read_records
from convert.package.packing import Label, assemble, write_folder, write_zip
from convert.package.signing import Signer
from convert.package.sources import choose_licence, list_sources
from convert.train.run import Run
from edge.model.bundle import Metric
from edge.output_files import check_output


def pack(
    run: Annotated[Path, typer.Option("--run", help="The run's folder.")] = Path("out/default"),
    out: Annotated[Path, typer.Option("--out", help="The bundle's folder, written anew.")] = Path("out/bundle"),
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

    With --sign the folder also gets `manifest.sig`, which devices check that name the public key.

    What a data set's owners forbid they forbid for weights made with it: a run that learned from one packs only with
    `--research-only`, and its manifest, model card and licence file then say so.

    Example: python -m convert pack --run out/default --out edge/bundles/default --version 2 --zip out/default.zip
    """
    check_output("--out", out, run, sign, emptied=True)
    check_output("--zip", archive, sign, *run.glob("*"))
    folder = Run(run)
    signer = Signer(sign) if sign else None
    evaluation = folder.read_json("evaluation.json", "train")
    imported = read_records(folder.path(IMPORTED))
    licence = choose_licence(imported, research_only=research_only)
    recipe = folder.recipe()
    bundle = assemble(
        folder.read("backbone.tflite", "quantize"),
        folder.read("head.tflite", "train"),
        recipe,
        Label(name=name, version=version, created=created or time.strftime("%Y-%m-%d", time.gmtime())),
        sources=list_sources(evaluation["counts"], imported),
        metrics=msgspec.convert(evaluation["metrics"], list[Metric]),
        evidence=part.read_text() if (part := folder.path(CARD_PART)).is_file() else "",
        licence=licence,
    )
    worst = write_folder(bundle, out, signer)
    if archive is not None:
        write_zip(out, archive)
    console = Console()
    console.print(f"{out}: {name} {version}, {sum(map(len, bundle.files.values()))} bytes, {bundle.sha256}")
    if signer is not None:
        console.print(f"signed by key {signer.fingerprint}", soft_wrap=True)
    for runtime, differences in worst.items():
        told = ", ".join(f"{key} {value:.4f}" for key, value in differences.items())
        console.print(f"golden vectors hold on {runtime}: {told}")
