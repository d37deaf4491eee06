"""Ends that a pipeline needs and a measurement does not: a camera that gives nothing, a sink that keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator

from edge.values import Frame, HealthReport, WindowAggregate


class NoCamera:
    """A `Camera` without a frame."""

    dropped = 0
    failed = 0
    ended = True
    length: int | None = 0

    def frames(self) -> Iterator[Frame]:
        """See `Camera.frames`."""
        return iter(())

    def close(self) -> None:
        """See `Camera.close`."""

    def __enter__(self) -> NoCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class NoSink:
    """A `Sink` that forgets."""

    def publish(self, aggregate: WindowAggregate) -> None:
        """See `Sink.publish`."""

    def report(self, health: HealthReport) -> None:
        """See `Sink.report`."""

    def close(self, timeout_s: float = 5.0) -> None:
        """See `Sink.close`."""
