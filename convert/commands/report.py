"""`report`: everything that is measured of a bundle as one record, and the pages that are rendered from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console

from convert.commands.options import DataOption, LandmarkerOption, PicturesOption, find_landmarker
from convert.errors import DataError
from convert.networks.cost import count_macs
from convert.predict import agreement
from convert.predict.measure import RECORD, Subjects, make_record, measure, read_record, write_record
from convert.predict.render import render
from convert.predict.subjects import add_teacher, finder, gather, is_run, open_subject
from convert.predict.table import hash_graphs, join
from edge.model.bundle import Bundle, default_bundle
from edge.output_files import check_output

EVIDENCE = Path("benchmarks/evidence")
PAGE = Path("docs/model.md")


def report(
    run: Annotated[Path | None, typer.Option("--run", help="The run that the bundle was packed from.")] = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Instead of a run; default: the shipped one.")] = None,
    data: DataOption = Path("../shared/data"),
    beside: Annotated[
        list[str] | None, typer.Option("--beside", help="Another run or bundle, NAME=PATH (sizes, seeds); repeatable.")
    ] = None,
    page: Annotated[Path, typer.Option("--page", help="The page to write.")] = PAGE,
    evidence: Annotated[Path, typer.Option("--evidence", help="Folder of records, by hash of the graphs.")] = EVIDENCE,
    only_render: Annotated[
        bool, typer.Option("--render", help="Measure nothing: write the page from its record.")
    ] = False,
    most: Annotated[int, typer.Option("--most", min=0, help="Faces that are tried dark, blurred, covered…")] = 300,
    acts: Annotated[int, typer.Option("--acts", min=0, help="Acts of the studio under accidents.")] = 40,
    landmarker: LandmarkerOption = None,
    kept: PicturesOption = Path("out/pictures"),
) -> None:
    """Measures on dev, test and the rated clips of real people; writes EVIDENCE/<graphs>/model.json and the page.

    Looks at test faces are logged in docs/test-lookups.csv. Of a run, the record is kept as RUN/model.json too, for
    `pack`. Takes some minutes.

    Example: python -m convert report --run out/default --beside nano=out/nano

    The page anew from its record: python -m convert report --render
    """
    others = parse_beside(beside or [])
    check_output("--page", page, run, bundle, *others.values())
    subject = run or bundle or default_bundle()
    target = evidence / hash_graphs(open_subject(subject).manifest)[:16] / RECORD
    if not only_render:
        task = find_landmarker(data, landmarker)
        on = gather(subject, why="convert report", data=data, find=finder(task, kept), real=True)
        on, teacher = add_teacher(on, data=data, landmarker=task, acts=acts, folder=kept / "acts")
        more = {"teacher": teacher}
        said, tables = measure(on.bundle, on.subjects, most=most, float_backbone=on.float_backbone, others=more)
        said.to_parquet(kept / f"{target.parent.name}.parquet")
        if others:
            bundles = {on.bundle.manifest.name: on.bundle, **{name: open_subject(at) for name, at in others.items()}}
            tables["beside"] = compare_bundles(bundles, on.subjects)
        record = make_record(on.bundle, tables, on.subjects, trained_apart=on.trained_apart)
        for path in (target, *([run / RECORD] if run is not None and is_run(run) else [])):
            write_record(path, record)
    elif run is None:  # measured as a run, before it was packed under this name
        manifest = open_subject(subject).manifest
        named = {"name": manifest.name, "version": manifest.version, "network": manifest.network}
        write_record(target, read_record(target) | {"bundle": named})
    page.write_text(write_page(read_record(target), target, page), encoding="utf-8")
    Console().print(f"{target}\n{page}")


def write_page(record: dict[str, Any], path: Path, page: Path) -> str:
    """The page of a record, with a link to it."""
    from os.path import relpath

    return render("model.md.j2", record_path=Path(relpath(path, page.parent)).as_posix(), **record)


def compare_bundles(bundles: dict[str, Bundle], on: Subjects) -> pd.DataFrame:
    """Streamed agreement of several bundles on the same faces of split test, with what each costs."""
    parts = []
    for name, each in bundles.items():
        said, _ = measure(each, on._replace(fit=None, acts=()), conditions=())
        faces = on.stills.faces if on.clips is None else pd.concat([on.stills.faces, on.clips.faces])
        scored = join(faces[faces["split"] == "test"], said)
        graphs = [each.files[file] for file in (each.manifest.backbone.file, each.manifest.head.file)]
        costs = {
            "bundle": name,
            "crop_px": each.manifest.crop.size,
            "kb": round(sum(map(len, graphs)) / 1024),
            "mmac": round(sum(map(count_macs, graphs)) / 1e6, 1),
        }
        parts.append(agreement.by_set(scored[scored["answer"] == "stream"]).assign(**costs))
    return pd.concat(parts, ignore_index=True)


def parse_beside(texts: list[str]) -> dict[str, Path]:
    """Takes NAME=PATH apart.

    Raises:
        DataError: one is not of that form, or a name comes twice.
    """
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise DataError(f"--beside {text}: must be NAME=PATH, for instance nano=out/nano")
        if name in found:
            raise DataError(f"--beside {text}: another bundle is called {name} already")
        found[name] = Path(path)
    return found
