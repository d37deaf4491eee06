"""`python -m convert`: from data to a bundle, and a bundle against data."""

from __future__ import annotations

import typer

from convert.command_line import run_verbs
from convert.commands import datasets, labels
from convert.commands.adapt import adapt
from convert.commands.audit import audit
from convert.commands.baselines import baselines
from convert.commands.compile_graph import compile_for_edge_tpu
from convert.commands.detector import detector
from convert.commands.evaluate import evaluate
from convert.commands.evidence import evidence
from convert.commands.field_trial import field_trial
from convert.commands.finetune import finetune
from convert.commands.ladder import ladder
from convert.commands.networks import networks
from convert.commands.onnx import onnx
from convert.commands.pack import pack
from convert.commands.quantize import quantize
from convert.commands.recipe import recipe
from convert.commands.sign import sign
from convert.commands.studio import studio
from convert.commands.teacher import teacher
from convert.commands.train import train
from convert.commands.verify import verify

app = typer.Typer(
    help="From data to a bundle: teacher, studio, train, quantize, evidence, pack, or recipe for all of it; "
    "datasets and labels are for data of your own, networks and baselines for comparison; "
    "ladder says what each conversion costs, onnx is for NVIDIA boards, audit and compile are for an Edge TPU, "
    "detector makes the face detector, sign signs a release, verify judges a bundle and evaluate scores it; finetune "
    "and adapt fit one to a place, or refuse to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
VERBS = (
    teacher,
    studio,
    train,
    quantize,
    evidence,
    pack,
    sign,
    recipe,
    ladder,
    onnx,
    verify,
    audit,
    evaluate,
    networks,
    baselines,
    finetune,
    adapt,
    field_trial,
    detector,
)
for verb in VERBS:
    app.command()(verb)
app.command("compile")(compile_for_edge_tpu)
app.add_typer(datasets.app, name="datasets")
app.add_typer(labels.app, name="labels")


def main() -> None:
    """Runs the verb; see `run_verbs`."""
    run_verbs(app, "convert")


if __name__ == "__main__":
    main()
