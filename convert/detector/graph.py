"""Turns YuNet's ONNX file into one int8 TFLite graph that runs at every size whose sides are multiples of 32.

Started as a process of its own by `export`: a converter can bring its Python down with it.

Usage: python -m convert.detector.graph FILE.onnx PICTURES.npy OUT.tflite
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from convert.networks.keras_runtime import tf

STRIDES = (8, 16, 32)
# The published graph has four outputs a stride. Scores and geometry are computed together, each as one output.
_HEADS = {"logits": ("cls", "obj"), "shapes": ("bbox", "kps")}


def main(onnx_file: str, pictures_file: str, out_file: str) -> None:
    """Converts; the pictures to calibrate on are uint8 (N, H, W, 3), RGB, with sides that are multiples of 32."""
    pictures = np.load(pictures_file, allow_pickle=False)
    model = onnx.load(onnx_file)

    @tf.function(input_signature=[tf.TensorSpec((1, *pictures.shape[1:]), tf.float32, name="image")])  # type: ignore[untyped-decorator]
    def serve(image: Any) -> dict[str, Any]:
        return run(model.graph, image)

    def calibration() -> Iterator[dict[str, Any]]:
        for picture in pictures:
            yield {"image": picture[None].astype(np.float32)}

    with tempfile.TemporaryDirectory(prefix="affect-edge-") as folder:
        tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = calibration
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        Path(out_file).write_bytes(converter.convert())


def run(graph: Any, image: Any) -> dict[str, Any]:
    """Computes YuNet in TensorFlow.

    Args:
        graph: the ONNX graph.
        image: float32 (1, H, W, 3), RGB, 0–255.

    Returns:
        For each stride `logits_<stride>` (1, H / stride, W / stride, 2), of class and object, and `shapes_<stride>`
        (…, 14): box and landmarks as `edge.face.detector` decodes them.
    """
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = {output: node for node in graph.node for output in node.output}
    known: dict[str, Any] = {}

    def kernel(node: Any) -> tuple[Any, Any]:
        """Weights as (H, W, in, out) and bias; the network was trained on BGR, the device has RGB."""
        weight = weights[node.input[1]].transpose(2, 3, 1, 0)
        return (weight[:, :, ::-1] if node.input[0] == "input" else weight), weights[node.input[2]]

    def compute(name: str) -> Any:
        if name == "input":
            return image
        if name not in known:
            node = nodes[name]
            known[name] = _apply(node, [compute(each) for each in node.input if each not in weights], kernel)
        return known[name]

    found = {}
    for stride in STRIDES:
        for head, parts in _HEADS.items():
            # A part is a pointwise convolution of one common tensor, then a depthwise one.
            last = [_last_convolution(f"{part}_{stride}", nodes) for part in parts]
            first = [nodes[node.input[0]] for node in last]
            pointwise, depthwise = ([kernel(node) for node in each] for each in (first, last))
            inner = _convolve(compute(first[0].input[0]), *_join(pointwise, axis=3))
            found[f"{head}_{stride}"] = _depthwise(inner, *_join(depthwise, axis=3))
    return found


def _last_convolution(output: str, nodes: Mapping[str, Any]) -> Any:
    """What computes an output, before it is transposed, reshaped and squashed."""
    node = nodes[output]
    while node.op_type != "Conv":
        node = nodes[node.input[0]]
    return node


def _join(kernels: list[tuple[Any, Any]], axis: int) -> tuple[Any, Any]:
    return np.concatenate([weight for weight, _ in kernels], axis), np.concatenate([bias for _, bias in kernels])


def _apply(node: Any, values: list[Any], kernel: Any) -> Any:
    given = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    if node.op_type == "Conv":
        weight, bias = kernel(node)
        if given["group"] > 1:
            return _depthwise(values[0], weight, bias)
        return _convolve(values[0], weight, bias, stride=given["strides"][0], pad=given["pads"][0])
    if node.op_type == "Relu":
        return tf.nn.relu(values[0])
    if node.op_type == "MaxPool":
        return tf.nn.max_pool2d(values[0], 2, 2, "VALID")
    if node.op_type == "Add":
        return values[0] + values[1]
    if node.op_type == "Resize":  # to twice the size; TFLite's own operator would fix the size in the graph
        return tf.nn.depth_to_space(tf.concat([values[0]] * 4, axis=-1), 2)
    raise ValueError(f"{node.name}: an operator that YuNet has not")


def _convolve(x: Any, weight: Any, bias: Any, *, stride: int = 1, pad: int = 0) -> Any:
    if stride > 1:  # TensorFlow's own padding would be on one side only
        x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
    return tf.nn.conv2d(x, weight, stride, "VALID") + bias


def _depthwise(x: Any, weight: Any, bias: Any) -> Any:
    return tf.nn.depthwise_conv2d(x, weight.transpose(0, 1, 3, 2), [1, 1, 1, 1], "SAME") + bias


if __name__ == "__main__":
    main(*sys.argv[1:])
