"""Adds ONNX graphs to a bundle: named in its manifest as alternatives, held to the golden vectors that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from convert.package.packing import seal
from convert.predict.evaluation import Device
from convert.quantize.onnx_export import OnnxGraphs
from convert.quantize.tensors import describe_backbone, describe_head
from edge.model.bundle import Alternative, Bundle
from edge.model.engines.choice import see_as
from edge.model.golden import compare

NEEDS = ">=1.12"  # the first that reads opset 17
HEAD_FILE = "head.onnx"
COMMANDS_FILE = "trtexec.sh"
_GUESS = 1.0
_HEADROOM = 2.0  # TensorRT chooses other kernels than the CPU
_LEAST = 0.03  # about four steps of the int8 grid, as the other runtimes have


class Addition(NamedTuple):
    """The bundle with its new graphs, and how far each is from the golden vectors on this machine's CPU."""

    bundle: Bundle
    differences: dict[str, dict[str, float]]


def add_onnx(bundle: Bundle, graphs: OnnxGraphs, *, first: str, version: int, created: str) -> Addition:
    """The same bundle with `onnx-fp16` and `onnx-int8` as further engines.

    Args:
        bundle: what to add to; graphs of an earlier addition are replaced.
        graphs: of the same networks.
        first: `fp16` or `int8`: which a device tries first.
        version: of the new bundle.
        created: day, YYYY-MM-DD.

    Raises:
        BundleError, EngineError: ONNX Runtime does not run them.
    """
    kinds = sorted(("fp16", "int8"), key=lambda kind: kind != first)
    added = {f"backbone-{kind}.onnx": getattr(graphs, kind) for kind in kinds} | {HEAD_FILE: graphs.head}
    head = describe_head(graphs.head, file=HEAD_FILE)
    engines = []
    differences: dict[str, dict[str, float]] = {}
    for kind in kinds:
        file = f"backbone-{kind}.onnx"
        engine = Alternative(
            name=f"onnx-{kind}",
            runtime="onnx",
            needs=NEEDS,
            backbone=describe_backbone(added[file], file=file),
            head=head,
            tolerance=_GUESS,
        )
        seen = see_as(Bundle(manifest=bundle.manifest, files={**bundle.files, **added}, sha256=bundle.sha256), engine)
        device = Device(seen, runtime="onnx")
        worst = differences[engine.name] = compare(seen, device.backbone.run, device.stream.run, "onnx")
        tolerance = round(max(_HEADROOM * max(worst.values()), _LEAST), 3)
        engines.append(msgspec.structs.replace(engine, tolerance=tolerance))
    added[COMMANDS_FILE] = write_commands(engines).encode()
    manifest = msgspec.structs.replace(bundle.manifest, engines=engines, version=version, created=created)
    return Addition(seal(manifest, {**bundle.files, **added}), differences)


def write_commands(engines: list[Alternative]) -> str:
    """A shell script that builds and times TensorRT engines on the board itself, where engines have to be built.

    The backbone's shape is fixed, and trtexec refuses shapes for such a graph (NVIDIA/TensorRT issue 2043, 2022); the
    head takes 1 to 16 faces. Engines go into another folder: a bundle's own may hold nothing that is not listed.
    """
    lines = [
        "#!/bin/sh",
        "# Builds TensorRT engines with JetPack's trtexec into FOLDER and times them: sh trtexec.sh FOLDER",
        "set -e",
        'to=$(realpath "${1:?give a folder for the engines}")',
        'mkdir -p "$to"',
        'cd "$(dirname "$0")"',
    ]
    precision: Mapping[str, str] = {"onnx-fp16": "--fp16", "onnx-int8": "--int8 --fp16"}
    for engine in engines:
        lines.append(_line(engine.backbone.file, precision[engine.name]))
    head = engines[0].head

    def shapes(faces: int) -> str:
        return ",".join(f"{tensor.name}:{faces}x{tensor.shape[-1]}" for tensor in (head.embedding, head.h, head.c))

    spans = " ".join(f"--{end}Shapes={shapes(faces)}" for end, faces in (("min", 1), ("opt", 1), ("max", 16)))
    lines.append(f"{_line(head.file, '')} {spans}")
    return "\n".join(lines) + "\n"


def _line(file: str, precision: str) -> str:
    return f'trtexec --onnx={file} --saveEngine="$to/{file.removesuffix(".onnx")}.engine" {precision}'.rstrip()
