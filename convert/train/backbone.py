"""The backbone as what the trainer trains: its loss on batches of augmented faces, and its agreement on dev."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from convert.metrics import TARGETS, ccc
from convert.networks.backbone import build_backbone
from convert.networks.keras_runtime import keras, seed_everything, tf
from convert.networks.layers import moving_layers
from convert.networks.widen import widen
from convert.train.batches import Batch, TrainingFaces, batches, draw_epoch
from convert.train.losses import covered_loss, huber_loss, within_loss
from convert.train.recipe import BackbonePhase, BackboneRecipe
from convert.train.targets import AUXILIARY, LANDMARK_SCALE, POINTS, spread_of
from convert.train.trainer import LOSS
from edge.affect.backbone import PIXEL_SCALE, PIXEL_ZERO
from edge.values import Float32Array, UInt8Array


class Dev(NamedTuple):
    """Faces that training is measured on as it goes; where a phase has patience, the first set says when to stop.

    Attributes:
        name: short, before the figures in the record; empty for the first.
        images: uint8 (N, S, S, 3), RGB, device crops.
        va: float32 (N, 2), −1..1.
    """

    name: str
    images: UInt8Array
    va: Float32Array


class BackboneLearner:
    """See `convert.train.trainer.Learner`.

    Args:
        recipe: of the network.
        phase: of the training.
        faces: to learn from.
        dev: to measure on.
        seed: of weights, order, augmentations and dropout.
        start: weights to begin with instead of random ones, of this network or of a narrower one.
        landmarks: kernel and bias of the landmarks' readout to begin with, likewise.

    Raises:
        TrainingError: `start` is of another network, or there is nothing to unfreeze.
    """

    def __init__(
        self,
        recipe: BackboneRecipe,
        phase: BackbonePhase,
        faces: TrainingFaces,
        dev: Sequence[Dev],
        *,
        seed: int,
        start: Sequence[Float32Array] | None = None,
        landmarks: Sequence[Float32Array] | None = None,
    ) -> None:
        seed_everything(seed)
        self._recipe, self._phase, self._faces, self._dev, self._seed = recipe, phase, faces, dev, seed
        self.model = build_backbone(recipe, blendshapes=len(AUXILIARY))
        if start is not None:
            self.model.set_weights(widen(start, self.model, seed))
        else:
            _begin_at_mean(self.model.get_layer("blendshapes"), faces.blendshapes)
        self._average = build_backbone(recipe, blendshapes=len(AUXILIARY))
        self._places = keras.layers.Dense(2 * len(POINTS), name="landmarks")
        self._places.build((None, recipe.embedding))
        if landmarks is not None:
            self._places.set_weights(landmarks)
        else:
            _begin_at_mean(self._places, faces.points.reshape(len(faces), -1))
        names = moving_layers(self.model, phase.layers)
        known = bool(np.isfinite(faces.blendshapes).all(axis=1).any())
        if known and phase.targets.blendshapes:
            names |= {"blendshapes"}
        self.trainable = [v for layer in self.model.layers if layer.name in names for v in layer.trainable_variables]
        self.extra = list(self._places.trainable_variables) if known and phase.targets.landmarks else []
        self.steps = len(draw_epoch(faces, phase, seed, 0)) // phase.batch
        self._body = keras.Model(self.model.input, self.model.get_layer("embedding").input)
        self._anchors = [tf.constant(variable.numpy()) for variable in self.trainable]
        self._spread = tf.constant(spread_of(faces.blendshapes))
        self._classes = int(faces.expression.max(initial=-1)) + 1

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The faces of an epoch."""
        return batches(self._faces, self._phase, size=self._recipe.size, seed=self._seed, epoch=epoch)

    def loss(
        self,
        update: Any,
        images: Any,
        va: Any,
        weight: Any,
        expression: Any,
        blendshapes: Any,
        points: Any,
        known: Any,
        covered: Any,
    ) -> Any:
        """The weighted sum of the phase's targets; arguments as in `Batch`."""
        phase, targets = self._phase, self._phase.targets
        embed, read_va, read_shapes = (self.model.get_layer(name) for name in ("embedding", "va", "blendshapes"))
        features = self._body(normalize(images), training=phase.layers == "all")
        # Not Keras's dropout: the state of its generator cannot be saved, so a resumed run would draw other masks.
        mask = tf.stack([tf.constant(self._seed, tf.int64), tf.cast(update, tf.int64)])
        features = tf.nn.experimental.stateless_dropout(features, phase.dropout, mask, rng_alg="philox")
        embedding = embed(features)
        answers = tf.split(read_va(embedding), 2) if targets.consistency else [read_va(embedding)]
        loss = 0.0
        for answer in answers:
            loss += targets.va / len(answers) * covered_loss(va, answer, weight, covered)
            if targets.within:
                within = within_loss(va, answer, weight, expression, self._classes)
                loss += targets.within / len(answers) * within
        if targets.consistency:
            loss += targets.consistency * tf.reduce_mean((answers[0] - answers[1]) ** 2)
        first = embedding[: tf.shape(va)[0]]
        if targets.blendshapes:
            loss += targets.blendshapes * huber_loss((read_shapes(first) - blendshapes) / self._spread, 2.0, known)
        if targets.landmarks:
            loss += targets.landmarks * huber_loss(LANDMARK_SCALE * (self._places(first) - points), 1.0, known)
        if phase.pull:
            away = zip(self.trainable, self._anchors, strict=True)
            loss += phase.pull * tf.add_n([tf.reduce_sum((variable - anchor) ** 2) for variable, anchor in away])
        return loss

    def gradients(self, gradients: Sequence[Any]) -> Sequence[Any]:
        """As they are."""
        return gradients

    def measure(self, weights: Sequence[Float32Array]) -> dict[str, float]:
        """CCC on each dev set, and of the first, with its mirror images, the loss."""
        self._average.set_weights(weights)
        record: dict[str, float] = {}
        for number, dev in enumerate(self._dev):
            va = run_backbone(self._average, dev.images)["va"]
            for t, target in enumerate(TARGETS):
                record["_".join(filter(None, (dev.name, target, "ccc")))] = ccc(dev.va[:, t], va[:, t])
            if number == 0:
                mirrored = run_backbone(self._average, np.ascontiguousarray(dev.images[:, :, ::-1]))["va"]
                record[LOSS] = dev_loss(np.concatenate([dev.va, dev.va]), np.concatenate([va, mirrored]))
        return record

    def landmarks(self) -> list[Float32Array]:
        """Kernel (D, 2 L) and bias (2 L,) of the landmarks' readout; it is never exported."""
        return [np.asarray(weight) for weight in self._places.get_weights()]


