"""Keras networks as ONNX graphs with the device's tensor names. Runs in the converter's own process."""

from __future__ import annotations

from typing import Any

import onnx
import tf2onnx

from convert.networks.backbone import build_backbone
from convert.networks.keras_runtime import tf
from convert.networks.lstm_head import LstmHead
from convert.train.recipe import Recipe

OPSET = 17  # the newest that tf2onnx 1.17 was tested with here, and that JetPack 6's TensorRT reads


def to_onnx(recipe: Recipe, backbone: list[Any], head: list[Any], *, blendshapes: int) -> dict[str, bytes]:
    """Both networks, float32: `backbone.onnx` of batch 1, and `head.onnx`, one step with any number of faces.

    Args:
        recipe: of the networks.
        backbone, head: their weights, in Keras's order.
        blendshapes: length of the auxiliary output, which is left out.
    """
    network = build_backbone(recipe.backbone, blendshapes=blendshapes)
    network.set_weights(backbone)
    size, length, units = recipe.backbone.size, recipe.backbone.embedding, recipe.head.units
    step = LstmHead(length, recipe.head)
    step.set_weights(head)

    @tf.function  # type: ignore[untyped-decorator]
    def look(image: Any) -> dict[str, Any]:
        out = network(image, training=False)
        return {"embedding": tf.identity(out["embedding"]), "va": tf.identity(out["va"])}

    @tf.function  # type: ignore[untyped-decorator]
    def remember(embedding: Any, h: Any, c: Any) -> dict[str, Any]:
        va, next_h, next_c = step.step(embedding, h, c)
        return {"va": tf.clip_by_value(va, -1.0, 1.0), "next_h": next_h, "next_c": next_c}

    def spec(name: str, *shape: int | None) -> Any:
        return tf.TensorSpec(shape, tf.float32, name=name)

    faces = (spec("embedding", None, length), spec("h", None, units), spec("c", None, units))
    return {
        "backbone.onnx": _convert(look, (spec("image", 1, size, size, 3),)),
        "head.onnx": _convert(remember, faces),
    }


def _convert(function: Any, signature: tuple[Any, ...]) -> bytes:
    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
