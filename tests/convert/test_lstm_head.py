"""The exported step against whole sequences in Keras, and its clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convert.train.recipe import RECIPES, HeadRecipe
from convert.train.run import load_weights
from edge.model.engines.litert import LiteRtEngine

RECIPE = RECIPES["tiny"]
UNITS, LENGTH = RECIPE.head.units, RECIPE.backbone.embedding


@pytest.fixture(scope="module")
def engine(tiny_run: Path) -> LiteRtEngine:
    return LiteRtEngine((tiny_run / "head.tflite").read_bytes(), name="head.tflite")


def _zeros(faces: int) -> np.ndarray:
    return np.zeros((faces, UNITS), np.float32)


@pytest.mark.slow
def test_single_steps_equal_a_whole_keras_lstm_over_1000_steps(tiny_run: Path, engine: LiteRtEngine) -> None:
    from convert.networks.keras_runtime import keras
    from convert.networks.lstm_head import LstmHead

    head = LstmHead(LENGTH, RECIPE.head)
    head.set_weights(load_weights(tiny_run / "head.npz"))
    rng = np.random.default_rng(0)
    x = (head.center.numpy() + head.spread.numpy() * rng.normal(size=(2, 1000, LENGTH))).astype(np.float32)
    lstm = keras.layers.LSTM(UNITS, return_sequences=True)
    lstm.build((None, None, LENGTH))
    lstm.set_weights(head.cell.get_weights())
    standard = ((x - head.center.numpy()) / head.spread.numpy()).astype(np.float32)
    hidden = lstm(standard).numpy()
    va = np.clip((head.picture(standard) + head.memory(hidden)).numpy(), -1, 1)

    h, c = _zeros(2), _zeros(2)
    for t in range(1000):
        out = engine.invoke({"embedding": x[:, t], "h": h, "c": c})
        h, c = out["next_h"], out["next_c"]
        np.testing.assert_allclose(h, hidden[:, t], atol=1e-5)
        np.testing.assert_allclose(out["va"], va[:, t], atol=1e-5)


@pytest.mark.slow
def test_faces_in_one_call_do_not_touch_each_other(engine: LiteRtEngine) -> None:
    rng = np.random.default_rng(1)
    x, h, c = (rng.normal(size=(5, n)).astype(np.float32) for n in (LENGTH, UNITS, UNITS))
    together = engine.invoke({"embedding": x, "h": h, "c": c})
    for face in range(5):
        one = slice(face, face + 1)
        alone = engine.invoke({"embedding": x[one], "h": h[one], "c": c[one]})
        for name, values in alone.items():
            np.testing.assert_allclose(values, together[name][one], atol=1e-6)


@pytest.mark.slow
def test_the_cell_is_clipped_and_the_answer_cut(engine: LiteRtEngine) -> None:
    clip = RECIPE.head.cell_clip
    far = np.full((1, UNITS), 500, np.float32)
    out = engine.invoke({"embedding": np.full((1, LENGTH), 90, np.float32), "h": _zeros(1), "c": far})
    assert np.abs(out["next_c"]).max() <= clip
    assert out["next_c"].max() == pytest.approx(clip)
    assert np.abs(out["va"]).max() <= 1


@pytest.mark.parametrize("units", [8, 32])
@pytest.mark.slow
def test_an_untrained_head_is_an_average_that_begins_with_the_first_picture(units: int) -> None:
    from convert.networks.lstm_head import LstmHead

    rng = np.random.default_rng(3)
    embeddings = (0.5 * rng.normal(size=(4, 60, 6)) + 1).astype(np.float32)
    kernel, bias = rng.normal(0, 0.2, (6, 2)).astype(np.float32), np.array([0.1, -0.2], np.float32)
    frames = embeddings @ kernel + bias
    head = LstmHead(6, HeadRecipe(units=units))
    head.start_from(embeddings.reshape(-1, 6), kernel, bias)

    still = head(np.repeat(embeddings[:, :1], 60, axis=1)).numpy()
    np.testing.assert_allclose(still, np.repeat(frames[:, :1], 60, axis=1), atol=0.06)
    answers, rate = head(embeddings).numpy(), 0.3
    average = frames.copy()
    for step in range(1, 60):
        average[:, step] = rate * frames[:, step] + (1 - rate) * average[:, step - 1]
    np.testing.assert_allclose(answers[:, 15:], average[:, 15:], atol=0.06)
    assert np.abs(answers - frames)[:, 15:].mean() > 3 * np.abs(answers - average)[:, 15:].mean()


@pytest.mark.slow
def test_training_leaves_the_averages_averages() -> None:
    """A face that keeps still gets its frame answer, whatever the gates have learned."""
    from convert.networks.keras_runtime import keras, tf
    from convert.networks.lstm_head import LstmHead

    rng = np.random.default_rng(4)
    embeddings = rng.normal(size=(4, 30, 6)).astype(np.float32)
    kernel, bias = rng.normal(0, 0.1, (6, 2)).astype(np.float32), np.array([0.1, -0.2], np.float32)
    head = LstmHead(6, HeadRecipe(units=16))
    head.start_from(embeddings.reshape(-1, 6), kernel, bias)
    before = [weight.copy() for weight in head.get_weights()]
    optimizer = keras.optimizers.Adam(0.05)
    for _ in range(5):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((head(tf.constant(embeddings)) - rng.uniform(-1, 1, (4, 30, 2))) ** 2)
        optimizer.apply_gradients(
            zip(
                head.keep_averages(tape.gradient(loss, head.trainable_variables)), head.trainable_variables, strict=True
            )
        )
    assert any(np.abs(a - b).max() > 0.05 for a, b in zip(head.get_weights(), before, strict=True))
    head.keep_of_corrections(0)
    still = np.repeat(embeddings[:, :1], 120, axis=1)
    np.testing.assert_allclose(head(still).numpy()[:, -1], (embeddings @ kernel + bias)[:, 0], atol=0.02)
