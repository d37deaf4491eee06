"""`ladder`: what each conversion step costs, as one table, and the gate on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from convert.commands.options import (
    BundleOption,
    DataOption,
    FromRunOption,
    LandmarkerOption,
    PicturesOption,
    RecipeOption,
    WeightsOption,
    find_landmarker,
)
from convert.errors import DataError
from convert.faces.kit import kit_faces
from convert.ladder.record import STEPS, Ladder, Measurement, add_board, check, losses, read
from convert.metrics import TARGETS
from convert.package.trained import read_trained
from convert.predict.render import render
from convert.quantize.recipes import DEFAULT, find_quantization
from edge.output_files import check_output


def ladder(
    data: DataOption = Path("../shared/data"),
    bundle: BundleOption = None,
    run: FromRunOption = None,
    weights: WeightsOption = None,
    recipe: RecipeOption = "default",
    quantization: Annotated[str, typer.Option("--quantization", help="Recipe whose budget is the gate.")] = DEFAULT,
    budget: Annotated[float | None, typer.Option("--budget", help="CCC that may be lost, instead of its own.")] = None,
    write: Annotated[Path | None, typer.Option("--write", help="The page, .md; its record lies beside it.")] = None,
    add: Annotated[
        list[Path] | None, typer.Option("--add", help="What a board measured; add to --write's record.")
    ] = None,
    only_render: Annotated[bool, typer.Option("--render", help="Write the page anew from its record.")] = False,
    landmarker: LandmarkerOption = None,
    kept: PicturesOption = Path("out/pictures"),
) -> None:
    """Measures every step from the float network to the device, prints one table and fails on a loss above the budget.

    On rated faces of split dev. Needs the weights and the bundle; some minutes. With `--add` or `--render` nothing is
    measured: the record beside the page is read. Exit code 9: a step lost too much; the message says which.

    Example: python -m convert ladder --data ../shared/data --write docs/ladder.md

    A board's file: python -m convert ladder --add pi5.json --write docs/ladder.md
    """
    page = write or Path("docs/ladder.md")
    record = page.with_suffix(".json")
    if page == record:
        raise DataError(f"--write {page}: is the page, and its record lies beside it as .json; name it .md")
    for place in (page, record):
        check_output("--write", place, *add or (), bundle, weights)
    if add or only_render:
        found, write = read(record, Ladder), page
        measured = {path: read(path, Measurement) for path in add or []}
        faces = kit_faces(data).set_index("id")[list(TARGETS)] if measured else None
        for path, new in measured.items():
            ratings = {} if faces is None else dict(zip(faces.index, faces.itertuples(index=False), strict=True))
            found = add_board(found, new, ratings, str(path))
    else:
        way = find_quantization(quantization)
        if budget is not None:
            way = msgspec.structs.replace(way, budget_ccc=budget)
        # Only now, since importing TensorFlow takes a while.
        from convert.ladder.float_network import use_one_thread
        from convert.ladder.measure import measure
        from convert.predict.subjects import dev_crops, finder

        trained = read_trained(bundle, run, weights, recipe)
        use_one_thread()
        task = None if run is not None else find_landmarker(data, landmarker)
        images, rated, calibration, title = dev_crops(run, trained.recipe, data=data, find=finder(task, kept))
        found = measure(trained, images, rated, calibration, way, title)
    text = render_page(found, page)
    print("\n".join(line for line in text.splitlines() if line.startswith("|")))
    if write is not None:
        record.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        page.write_text(text, encoding="utf-8")
    check(found)


def render_page(found: Ladder, page: Path) -> str:
    """The page of a record."""

    def pair(result: object, answer: str, measure: str) -> str:
        scores = getattr(result, "scores", {}).get(answer)
        return " / ".join(f"{scores[target][measure]:.3f}" for target in TARGETS) if scores else "–"

    return render(
        "ladder.md.j2",
        ladder=found,
        steps=STEPS,
        losses=losses(found),
        pair=pair,
        json=page.with_suffix(".json").name,
        page=page.as_posix() if not page.is_absolute() else page.name,
    )
