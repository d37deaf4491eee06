"""Losses on valence and arousal."""

from __future__ import annotations

from typing import Any

from convert.networks.keras_runtime import tf


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


def affect_loss(target: Any, answer: Any, weight: Any = None) -> Any:
    """What everything here is trained by: 1 − CCC and twice the squared error; arguments as of `ccc_loss`."""
    return ccc_loss(target, answer, weight) + 2 * squared_loss(target, answer, weight)


def covered_loss(target: Any, answer: Any, weight: Any, covered: Any) -> Any:
    """The same, apart for rows with a covered mouth and for the others.

    Together, an answer that stays in the middle wherever little can be seen costs the CCC of the others nothing; apart,
    what can be seen has to be used.

    Args:
        target, answer: float32 (B, 2).
        weight: float32 (B,) of the rows.
        covered: bool (B,).
    """
    apart = tf.cast(covered, weight.dtype)
    share = tf.reduce_mean(apart)
    others = affect_loss(target, answer, weight * (1 - apart))
    return (1 - share) * others + share * affect_loss(target, answer, weight * apart)


def squared_loss(target: Any, answer: Any, weight: Any = None) -> Any:
    """Mean squared error over rows and columns, rows weighted as in `ccc_loss`."""
    squares = tf.reduce_mean((target - answer) ** 2, axis=-1)
    if weight is None:
        return tf.reduce_mean(squares)
    return tf.reduce_sum(weight * squares) / (tf.reduce_sum(weight) + 1e-6)
