"""`audit`: what of a graph an Edge TPU will run, without an Edge TPU."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from convert.edgetpu.audit import EVERYTHING, Audit, Verdict
from convert.edgetpu.audit import audit as audit_graph
from convert.edgetpu.rules import NEWEST_RUNTIME, OLDEST_RUNTIME
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


def record(found: Audit, unplanned: Sequence[Verdict]) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "operators": [
            {
                "subgraph": v.layer.subgraph,
                "index": v.layer.index,
                "operator": v.layer.operator,
                "version": v.layer.version,
                "place": v.place,
                "reasons": list(v.reasons),
                "parameter_bytes": v.parameter_bytes,
                "activation_bytes": v.activation_bytes,
            }
            for v in found.verdicts
        ],
        "rejected": list(found.rejected),
        "mapped": len(found.mapped),
        "unplanned_on_cpu": len(unplanned),
        "parameter_bytes": found.parameter_bytes,
        "peak_activation_bytes": found.peak_activation_bytes,
        "streamed_bytes": found.streamed_bytes,
    }


def show(found: Audit, name: str) -> None:
    """Prints the operators as a table, and the summary."""
    print(f"{'#':>4} {'operator':<24} {'v':>2} {'output':<16} {'weights KiB':>11} {'in+out KiB':>10}  place")
    for v in found.verdicts:
        shape = "×".join(map(str, v.layer.outputs[0].shape)) if v.layer.outputs else ""
        place = {"tpu": "Edge TPU", "cpu": "CPU: " + ", ".join(v.reasons), "after": "CPU: behind the above"}[v.place]
        if found.rejected and v.place == "after":
            place = "CPU: the graph is not taken"
        sizes = f"{v.parameter_bytes / 1024:>11.1f} {v.activation_bytes / 1024:>10.1f}"
        print(f"{v.layer.index:>4} {v.layer.operator:<24} {v.layer.version:>2} {shape:<16} {sizes}  {place}")
    for reason in found.rejected:
        print(f"The compiler will not take this graph: {reason}.")
    print(summary(found, name))


def summary(found: Audit, name: str) -> str:
    """One line on operators and memory."""
    parameters, layer, streamed = (
        f"{count / 1024**2:.2f} MiB"
        for count in (found.parameter_bytes, found.peak_activation_bytes, found.streamed_bytes)
    )
    fit = f"about {streamed} sent anew for each picture" if found.streamed_bytes else "all on chip"
    memory = f"{parameters} of parameters, largest layer {layer}"
    where = f"{len(found.mapped)} of {len(found.verdicts)} operators on the Edge TPU"
    return f"{name}: {where}" + (f"; {memory}, {fit}." if found.mapped else ".")