def _begin_at_mean(layer: Any, targets: Float32Array) -> None:
    """Sets a readout to answer the mean of its known targets (N, K), or 0 where none is known."""
    kernel, bias = layer.get_weights()
    known = targets[np.isfinite(targets).all(axis=1)]
    layer.set_weights([np.zeros_like(kernel), known.mean(axis=0) if len(known) else np.zeros_like(bias)])


def dev_loss(rated: Float32Array, answers: Float32Array) -> float:
    """The training's loss on a whole set: 1 − CCC, averaged over the targets, and twice the mean squared error."""
    agreement = np.mean([ccc(rated[:, t], answers[:, t]) for t in range(len(TARGETS))])
    return float(1 - agreement + 2 * np.mean((rated - answers) ** 2))


def run_backbone(model: Any, images: UInt8Array) -> dict[str, Float32Array]:
    """The model's outputs for uint8 (N, S, S, 3) RGB crops, without training noise."""
    outs = [model(normalize(tf.constant(images[at : at + 64])), training=False) for at in range(0, len(images), 64)]
    return {key: np.concatenate([out[key].numpy() for out in outs]) for key in outs[0]}


def normalize(images: Any) -> Any:
    """uint8 pixels to what the network sees; the device's int8 input holds the same values without loss."""
    return (tf.cast(images, tf.float32) - float(PIXEL_ZERO)) * PIXEL_SCALE


def fit_embedding(
    weights: Sequence[Float32Array], landmarks: Sequence[Float32Array], images: UInt8Array, recipe: BackboneRecipe
) -> tuple[list[Float32Array], list[Float32Array]]:
    """Scales the embedding to span about −1..1 without changing any answer; returns both readouts' new weights.

    So one step of its int8 grid is as fine as one of `va`, and one golden tolerance fits both.

    Args:
        weights: of the network.
        landmarks: kernel and bias of the landmarks' readout.
        images: uint8 (N, S, S, 3), RGB; their largest value becomes 1.
        recipe: of the network.
    """
    model = _model(weights, recipe)
    largest = float(np.abs(run_backbone(model, images)["embedding"]).max())
    for name in ("embedding", "va", "blendshapes"):
        layer = model.get_layer(name)
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel / largest, bias / largest] if name == "embedding" else [kernel * largest, bias])
    kernel, bias = landmarks
    return [np.asarray(weight, np.float32) for weight in model.get_weights()], [kernel * np.float32(largest), bias]


def readout(
    weights: Sequence[Float32Array], recipe: BackboneRecipe, layer: str = "va"
) -> tuple[Float32Array, Float32Array]:
    """Kernel (D, K) and bias (K,) of the layer `va` or `blendshapes`, on the raw embedding."""
    kernel, bias = _model(weights, recipe).get_layer(layer).get_weights()
    return kernel, bias


def _model(weights: Sequence[Float32Array], recipe: BackboneRecipe) -> Any:
    model = build_backbone(recipe, blendshapes=len(AUXILIARY))
    model.set_weights(list(weights))
    return model
