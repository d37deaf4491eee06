"""`python -m convert`: from data to a bundle, and a bundle against data."""

from __future__ import annotations

import typer

from convert.command_line import run_verbs
from convert.commands import datasets, labels
from convert.commands.audit import audit
from convert.commands.baselines import baselines
from convert.commands.compile_graph import compile_for_edge_tpu
from convert.commands.detector import detector
from convert.commands.evaluate import evaluate
from convert.commands.fit import fit
from convert.commands.ladder import ladder
from convert.commands.networks import networks
from convert.commands.onnx import onnx
from convert.commands.pack import pack
from convert.commands.quantize import quantize
from convert.commands.report import report
from convert.commands.sign import sign
from convert.commands.studio import studio
from convert.commands.teacher import teacher
from convert.commands.test import run_test
from convert.commands.train import train
from convert.commands.verify import verify

app = typer.Typer(
    help="From your own labelled faces to a bundle: fit, test, pack. From the kit's data: train, report, pack; "
    "datasets and labels are for data of your own, networks and baselines for comparison; "
    "ladder says what each conversion costs, onnx is for NVIDIA boards, audit and compile are for an Edge TPU, "
    "detector makes the face detector, sign signs a release, verify judges a bundle and evaluate scores it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
VERBS = (
    teacher,
    studio,
    train,
    fit,
    quantize,
    report,
    pack,
    sign,
    ladder,
    onnx,
    verify,
    audit,
    evaluate,
    networks,
    baselines,
    detector,
)
for verb in VERBS:
    app.command()(verb)
app.command("test")(run_test)
app.command("compile")(compile_for_edge_tpu)
app.add_typer(datasets.app, name="datasets")
app.add_typer(labels.app, name="labels")


def main() -> None:
    """Runs the verb; see `run_verbs`."""
    run_verbs(app, "convert")


if __name__ == "__main__":
    main()
