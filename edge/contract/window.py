"""The `Window` message: one interval of time and what all visits in it say together."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge.contract.origin import Count, Instant, Model, Part, Seconds, Share, Slug, TagKey, TagValue, Trust

Suppressed = Literal["min_visits", "closed", "camera"]


class Spread(Part, frozen=True, kw_only=True):
    """Mean and population standard deviation over visits, every visit weighing the same."""

    mean: Annotated[
        float,
        Meta(
            ge=-1,
            le=1,
            description="Mean over visits of each visit's time-weighted mean, -1 to 1, rounded to 0.01. "
            "A mean over people: it says nothing about one of them.",
        ),
    ]
    std: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Population standard deviation of the visits' means, rounded to 0.01. "
            "How far visits differ; not the error of the mean and not the model's own error.",
        ),
    ]


class Quadrants(Part, frozen=True, kw_only=True):
    """Share of visits by the signs of their means; 0 counts as positive and as high. Not emotion categories."""

    pos_high: Annotated[Share, Meta(description="Valence >= 0 and arousal >= 0, share of visits, 0 to 1.")]
    pos_low: Annotated[Share, Meta(description="Valence >= 0 and arousal < 0, share of visits, 0 to 1.")]
    neg_high: Annotated[Share, Meta(description="Valence < 0 and arousal >= 0, share of visits, 0 to 1.")]
    neg_low: Annotated[Share, Meta(description="Valence < 0 and arousal < 0, share of visits, 0 to 1.")]


class Window(Part, frozen=True, kw_only=True):
    """One interval of time and what all visits in it say together; never about one person."""

    schema: Annotated[Literal["affect/v1/window"], Meta(description="Which message this is, and its version.")]
    id: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9-]{1,32}/[0-9a-f]{8}/[0-9]{1,15}$",
            description="`<device>/<epoch>/<seq>`. Store by it: a message that comes twice then changes nothing.",
        ),
    ]
    seq: Annotated[
        int,
        Meta(
            ge=1,
            le=10**15 - 1,
            description="Running number within the epoch, from 1. A gap that stays means a lost window. Not the order "
            "of arrival: after an outage the newest window comes first. No gap does not mean that no time is missing: "
            "compare `start` with the `end` before it.",
        ),
    ]
    epoch: Annotated[
        str,
        Meta(pattern="^[0-9a-f]{8}$", description="Random, made with the device's outbox. It identifies no person."),
    ]
    site: Annotated[Slug, Meta(description="Configured name of the place, as in the topic.")]
    device: Annotated[Slug, Meta(description="Configured name of the device, as in the topic.")]
    tags: Annotated[
        dict[TagKey, TagValue],
        Meta(max_length=4, description="Up to four configured keys, to join windows to sales and experiments."),
    ]
    start: Annotated[Instant, Meta(description="Start of the interval, RFC 3339, UTC, inclusive.")]
    end: Annotated[Instant, Meta(description="End of the interval, RFC 3339, UTC, exclusive.")]
    tz: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            description="IANA time zone of the device, to turn `start` into local time. `start` itself stays UTC.",
        ),
    ]
    clock: Annotated[
        Trust, Meta(description="Whether the device's clock could be trusted. `unsynced`: do not join on `start`.")
    ]
    partial: Annotated[
        bool, Meta(description="Cut short by start, stop or restart: the counts cover less than the interval.")
    ]
    observed_s: Annotated[
        Seconds,
        Meta(
            description="Seconds of the interval in which the camera gave pictures, rounded to 0.1. Less than the "
            "interval: it was closed, or camera or device were down for the rest. 0: nothing was looked at."
        ),
    ]
    visits: Annotated[
        Count,
        Meta(
            description="Visits seen long enough to be scored in this interval. Not unique visitors: who returns "
            "counts again. Do not sum over windows: a visit that spans two windows counts in both."
        ),
    ]
    visits_begun: Annotated[
        Count,
        Meta(
            description="Visits that began in this interval, scored or not. May be summed over windows. "
            "Not unique visitors: who returns counts again."
        ),
    ]
    peak_simultaneous: Annotated[
        Count,
        Meta(description="Most faces in one frame. Not the number of people present: who looks away is not seen."),
    ]
    scored_s: Annotated[
        Seconds, Meta(description="Face-seconds scored, rounded to 0.1. Not attention and not dwell time.")
    ]
    unscored_visits: Annotated[
        Count,
        Meta(description="Visits seen, but too small, turned, blurred, dark or brief to score. Not part of `visits`."),
    ]
    valence: Annotated[
        Spread | None,
        Meta(
            description="How pleasant the expressions look. An expression is not a feeling: a smile may be "
            "politeness. Null when suppressed."
        ),
    ]
    arousal: Annotated[
        Spread | None,
        Meta(
            description="How activated the expressions look. An expression is not a feeling: wide eyes may be "
            "bright light. Null when suppressed."
        ),
    ]
    quadrants: Annotated[
        Quadrants | None,
        Meta(
            description="Share of visits by the signs of their mean valence and arousal; each rounded to 0.01, so "
            "the sum may miss 1. The share of visits, not of people. Null when suppressed."
        ),
    ]
    suppressed: Annotated[
        Suppressed | None,
        Meta(
            description="Why the scores are null: `min_visits`, too few visits to hide one among them; `closed`, "
            "outside opening hours; `camera`, the camera gave no pictures. Null: the scores are there. It does not "
            "mean that nobody was there."
        ),
    ]
    model: Annotated[Model, Meta(description="The model that made the scores.")]

    def __post_init__(self) -> None:
        scores = (self.valence, self.arousal, self.quadrants)
        if any((score is None) != (self.suppressed is not None) for score in scores):
            raise ValueError("`suppressed` says why scores are null: all of them are, or none and it is null")
        if self.start >= self.end:
            raise ValueError("`start` is before `end`")
