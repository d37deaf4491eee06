"""The one place that imports TensorFlow: with Keras 2 (tf_keras), which its quantization tools still need, and quiet.

Everything that trains or converts imports `tf` and `keras` from here; nothing that evaluates does.
"""

from __future__ import annotations

import os
from typing import Any

from convert.errors import TrainingError

# Both are read when TensorFlow is first imported.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

try:
    import tensorflow
    import tf_keras
except ImportError as error:
    raise TrainingError(
        f"TensorFlow is not installed here ({error}); install the `convert` dependency group"
    ) from error

tf: Any = tensorflow
keras: Any = tf_keras
tf.get_logger().setLevel("ERROR")


def seed_everything(seed: int) -> None:
    """Makes a run repeat itself on the same machine: seeds and deterministic kernels."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
