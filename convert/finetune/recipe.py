"""Every number that decides what fine-tuning makes of a network and a few labelled pictures."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from convert.train.recipe import Count, Share

Unfreeze = Literal["all", "last", "head"]
Rate = Annotated[float, msgspec.Meta(gt=0)]
Penalty = Annotated[float, msgspec.Meta(ge=0)]


class FinetuneRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fine-tuning with little data.

    Attributes:
        unfreeze: what may move: `head` embedding and answer; `last` the last residual block too; `all` everything.
        epochs: at most.
        patience: epochs without a lower loss on the stopping part, after which it ends.
        learning_rate: of Adam; falls along a cosine.
        pull: of the squared distance to the starting weights in the loss (L2-SP; Li et al. 2018, "Explicit inductive
            bias for transfer learning with convolutional networks").
        rehearsal_share: old faces in an epoch, relative to the new ones, where the old data is at hand.
        judge_share, stop_share: of the new pictures, held back for the verdict and to stop by.
        head_stills, head_epochs: sequences and epochs of the head's refit.
    """

    seed: int = 20
    unfreeze: Unfreeze = "last"
    epochs: Count = 60
    patience: Count = 10
    batch: Count = 16
    learning_rate: Rate = 1e-4
    pull: Penalty = 0.01
    rehearsal_share: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    dropout: Share = 0.2
    judge_share: Share = 0.3
    stop_share: Share = 0.2
    head_stills: Count = 96
    head_epochs: Count = 3
