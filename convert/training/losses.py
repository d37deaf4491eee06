"""Losses on valence and arousal."""

from __future__ import annotations

from typing import Any

from convert.keras_runtime import tf


def ccc_loss(target: Any, answer: Any, weight: Any = None) -> Any:
    """1 − CCC of each column, averaged over columns; over the rows of a batch.

    Args:
        target, answer: float32 (B, 2).
        weight: float32 (B,) of the rows, or None for equal ones.
    """
    if weight is None:
        weight = tf.ones(tf.shape(target)[:1])
    weight = (weight / (tf.reduce_sum(weight) + 1e-6))[:, None]
    mean_t = tf.reduce_sum(weight * target, axis=0)
    mean_a = tf.reduce_sum(weight * answer, axis=0)
    off_t, off_a = target - mean_t, answer - mean_a
    joint = tf.reduce_sum(weight * off_t * off_a, axis=0)
    spread = tf.reduce_sum(weight * (off_t**2 + off_a**2), axis=0) + (mean_t - mean_a) ** 2
    return tf.reduce_mean(1 - 2 * joint / (spread + 1e-6))


def squared_loss(target: Any, answer: Any, weight: Any = None) -> Any:
    """Mean squared error over rows and columns, rows weighted as in `ccc_loss`."""
    squares = tf.reduce_mean((target - answer) ** 2, axis=-1)
    if weight is None:
        return tf.reduce_mean(squares)
    return tf.reduce_sum(weight * squares) / (tf.reduce_sum(weight) + 1e-6)
