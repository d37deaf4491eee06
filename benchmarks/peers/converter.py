"""Builds one of the peers' networks and converts it. Started as a process of its own by `graphs`: a converter can bring
its Python down with it.

Usage: python -m benchmarks.peers.converter NAME SIZE FOLDER
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.mobilefacenet import build_mobilefacenet
from convert.networks.keras_runtime import keras, seed_everything, tf

_OPSET = 17  # as the kit's own ONNX graphs
_ANSWERS = 10  # eight expressions, valence and arousal
_CALIBRATION = 4  # pictures; random weights have no ranges to be careful about


def main(name: str, size: int, folder: Path) -> None:
    """Writes `float32.onnx` and `int8.tflite`.

    Args:
        name: `efficientnet-b0` or `mobilefacenet`.
        size: side of the picture.
        folder: where to write.
    """
    seed_everything(0)
    (folder / "float32.onnx").write_bytes(_to_onnx(_build(name, size, for_int8=False)))
    (folder / "int8.tflite").write_bytes(_to_int8(_build(name, size, for_int8=True), size))


def _build(name: str, size: int, *, for_int8: bool) -> Any:
    if name == "mobilefacenet":
        return build_mobilefacenet(size, prelu=not for_int8)
    image = keras.Input((size, size, 3), batch_size=1, name="image")
    body = keras.applications.EfficientNetB0(include_top=False, weights=None, input_tensor=image, pooling="avg")
    return keras.Model(image, keras.layers.Dense(_ANSWERS, name="answers")(body.output))


def _to_onnx(network: Any) -> bytes:
    import tf2onnx

    signature = (tf.TensorSpec(network.inputs[0].shape, tf.float32, name="image"),)
    model, _ = tf2onnx.convert.from_keras(network, input_signature=signature, opset=_OPSET)
    return bytes(model.SerializeToString())


def _to_int8(network: Any, size: int) -> bytes:
    rng = np.random.default_rng(0)

    def representative() -> Iterator[list[Any]]:
        for _ in range(_CALIBRATION):
            # Exactly −1 to 1, so that the input's grid is the pixels' own, as with the kit's network.
            picture = rng.uniform(-1, 1, (1, size, size, 3)).astype(np.float32)
            picture[0, 0, 0], picture[0, 0, 1] = -1, 1
            yield [picture]

    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        network.export(scratch)
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
