"""`python -m benchmarks`: measurements that anyone can repeat; each prints what it ran on."""

from __future__ import annotations

import typer

from benchmarks.cluster.command import cluster
from benchmarks.collect.command import collect
from benchmarks.compare.command import compare
from benchmarks.detector.command import detector
from benchmarks.device.command import device
from benchmarks.egress.command import egress
from benchmarks.fleet.command import fleet
from benchmarks.floor.command import floor
from benchmarks.peers.command import peers
from benchmarks.privacy.command import privacy
from benchmarks.reference.command import reference
from benchmarks.report.command import report
from benchmarks.soak.command import soak
from benchmarks.studio.command import studio
from benchmarks.tracker.command import tracker
from benchmarks.turns.command import turns
from benchmarks.videos.command import videos
from convert.command_line import run_verbs

# One package a verb. What a verb needs is imported when it runs: no verb waits for another's packages.
VERBS = (
    cluster, collect, compare, detector, device, egress, fleet, floor, peers, privacy,
    reference, report, soak, studio, tracker, turns, videos,
)  # fmt: skip

app = typer.Typer(
    help="Measurements that anyone can repeat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """Measurements that anyone can repeat."""


for verb in VERBS:
    app.command()(verb)


def main() -> None:
    """Runs the verb; see `run_verbs`."""
    run_verbs(app, "benchmarks")


if __name__ == "__main__":
    main()
