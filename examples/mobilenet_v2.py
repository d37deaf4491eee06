"""A network of your own: MobileNetV2 (Sandler et al. 2018), from Keras's applications, without weights.

    python -m convert train --network examples.mobilenet_v2:build --out out/mobilenet

What a function has to take and give is written in `convert/networks/registry.py` and docs/networks.md. `quantize` and
`pack` find the network by the same name in the run's recipe.
"""

from __future__ import annotations

from typing import Any

import tf_keras  # Keras 2: what `import keras` finds is Keras 3, which cannot be quantized for the device


def build(input_size: int, width: float = 1.0) -> Any:
    """From pictures (B, S, S, 3) in -1..1 to a map of features (B, h, w, F).

    Args:
        input_size: side S of the picture, pixels.
        width: MobileNetV2's alpha, its channels relative to the full network's.
    """
    return tf_keras.applications.MobileNetV2(
        input_shape=(input_size, input_size, 3), alpha=width, include_top=False, weights=None
    )
