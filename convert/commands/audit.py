"""`audit`: what of a graph an Edge TPU will run, without an Edge TPU."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from convert.edgetpu.audit import EVERYTHING, NEWEST_RUNTIME, OLDEST_RUNTIME, Audit, Operator
from convert.edgetpu.audit import audit as audit_graph
from convert.errors import DataError
from edge.model.bundle import load_bundle

CpuOption = Annotated[
    list[str] | None,
    typer.Option("--cpu", help=f"An operator that is meant to stay on the CPU; `{EVERYTHING}` for a whole graph."),
]
RuntimeOption = Annotated[
    int,
    typer.Option("--runtime", min=OLDEST_RUNTIME, max=NEWEST_RUNTIME, help="Edge TPU runtime on the device."),
]


def audit(
    graph: Annotated[Path, typer.Argument(help="A .tflite file, or a bundle: then its backbone.")],
    cpu: CpuOption = None,
    runtime: RuntimeOption = NEWEST_RUNTIME,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Says for each operator whether the Edge TPU's published rules allow it, why not, and what stays on the CPU.

    A prediction: `python -m convert compile` asks the compiler itself. Exit code 1 if something would stay on the CPU
    that was not meant to.

    Example: python -m convert audit out/default/backbone.tflite
    """
    name, model = read_graph(graph)
    found = audit_graph(model, name, runtime=runtime)
    unplanned = found.unplanned(cpu or ())
    if as_json:
        print(json.dumps(record(found, unplanned), indent=2))
    else:
        show(found, name)
        if graph.is_dir() or graph.suffix == ".zip":
            print("The bundle's head stays on the CPU by design: one float32 step for all faces.")
    if unplanned:
        raise typer.Exit(1)


def read_graph(path: Path) -> tuple[str, bytes]:
    """A graph's name and bytes: of a `.tflite` file, or of a bundle's backbone.

    Raises:
        DataError: there is no such file.
        BundleError: the bundle is broken.
    """
    if path.is_dir() or path.suffix == ".zip":
        bundle = load_bundle(path)
        return bundle.manifest.backbone.file, bundle.files[bundle.manifest.backbone.file]
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def record(found: Audit, unplanned: Sequence[Operator]) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "operators": [
            {{"name": "operator", "order": "index"}.get(key, key): value for key, value in each._asdict().items()}
            for each in found.operators
        ],
        "rejected": found.rejected,
        "mapped": len(found.mapped),
        "unplanned_on_cpu": len(unplanned),
        "parameter_bytes": found.parameter_bytes,
        "peak_activation_bytes": found.peak_activation_bytes,
        "streamed_bytes": found.streamed_bytes,
    }


def show(found: Audit, name: str) -> None:
    """Prints the operators as a table, and the summary."""
    print(f"{'#':>4} {'operator':<24} {'v':>2} {'output':<16} {'weights KiB':>11} {'in+out KiB':>10}  place")
    for each in found.operators:
        place = {"tpu": "Edge TPU", "cpu": "CPU: " + ", ".join(each.reasons), "after": "CPU: behind the above"}[
            each.place
        ]
        if found.rejected and each.place == "after":
            place = "CPU: the graph is not taken"
        sizes = f"{each.parameter_bytes / 1024:>11.1f} {each.activation_bytes / 1024:>10.1f}"
        shape = "×".join(map(str, each.shape))
        print(f"{each.order:>4} {each.name:<24} {each.version:>2} {shape:<16} {sizes}  {place}")
    for reason in found.rejected:
        print(f"The compiler will not take this graph: {reason}.")
    print(summary(found, name))


def summary(found: Audit, name: str) -> str:
    """One line on operators and memory."""
    sizes = (found.parameter_bytes, found.peak_activation_bytes, found.streamed_bytes)
    parameters, layer, streamed = (f"{count / 1024**2:.2f} MiB" for count in sizes)
    fit = f"about {streamed} sent anew for each picture" if found.streamed_bytes else "all on chip"
    where = f"{len(found.mapped)} of {len(found.operators)} operators on the Edge TPU"
    memory = f"; {parameters} of parameters, largest layer {layer}, {fit}" if found.mapped else ""
    return f"{name}: {where}{memory}."
