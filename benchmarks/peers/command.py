"""`python -m benchmarks peers`: the kit beside what people use today."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmarks.record import Figure

_SHOWN = 64  # faces, in turn
_CALLS = 8


def peers(
    data: Annotated[Path, typer.Option("--data", help="Folder of the data sets.")] = Path("../shared/data"),
    models: Annotated[
        Path | None,
        typer.Option("--models", help="Folder of face_landmarker.task and YuNet; default: models/ beside the data."),
    ] = None,
    bundle: Annotated[
        list[Path] | None, typer.Option("--bundle", help="Bundles to measure, the shipped one first; default: all.")
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=6, help="Rounds in which everyone takes a turn.")] = 30,
    device_name: Annotated[str, typer.Option("--device-name", help="Call this machine so.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write the result here, a file or a folder.")] = None,
) -> None:
    """Times the kit and its peers on the same faces and frames, in turn, on one thread, and says both ratios.

    MediaPipe's Face Landmarker with trees, EfficientNet-B0, MobileFaceNet and YuNet: against how people run them, and
    at equal engine and precision. Accuracy stands beside time where the weights are more than random. Needs the
    `convert` dependency group and the pictures; the first run converts networks and takes some minutes.

    Example: python -m benchmarks peers --data ../shared/data --out benchmarks/reference/x86-64

    With other sizes: python -m benchmarks peers --bundle edge/bundles/default --bundle out/nano/bundle
    """
    import numpy as np
    from rich.table import Table

    from benchmarks.peers.graphs import CACHE
    from benchmarks.peers.kit import enter_bundles, enter_forms, shipped_bundles
    from benchmarks.peers.measure import describe_packages, measure_peers
    from benchmarks.peers.others import DRAWN, enter_detectors, enter_landmarker, enter_networks, read_labelled
    from benchmarks.peers.result import Peers
    from benchmarks.record import describe_origin, read_load, write_record
    from benchmarks.screen import open_screen
    from convert.errors import DataError
    from convert.faces.finder import FaceFinder
    from convert.faces.kit import data_root, kit_faces
    from convert.faces.pictures import find_faces
    from convert.package.trained import read_trained
    from convert.progress import Progress
    from convert.teacher.landmarker import FaceLandmarker
    from convert.teacher.trees import fit_teacher
    from edge.affect.network import prepare_model
    from edge.cli.bench.result import describe_bundle
    from edge.config import EngineConfig
    from edge.model.bundle import load_bundle
    from edge.output_files import check_output

    check_output("--out", out, *bundle or ())
    load_before = read_load()
    files = models or data_root(data).parent / "models"
    task = files / "face_landmarker.task"
    trained = read_trained(None, None, None, "default")
    folder = CACHE / "pictures"
    found_faces, seen, _ = find_faces(kit_faces(data), FaceFinder(), FaceLandmarker(task), folder)
    taught = fit_teacher(found_faces, seen, seed=trained.recipe.seed)
    with Progress("getting ready", 5, every=1) as progress:
        dev = (found_faces["split"].eq("dev") & found_faces["source"].eq("diffusionfer")).to_numpy()
        if not dev.any():
            raise DataError(f"{data}: has no dev faces with ratings, which are what is shown")
        progress.advance()
        held = [read_labelled(row) for row in found_faces[dev].itertuples()]
        faces, rated = held[:_SHOWN], np.array([face.rated for face in held], np.float32)
        said = taught.predict(seen.blendshapes[dev], seen.rotation[dev])
        bundles = bundle or shipped_bundles()
        kit = enter_bundles(bundles, faces, held, rated)
        progress.advance()
        kit += enter_forms(trained, faces)
        progress.advance()
        others = enter_networks(faces, equal=kit[0].key)
        progress.advance()
        others += enter_landmarker(task, taught, faces, said, rated)
        detectors = enter_detectors(files / "face_detection_yunet_2023mar.onnx")
        progress.advance()
    with Progress("rounds", rounds, every=5) as progress:
        found = measure_peers([*kit, *others, *detectors], rounds=rounds, calls=_CALLS, advance=progress.advance)
    record = Peers(
        **describe_origin(device_name, load_before=load_before),
        bundle=describe_bundle(prepare_model(load_bundle(bundles[0]), EngineConfig())),
        rounds=rounds,
        calls=_CALLS,
        faces=len(faces),
        frames=f"{DRAWN} drawn faces, 640 x 480",
        data=f"DiffusionFER-S, dev part, n = {len(held)}",
        packages=describe_packages(),
        peers=found,
    )
    console = open_screen()
    table = Table("contender", "engine", "precision", "ms", "× the kit as it ships", "× the kit at equal terms", "CCC")
    for peer in found:
        accuracy = " / ".join(f"{ccc.value:.2f}" for ccc in peer.ccc.values()) if peer.ccc else ""
        figures = (_cell(figure) for figure in (peer.ms, peer.to_kit, peer.to_equal))
        table.add_row(peer.name, peer.engine, peer.precision, *figures, accuracy)
    console.print(table)
    for note in record.notes:
        console.print(note)
    if out is not None:
        console.print(f"written to {write_record(record, out)}")


def _cell(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.value:.3g}\n[{figure.low:.3g}, {figure.high:.3g}]"
