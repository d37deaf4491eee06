"""`compile`: the Edge TPU's compiler, and whether it did what the audit predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.commands.audit import CpuOption, RuntimeOption, read_graph
from convert.edgetpu.audit import NEWEST_RUNTIME, audit
from convert.edgetpu.compiler import compile_graph, disagreements
from convert.errors import CompilerError, DataError


def compile_for_edge_tpu(
    graph: Annotated[Path, typer.Argument(help="An int8 .tflite file.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the result; default: beside the file.")] = None,
    cpu: CpuOption = None,
    runtime: RuntimeOption = NEWEST_RUNTIME,
    timeout_s: Annotated[int, typer.Option("--timeout", min=1, help="Seconds to wait for the compiler.")] = 300,
) -> None:
    """Compiles a graph with edgetpu_compiler (x86-64 only), and names every difference from what `audit` predicts.

    Leaves NAME_edgetpu.tflite and the compiler's log. Exit code 1 if compiler and audit differ, or if something stays
    on the CPU that was not meant to; 5 if the compiler is not here or gives up.

    Example: python -m convert compile out/default/backbone.tflite --out out/edgetpu
    """
    if graph.suffix != ".tflite":
        raise DataError(f"{graph}: give a .tflite file, such as the bundle's backbone.tflite")
    name, model = read_graph(graph)
    predicted = audit(model, name, runtime=runtime)
    try:
        report = compile_graph(graph, out or graph.parent, runtime=runtime, timeout_s=timeout_s)
    except CompilerError as error:
        foreseen = predicted.rejected[0] if predicted.rejected else None
        view = f"the audit foresees it: {foreseen}" if foreseen else "the audit did not foresee it"
        raise CompilerError(f"{error}; {view}") from error
    for (operator, status), count in sorted(report.statuses.items()):
        print(f"{operator:<24} {count:>4}  {status}")
    print(f"{report.output}: compiler {report.version}")
    differing = disagreements(predicted, report)
    for line in differing:
        print(f"differs: {line}")
    if not differing:
        print("The compiler did what the audit predicted.")
    if differing or predicted.unplanned(cpu or ()):
        raise typer.Exit(1)
