"""Runs the TFLite converter on a network rebuilt from its weights. Started as a process of its own by `export`:
the converter can bring its Python down with it, and must not take a training along.

Usage: python -m convert.quantization.converter JOB.npz FOLDER
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from convert.keras_runtime import tf
from convert.models.backbone import build_backbone
from convert.models.lstm_head import LstmHead
from convert.recipe import Recipe
from edge.affect.backbone import PIXEL_SCALE, PIXEL_ZERO


def main(job_path: str, out_folder: str) -> None:
    """Converts the job: `kind`, `recipe` as JSON, weights `w0`, `w1`, …, and for the backbone `images`.

    Args:
        job_path: the job, an `.npz`.
        out_folder: where `head.tflite`, or `int8.tflite` and `float32.tflite`, are written.
    """
    with np.load(job_path, allow_pickle=False) as job:
        recipe = msgspec.json.decode(str(job["recipe"]).encode(), type=Recipe)
        count = sum(key.startswith("w") and key[1:].isdigit() for key in job.files)
        weights = [job[f"w{n}"] for n in range(count)]
        if str(job["kind"]) == "head":
            graphs = _convert_head(recipe, weights)
        else:
            graphs = _convert_backbone(recipe, weights, job["images"], int(job["blendshapes"]))
    for name, graph in graphs.items():
        (Path(out_folder) / f"{name}.tflite").write_bytes(graph)


def _convert_backbone(recipe: Recipe, weights: list[Any], images: Any, blendshapes: int) -> dict[str, bytes]:
    model = build_backbone(recipe.backbone, blendshapes=blendshapes)
    model.set_weights(weights)
    size = recipe.backbone.size

    @tf.function(input_signature=[tf.TensorSpec((1, size, size, 3), tf.float32, name="image")])  # type: ignore[untyped-decorator]
    def serve(image: Any) -> dict[str, Any]:
        out = model(image, training=False)
        return {"embedding": out["embedding"], "va": out["va"]}

    def representative() -> Iterator[dict[str, Any]]:
        for pixels in images:
            yield {"image": ((pixels.astype(np.float32) - PIXEL_ZERO) * PIXEL_SCALE).astype(np.float32)[None]}

    def make_int8(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        # Per-channel fully connected layers are refused by the Edge TPU's compiler (TensorFlow 2.21, 2026).
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True

    return _convert(model, serve, {"int8": make_int8, "float32": _keep_float})


def _convert_head(recipe: Recipe, weights: list[Any]) -> dict[str, bytes]:
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

    return _convert(head, serve, {"head": _keep_float})


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
