"""Losses on valence and arousal, and Huber's on the auxiliary targets."""

from __future__ import annotations

from typing import Any

from convert.networks.keras_runtime import tf

_FEWEST = 4  # faces of one class in a batch: fewer have no agreement worth the name


def ccc_loss(target: Any, answer: Any, weight: Any = None) -> Any:
    """1 − CCC of each column over the rows of a batch, averaged over the columns; 1 where nothing has weight.

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


def affect_loss(target: Any, answer: Any, weight: Any = None) -> Any:
    """1 − CCC and twice the squared error; arguments as of `ccc_loss`."""
    return ccc_loss(target, answer, weight) + 2 * squared_loss(target, answer, weight)


def covered_loss(target: Any, answer: Any, weight: Any, covered: Any) -> Any:
    """`affect_loss`, apart for rows with a covered mouth and for the others, by their share of the batch.

    Together, an answer that stays in the middle wherever little can be seen would cost the CCC of the others nothing.

    Args:
        target, answer: float32 (B, 2).
        weight: float32 (B,) of the rows.
        covered: bool (B,).
    """
    apart = tf.cast(covered, weight.dtype)
    share = tf.reduce_mean(apart)
    others = affect_loss(target, answer, weight * (1 - apart))
    return (1 - share) * others + share * affect_loss(target, answer, weight * apart)


def within_loss(target: Any, answer: Any, weight: Any, classes: Any, count: int) -> Any:
    """1 − CCC within each class that has at least four rows, averaged over these classes; 0 where none has.

    Args:
        target, answer: float32 (B, 2).
        weight: float32 (B,) of the rows.
        classes: int32 (B,), −1 of a row without a class.
        count: how many classes there are.
    """
    total, taken = tf.constant(0.0), tf.constant(0.0)
    for number in range(count):
        member = tf.cast(classes == number, weight.dtype)
        enough = tf.cast(tf.reduce_sum(member) >= _FEWEST, weight.dtype)
        total += enough * ccc_loss(target, answer, weight * member)
        taken += enough
    return total / tf.maximum(taken, 1.0)


def huber_loss(error: Any, delta: float, known: Any) -> Any:
    """Mean over known rows and their columns of e² up to ±`delta`, and of a straight line of the same slope beyond.

    Args:
        error: float32 (B, K), finite.
        delta: where the parabola ends.
        known: float32 (B,), 0 of a row that has no target and 1 of the others.
    """
    size = tf.abs(error)
    inner = tf.minimum(size, delta)
    rows = tf.reduce_mean(inner * (2 * size - inner), axis=-1)
    return tf.reduce_sum(known * rows) / tf.maximum(tf.reduce_sum(known), 1.0)
