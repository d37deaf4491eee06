"""`evidence`: all that a run was measured on, as a page with pictures, a record, and the model card's part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from convert.commands.options import (
    DataOption,
    LandmarkerOption,
    TeacherOption,
    find_landmarker,
    obtain_teacher,
    open_studio,
)
from convert.errors import DataError
from convert.faces.collection import data_root
from convert.faces.imported import IMPORTED
from convert.predict.degradations import FRAME, Turner
from convert.predict.document import table_of_gains, write_card_part, write_page
from convert.predict.evaluation import Device
from convert.predict.gather import gather_gains, gather_sets
from convert.predict.groups import gather_groups, to_card, to_page
from convert.predict.other_skin import measure_other_skin, tell_finding, to_section
from convert.predict.robustness import Robustness, measure_robustness
from convert.predict.robustness_page import plot_robustness, to_markdown
from convert.predict.sizes import measure_sizes, parse_bundles
from convert.predict.sizes import to_markdown as sizes_to_markdown
from convert.progress import Progress
from convert.studio.show import write_sheet
from convert.studio.stage import Studio
from convert.teacher.landmarker import FaceLandmarker
from convert.train.material import Material
from convert.train.run import Run
from convert.train.stages import bundle_of, open_device
from edge.face.detector import YuNet
from edge.model.bundle import load_bundle
from edge.output_files import check_output

CARD_PART = "evidence.md"
_SHOWN = 20  # of the studio's frames on the sheet


def evidence(
    data: DataOption = Path("../shared/data"),
    run: Annotated[Path, typer.Option("--run", help="The run's folder.")] = Path("out/default"),
    page: Annotated[
        Path | None, typer.Option("--page", help="The page to write, pictures beside it; default RUN/docs/model.md.")
    ] = None,
    clips: Annotated[
        Path | None, typer.Option("--clips", help="Folder of videos of people; default clips/ beside the data sets.")
    ] = None,
    bundle: Annotated[
        list[str] | None, typer.Option("--bundle", help="A bundle of another size beside it, NAME=PATH; repeatable.")
    ] = None,
    teacher: TeacherOption = None,
    landmarker: LandmarkerOption = None,
) -> None:
    """Measures a trained run: every validation set, the teacher beside it, disturbances, groups, and the head.

    Writes the page (docs/model.md) with its pictures, and `evidence.md` in the run's folder, which `pack` puts into the
    model card. Takes some minutes; the clips are only measured on, and skipped where there are none.

    Example: python -m convert evidence --run out/default --page docs/model.md

    Beside other sizes: python -m convert evidence --bundle nano=out/nano/bundle --bundle plus=out/plus/bundle
    """
    check_output("--page", page, *run.glob("*"), *parse_bundles(bundle or []).values())
    folder = Run(run)
    recipe = folder.recipe()
    beside = {name: load_bundle(path) for name, path in parse_bundles(bundle or []).items()}
    target = page or folder.path("docs") / "model.md"
    pictures = target.parent / target.stem
    pictures.mkdir(parents=True, exist_ok=True)
    imported = folder.path(IMPORTED)
    labels = obtain_teacher(data, folder.path("teacher"), teacher, landmarker, recipe.seed, imported=imported)
    material = Material(data_root(data), labels, recipe)  # the page measures on the kit's own sets, whatever was added
    studio = open_studio(folder, recipe, material, data, landmarker)
    if studio is None or not recipe.studio.held or not recipe.studio.held_sequences:
        raise DataError(f"{run}: its recipe holds nothing of the studio out, so there is nothing to measure on")
    device = open_device(folder, recipe)
    teacher_graphs = FaceLandmarker(find_landmarker(data, landmarker))
    found = gather_sets(material, studio, device, recipe)
    gains, drift, real = gather_gains(studio, device, recipe, clips or data_root(data).parent / "clips", teacher_graphs)
    found = replace(found, gains=gains, drift=drift, sets=[*found.sets, *([real] if real is not None else [])])
    robustness = _spoil(material, studio, device, teacher_graphs)
    plot_robustness(robustness, pictures / "robustness.png")
    stills, va = studio.stills(held=True)
    write_sheet(pictures / "studio.jpg", stills[:_SHOWN], va[:_SHOWN])
    groups = gather_groups(material, device)
    skin = measure_other_skin(device, material.images, material.rated)
    sizes = measure_sizes({recipe.name: bundle_of(folder, recipe), **beside}, material.held, material.rated)
    ccc = folder.read_json("quantization.json", "quantize")["ccc"]
    target.write_text(
        write_page(
            found,
            name=recipe.name,
            pictures=pictures.name,
            quantization=ccc,
            sizes=sizes_to_markdown(sizes),
            robustness=to_markdown(robustness),
            fairness=f"{to_page(groups)}\n\n{to_section(skin)}",
        )
    )
    folder.path(CARD_PART).write_text(write_card_part(found, robustness, f"{to_card(groups)}\n\n{tell_finding(skin)}"))
    folder.write_json("robustness.json", robustness.record())
    print(table_of_gains(gains))
    Console().print(f"{target}\n{folder.path(CARD_PART)}")


def _spoil(material: Material, studio: Studio, device: Device, landmarker: FaceLandmarker) -> Robustness:
    detector = YuNet(size=FRAME)
    with Progress("robustness", len(material.held), every=30) as progress:
        return measure_robustness(
            material.held, device, detector, turner=Turner(studio.head, landmarker), advance=progress.advance
        )
