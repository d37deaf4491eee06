"""Recipes: every number that decides what a bundle becomes, by name. A run records the one it used."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from convert.errors import find_named

Count = Annotated[int, msgspec.Meta(ge=1)]
Natural = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Weight = Annotated[float, msgspec.Meta(ge=0)]
Layers = Literal["all", "last", "answer"]
Pooling = Literal["mean", "places"]

NETWORK_TITLES = {  # any other name is a function of the user's own, and its own title
    "shallow": "shallow Inception-ResNet",
    "deep": "deep Inception-ResNet",
}


class _Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts of a recipe."""


class BackboneRecipe(_Struct, frozen=True, kw_only=True):
    """What the backbone is.

    Attributes:
        network: `shallow`, `deep`, or a function of the user's own as `module:function`.
        size: side of the crop, pixels.
        width: channels relative to the full network's.
        pooling: of the network's last map: its `mean`, as in the paper, or `places`: a 1 × 1 convolution, and then each
            cell of the map by itself, so that the embedding knows where in the face something is.
        embedding: length of the embedding.
    """

    network: str = "shallow"
    size: Annotated[int, msgspec.Meta(ge=32, le=512)] = 112
    width: Annotated[float, msgspec.Meta(gt=0, le=2)] = 0.25
    pooling: Pooling = "places"
    embedding: Count = 128


class HeadRecipe(_Struct, frozen=True, kw_only=True):
    """What the LSTM step is, its time grid, and the sequences it learns from.

    Attributes:
        cell_clip: the cell stays within ± this, in the graph as in training.
        step_s, reset_s, warmup_steps: the time grid, as in the manifest.
        steps: length of a sequence, steps of the grid.
        stills: sequences of faces that keep their expression.
        changing: sequences of portraits that change between the studio's stills of them.
        takes: how often each of the studio's acts is photographed, under other augmentations.
        mirror: every second step sees the face mirrored.
        correction: share that is kept of what the memory has learned to add to the averages of frame answers.
    """

    units: Count = 32
    cell_clip: Positive = 8.0
    step_s: Positive = 0.1
    reset_s: Positive = 1.0
    warmup_steps: Count = 5
    steps: Count = 80
    stills: Natural = 240
    changing: Natural = 800
    takes: Count = 2
    mirror: bool = True
    correction: Share = 0.5


class StudioRecipe(_Struct, frozen=True, kw_only=True):
    """What the expression studio makes; 0 of a kind leaves it out.

    Attributes:
        stills: re-enacted faces for the backbone.
        held: the same of portraits outside of training, to measure on.
        sequences: re-enacted sequences for the head, as long as the head's `steps`.
        held_sequences: the same of portraits outside of training, to measure on.
    """

    stills: Natural = 6000
    held: Natural = 400
    sequences: Natural = 360
    held_sequences: Natural = 80


class Labels(_Struct, frozen=True, kw_only=True):
    """Where a face's valence and arousal come from, and how much it weighs in the loss.

    Attributes:
        rating_share: of a label that a rater gave; the rest is the teacher's. Who was not rated has the teacher's.
        unrated: weight of a face that only the teacher labelled; a rated one has its rating's own weight.
        extra: weight of a studio's still that only the teacher labelled.
    """

    rating_share: Share = 1.0
    unrated: Weight = 0.5
    extra: Weight = 0.5


class Targets(_Struct, frozen=True, kw_only=True):
    """Weight of each part of the backbone's loss; 0 leaves it out.

    Attributes:
        va: 1 − CCC plus twice the squared error of valence and arousal.
        within: 1 − CCC within each expression class that a batch has enough of.
        blendshapes: the landmarker's blendshapes, in standard deviations of the training faces, Huber.
        landmarks: places of 72 points of the face, Huber.
        consistency: squared distance of the answers to two augmentations of one face. Doubles the time of a step.
    """

    va: Weight = 1.0
    within: Weight = 0.25
    blendshapes: Weight = 0.25
    landmarks: Weight = 0.5
    consistency: Weight = 0.0


class Phase(_Struct, frozen=True, kw_only=True):
    """What every training has.

    Attributes:
        name: of the phase, unique in a recipe: its checkpoints lie in a folder of that name.
        epochs: at most.
        batch: faces, or for the head sequences, a step.
        learning_rate: of Adam; rises during `warmup`, a share of all steps, and then falls along a cosine to 0.
        clipnorm: the gradient of each variable is cut to this norm.
        average: decay of the moving average of weights that is kept as the result.
        measure_every: epochs between two measurements on dev.
        patience: epochs without a lower loss on dev after which training ends, and the best epoch's weights are kept;
            the start counts as an epoch. 0: all epochs, and the last one's weights.
    """

    name: str
    epochs: Count
    batch: Count = 64
    learning_rate: Positive = 2e-3
    warmup: Share = 0.03
    clipnorm: Positive = 1.0
    average: Share = 0.998
    measure_every: Count = 5
    patience: Natural = 0


