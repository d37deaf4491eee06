"""Runs the TFLite or ONNX converter on networks rebuilt from their weights. Started as a process of its own by
`export` and `onnx_export`: a converter can bring its Python down with it, and must not take a training along.

Usage: python -m convert.quantize.converter JOB.npz FOLDER
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from convert.networks.backbone import build_backbone
from convert.networks.keras_runtime import tf
from convert.networks.lstm_head import LstmHead
from convert.quantize.recipes import QuantizationRecipe
from convert.train.recipe import Recipe
from edge.affect.backbone import PIXEL_SCALE, PIXEL_ZERO


def main(job_path: str, out_folder: str) -> None:
    """Converts the job: `kind`, `recipe` and `way` (a quantization recipe) as JSON, weights `w0`, `w1`, …

    Args:
        job_path: the job, an `.npz`. For the backbone with `images`; for a head in integers with `embedding`, `h` and
            `c` to calibrate on; for ONNX with the head's weights as `head0`, `head1`, …
        out_folder: where the graphs are written: `backbone` and `float32`; `head`; or `backbone.onnx` and `head.onnx`.
    """
    with np.load(job_path, allow_pickle=False) as job:
        recipe = msgspec.json.decode(str(job["recipe"]).encode(), type=Recipe)
        way = msgspec.json.decode(str(job["way"]).encode(), type=QuantizationRecipe)
        weights = _numbered(job, "w")
        kind = str(job["kind"])
        if kind == "head":
            samples = {name: job[name] for name in ("embedding", "h", "c") if name in job.files}
            graphs = _convert_head(recipe, way, weights, samples)
        elif kind == "onnx":
            from convert.quantize.onnx_graphs import to_onnx

            graphs = to_onnx(recipe, weights, _numbered(job, "head"), blendshapes=int(job["blendshapes"]))
        else:
            graphs = _convert_backbone(recipe, way, weights, job["images"], int(job["blendshapes"]))
    for name, graph in graphs.items():
        (Path(out_folder) / name).write_bytes(graph)


def _numbered(job: Any, stem: str) -> list[Any]:
    count = sum(key.startswith(stem) and key[len(stem) :].isdigit() for key in job.files)
    return [job[f"{stem}{n}"] for n in range(count)]


def _convert_backbone(
    recipe: Recipe, way: QuantizationRecipe, weights: list[Any], images: Any, blendshapes: int
) -> dict[str, bytes]:
    model = build_backbone(recipe.backbone, blendshapes=blendshapes)
    model.set_weights(weights)
    graphs = _convert(model, _serve_images(recipe, lambda x: model(x, training=False)), {"float32": _keep_float})
    if way.training is not None:
        from convert.quantize.fake_quantization import fake_quantize

        tuned = fake_quantize(weights, recipe, images, way.training, blendshapes=blendshapes)
        serve = _serve_images(recipe, lambda x: dict(zip(("embedding", "va"), tuned(x, training=False), strict=True)))
        return graphs | _convert(tuned, serve, {"backbone": _make_int8})
    if way.backbone == "float32":
        return {"float32": graphs["float32"], "backbone": graphs["float32"]}
    by_kind: dict[str, Callable[[Any], None]] = {
        "int8": partial(_calibrate_int8, images=images),
        "float16": _make_float16,
    }
    configure = by_kind[way.backbone]
    return graphs | _convert(model, _serve_images(recipe, lambda x: model(x, training=False)), {"backbone": configure})


def _serve_images(recipe: Recipe, network: Callable[[Any], Any]) -> Any:
    size = recipe.backbone.size

    @tf.function(input_signature=[tf.TensorSpec((1, size, size, 3), tf.float32, name="image")])  # type: ignore[untyped-decorator]
    def serve(image: Any) -> dict[str, Any]:
        out = network(image)
        return {"embedding": out["embedding"], "va": out["va"]}

    return serve


def _calibrate_int8(converter: Any, images: Any) -> None:
    def representative() -> Iterator[dict[str, Any]]:
        for pixels in images:
            yield {"image": ((pixels.astype(np.float32) - PIXEL_ZERO) * PIXEL_SCALE).astype(np.float32)[None]}

    converter.representative_dataset = representative
    # Only with a representative data set: a graph with fake quantization brings its ranges along.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    _make_int8(converter)


def _make_int8(converter: Any) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    # Per-channel fully connected layers are refused by the Edge TPU's compiler (TensorFlow 2.21, 2026).
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True


def _make_float16(converter: Any) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _convert_head(
    recipe: Recipe, way: QuantizationRecipe, weights: list[Any], samples: Mapping[str, Any]
) -> dict[str, bytes]:
    head = LstmHead(recipe.backbone.embedding, recipe.head)
    head.set_weights(weights)
    units = recipe.head.units

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[
            tf.TensorSpec((None, recipe.backbone.embedding), tf.float32, name="embedding"),
            tf.TensorSpec((None, units), tf.float32, name="h"),
            tf.TensorSpec((None, units), tf.float32, name="c"),
        ]
    )
    def serve(embedding: Any, h: Any, c: Any) -> dict[str, Any]:
        va, next_h, next_c = head.step(embedding, h, c)
        return {"va": tf.clip_by_value(va, -1.0, 1.0), "next_h": next_h, "next_c": next_c}

    def make_integer(converter: Any) -> None:
        """Inputs and outputs stay float32, so that the device's tensors are the same; the state is rounded within."""
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            {name: values[n : n + 1] for name, values in samples.items()} for n in range(len(samples["h"]))
        )
        ops = tf.lite.OpsSet
        wide = ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [wide if way.head == "int16x8" else ops.TFLITE_BUILTINS_INT8]

    configure = {"float32": _keep_float, "float16": _make_float16}.get(way.head, make_integer)
    return _convert(head, serve, {"head": configure})


def _keep_float(converter: Any) -> None:
    """Leaves a converter as it is."""


def _convert(model: Any, serve: Any, kinds: Mapping[str, Callable[[Any], None]]) -> dict[str, bytes]:
    # Only a saved model's signature keeps the tensors' names.
    module = tf.Module()
    module.weights = model.weights  # not the model: saving one traces each of its layers, minutes for a deep one
    graphs = {}
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as folder:
        tf.saved_model.save(module, folder, signatures={"serving_default": serve})
        for kind, configure in kinds.items():
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            configure(converter)
            graphs[kind] = bytes(converter.convert())
    return graphs


if __name__ == "__main__":
    main(*sys.argv[1:])
