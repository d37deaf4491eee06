"""What `python -m benchmarks cluster` takes and says."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer


def cluster(
    system: Annotated[Path, typer.Option("--system", help="Root of a Debian 13 with rabbitmq-server.")],
    seconds: Annotated[float, typer.Option("--seconds", min=60, help="How long windows are sent.")] = 100.0,
    per_s: Annotated[int, typer.Option("--per-s", min=1, help="Windows a second.")] = 200,
    out: Annotated[Path | None, typer.Option("--out", help="The record, a .json file or a folder.")] = None,
) -> None:
    """Kills nodes of a RabbitMQ cluster of three under load and counts what arrives; `make cluster-check` runs it.

    1,000 simulated cameras, two store gateways (Mosquitto), three brokers and the collector share this machine. As
    root: the nodes run in a chroot.
    """
    from benchmarks.cluster.run import run_cluster
    from benchmarks.record import write_record
    from edge.errors import EdgeError

    begun_s = time.monotonic()

    def say(words: str) -> None:
        print(f"[{time.monotonic() - begun_s:6.0f} s] {words}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        record = run_cluster(system, Path(folder), seconds=seconds, per_s=per_s, say=say)
    if out is not None:
        say(f"record: {write_record(record, out)}")
    if record.account.lost or record.account.double:
        raise EdgeError(f"cluster: {record.account.lost} windows are lost, {record.account.double} are double")
