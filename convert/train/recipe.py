"""Recipes: every number that decides what a bundle becomes, by name. A run records the one it used."""

from __future__ import annotations

from typing import Annotated

import msgspec

from convert.errors import DataError

Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

LSTM_NETWORK = "lstm"  # trained on sequences, backbone and head together, instead of one after the other
NETWORK_TITLES = {  # any other name is a function of the user's own, and its own title
    "shallow": "shallow Inception-ResNet",
    "deep": "deep Inception-ResNet",
    LSTM_NETWORK: "Inception-ResNet with LSTM, trained end to end, shallow Inception-ResNet",
}


class FurtherTraining(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another training of the backbone, from the weights that the one before left.

    Attributes: as of `BackboneRecipe`.
    """

    epochs: Count = 30
    learning_rate: float = 1e-3
    covered: Share = 0.25
    own_share: Share = 0.0


class BackboneRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The backbone and its training.

    Attributes:
        network: `shallow`, `deep`, `lstm`, or a function of the user's own as `module:function`; see
            `convert.networks.registry`.
        size: side of the crop, pixels.
        width: channels relative to the full network's.
        embedding: length of the embedding.
        rater_share: of a label that both rater and teacher gave; the rest is the teacher's.
        blendshape_weight: of the auxiliary L1 loss.
        average: decay of the moving average of weights that is kept as the result.
        made_share: made faces that an epoch takes, relative to the data's own; another part of them each epoch.
        made_weight: of a made face in the loss; a face that a rater labelled weighs 1.
        unrated_weight: of a face of the data that only the teacher labelled.
        covered: share of each batch whose mouth is covered. These faces have a loss of their own, or the few that can
            be told nothing of would only teach the answer to stay in the middle.
        own_share: of a label that no rater gave, what the weights to start from answer to the undisturbed face; the
            rest is the teacher's. Nothing where training starts from random weights.
        further: trainings that follow, each a cosine of its own.
        grown: begins with the shipped bundle's weights (`convert/weights`) instead of random ones, each channel doubled
            where this network is twice as wide.
    """

    network: str = "shallow"
    size: Annotated[int, msgspec.Meta(ge=32, le=512)] = 112
    width: Annotated[float, msgspec.Meta(gt=0, le=2)] = 0.25
    embedding: Count = 128
    epochs: Count = 60
    batch: Count = 64
    learning_rate: float = 2e-3
    dropout: Share = 0.2
    rater_share: Share = 0.6
    blendshape_weight: float = 0.5
    average: Share = 0.998
    made_share: float = 1.5
    made_weight: Share = 0.5
    unrated_weight: Share = 0.7
    covered: Share = 0.0
    own_share: Share = 0.0
    further: tuple[FurtherTraining, ...] = ()
    grown: bool = False

    @property
    def own_labels(self) -> bool:
        """Whether the network has a say in labels in any of its trainings."""
        return self.own_share > 0 or any(training.own_share > 0 for training in self.further)


class StudioRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the expression studio makes; 0 of a kind leaves it out.

    Attributes:
        stills: re-enacted faces for the backbone.
        held: the same of held-out portraits, to measure on.
        sequences: re-enacted sequences for the head, as long as the head's `steps`.
        held_sequences: the same of held-out portraits, to measure on.
        takes: how often each sequence is photographed, under other disturbances.
    """

    stills: Annotated[int, msgspec.Meta(ge=0)] = 6000
    held: Annotated[int, msgspec.Meta(ge=0)] = 400
    sequences: Annotated[int, msgspec.Meta(ge=0)] = 360
    held_sequences: Annotated[int, msgspec.Meta(ge=0)] = 80
    takes: Count = 2


class HeadRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The LSTM step, its time grid and its training.

    Attributes:
        cell_clip: the cell stays within ± this, in the graph as in training.
        step_s, reset_s, warmup_steps: the time grid, as in the manifest.
        stills: sequences of faces that keep their expression, besides the studio's; `steps` each, of the grid.
        changing: sequences of portraits that change between the studio's stills of them.
        correction: share that is kept of what the memory has learned to add to the averages of frame answers; what is
            learned from some hundred acts holds for other faces only in part.
        truncate: steps that gradients flow back.
        reset_share: of sequences that start from a zero state; the others carry on.
    """

    units: Count = 32
    cell_clip: float = 8.0
    step_s: float = 0.1
    reset_s: float = 1.0
    warmup_steps: Count = 5
    stills: Count = 240
    changing: Annotated[int, msgspec.Meta(ge=0)] = 800
    correction: Share = 0.5
    steps: Count = 80
    truncate: Count = 20
    batch: Count = 32
    epochs: Count = 6
    learning_rate: float = 1e-3
    reset_share: Share = 0.5


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides what a bundle becomes, besides the data."""

    name: str
    seed: int = 20
    calibration: Count = 400
    studio: StudioRecipe = StudioRecipe()
    backbone: BackboneRecipe = BackboneRecipe()
    head: HeadRecipe = HeadRecipe()


_DEFAULT = BackboneRecipe(epochs=90, covered=0.25, further=2 * (FurtherTraining(own_share=0.5),))
_GROWN = BackboneRecipe(epochs=30, learning_rate=1e-3, covered=0.25, own_share=0.5, grown=True)
_NO_STUDIO = StudioRecipe(stills=0, held=0, sequences=0, held_sequences=0)
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="default", backbone=_DEFAULT),
        # The same for smaller boards and for larger ones.
        Recipe(name="nano", backbone=msgspec.structs.replace(_GROWN, size=96)),
        Recipe(name="plus", backbone=msgspec.structs.replace(_GROWN, width=0.5)),
        # With --start: from weights that know faces already to data of one's own.
        Recipe(name="finetune", studio=_NO_STUDIO, backbone=BackboneRecipe(epochs=25, learning_rate=3e-4)),
        # Proves the whole way in seconds; its answers mean nothing.
        Recipe(
            name="tiny",
            calibration=8,
            studio=_NO_STUDIO,
            backbone=BackboneRecipe(size=32, width=0.0625, embedding=8, epochs=1, batch=4),
            head=HeadRecipe(units=8, stills=4, steps=12, truncate=6, batch=2, epochs=1, warmup_steps=4),
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        DataError: there is none.
    """
    try:
        return RECIPES[name]
    except KeyError:
        raise DataError(f"{name}: no such recipe; there are {sorted(RECIPES)}") from None