class BackbonePhase(Phase, frozen=True, kw_only=True, tag="backbone"):
    """A training of the backbone, from the weights that the phase before left.

    Attributes:
        layers: which may move: `all`, `last` (the last residual block, embedding and answer) or `answer` (the last
            two alone). With anything but `all`, normalization keeps its statistics.
        dropout: before the embedding.
        covered: share of each batch whose mouth is covered; these faces have a loss of their own.
        extra: the studio's stills, or in `fit` the kit's faces, that an epoch takes, relative to the other faces; other
            ones in each epoch.
        portraits: how often an epoch takes a picture as it is, against once for each still that was made of one.
        balance: share of an epoch's faces that is drawn by how rare their blendshapes are, not one after another.
        pull: weight of the squared distance to the weights that the phase began with.
    """

    layers: Layers = "all"
    dropout: Share = 0.2
    covered: Share = 0.25
    extra: Weight = 0.5
    portraits: Count = 1
    balance: Share = 0.0
    pull: Weight = 0.0
    labels: Labels = Labels()
    targets: Targets = Targets()


class HeadPhase(Phase, frozen=True, kw_only=True, tag="head"):
    """The training of the head, on what the int8 backbone makes of sequences.

    Attributes:
        truncate: steps that gradients flow back.
        reset_share: of sequences that start from a zero state; the others carry on.
        noise: added to the embedding, in its standard deviations: with less, the memory learns the training faces.
    """

    name: str = "head"
    epochs: Count = 6
    batch: Count = 32
    learning_rate: Positive = 1e-3
    average: Share = 0.99
    measure_every: Count = 1
    truncate: Count = 20
    reset_share: Share = 0.5
    noise: Weight = 0.5


class Recipe(_Struct, frozen=True, kw_only=True):
    """Everything that decides what a bundle becomes, besides the data.

    Attributes:
        start: weights that the first phase begins with: `random`, or `shipped`, those in `convert/weights`, each
            channel doubled where this network is twice as wide.
        calibration: crops that the int8 ranges are measured on.
        phases: trainings, in order; those of the backbone come before the head's.
    """

    name: str
    seed: int = 20
    start: Literal["random", "shipped"] = "random"
    calibration: Count = 400
    studio: StudioRecipe = StudioRecipe()
    backbone: BackboneRecipe = BackboneRecipe()
    head: HeadRecipe = HeadRecipe()
    phases: tuple[BackbonePhase | HeadPhase, ...] = (BackbonePhase(name="backbone", epochs=90), HeadPhase())

    @property
    def backbone_phases(self) -> list[BackbonePhase]:
        """The trainings of the backbone."""
        return [phase for phase in self.phases if isinstance(phase, BackbonePhase)]

    @property
    def head_phase(self) -> HeadPhase:
        """The training of the head."""
        return next((phase for phase in self.phases if isinstance(phase, HeadPhase)), HeadPhase())


_KIT = BackbonePhase(
    name="backbone",
    epochs=100,
    learning_rate=2e-3,
    extra=0.25,
    portraits=3,
    targets=Targets(landmarks=1.0),
)
_LATER = msgspec.structs.replace(_KIT, name="further", epochs=30, learning_rate=1e-3)
_NO_STUDIO = StudioRecipe(stills=0, held=0, sequences=0, held_sequences=0)
_FIT_TARGETS = Targets(within=0.0)
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="default", studio=StudioRecipe(stills=4000), phases=(_KIT, HeadPhase())),
        # The same for smaller boards and for larger ones.
        Recipe(name="nano", start="shipped", backbone=BackboneRecipe(size=96), phases=(_LATER, HeadPhase())),
        Recipe(name="plus", start="shipped", backbone=BackboneRecipe(width=0.5), phases=(_LATER, HeadPhase())),
        # One's own faces alone: from the shipped weights in small steps, or from random ones.
        Recipe(
            name="fit",
            start="shipped",
            studio=_NO_STUDIO,
            head=HeadRecipe(stills=96, changing=0, correction=1.0),
            phases=(
                BackbonePhase(
                    name="fit",
                    epochs=40,
                    batch=16,
                    learning_rate=3e-4,
                    average=0.99,
                    layers="last",
                    covered=0.0,
                    measure_every=1,
                    patience=10,
                    pull=0.01,
                    targets=_FIT_TARGETS,
                ),
                HeadPhase(epochs=3, batch=16, learning_rate=3e-4),
            ),
        ),
        Recipe(
            name="fit-random",
            studio=_NO_STUDIO,
            head=HeadRecipe(changing=0),
            phases=(
                BackbonePhase(
                    name="fit", epochs=80, batch=32, average=0.99, measure_every=2, patience=30, targets=_FIT_TARGETS
                ),
                HeadPhase(epochs=3, batch=16),
            ),
        ),
        # Proves the whole way in seconds; its answers mean nothing.
        Recipe(
            name="tiny",
            calibration=8,
            studio=_NO_STUDIO,
            backbone=BackboneRecipe(size=32, width=0.0625, embedding=8),
            head=HeadRecipe(units=8, stills=4, changing=0, steps=12, warmup_steps=4),
            phases=(
                BackbonePhase(name="backbone", epochs=1, batch=4),
                HeadPhase(epochs=1, batch=2, truncate=6),
            ),
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name; raises what `find_named` does."""
    return find_named(RECIPES, name, "recipe")


def change_epochs(recipe: Recipe, epochs: int | None, head: int | None = None) -> Recipe:
    """The recipe with other epochs in each phase of the backbone, and in the head's, where given."""
    by_part = {BackbonePhase: epochs, HeadPhase: head}
    phases = [msgspec.structs.replace(p, epochs=by_part[type(p)] or p.epochs) for p in recipe.phases]
    return msgspec.structs.replace(recipe, phases=tuple(phases))
