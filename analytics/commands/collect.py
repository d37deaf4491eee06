"""What `python -m analytics collect` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def collect(
    broker: Annotated[str, typer.Option("--broker", help="HOST:PORT; of a cluster, some of its nodes with commas.")],
    store: Annotated[str, typer.Option("--store", help="A DuckDB file, or postgresql://… for several collectors.")],
    client_id: Annotated[str, typer.Option("--client-id", help="Names the session that the broker keeps.")] = "",
    share: Annotated[
        str, typer.Option("--share", help="A group of collectors that divide the fleet, each with its own --client-id.")
    ] = "",
    tls: Annotated[bool, typer.Option("--tls", help="Use TLS with the authorities that this system trusts.")] = False,
    ca_file: Annotated[Path | None, typer.Option("--ca-file", help="Use TLS and trust this authority only.")] = None,
    cert_file: Annotated[Path | None, typer.Option("--cert-file", help="This client's certificate.")] = None,
    key_file: Annotated[Path | None, typer.Option("--key-file", help="Its key; chmod 600.")] = None,
    username: Annotated[str, typer.Option("--username", help="At the broker.")] = "",
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help="Holds the password; chmod 600.")
    ] = None,
    session_days: Annotated[
        float, typer.Option("--session-days", min=0.01, max=49_000, help="How long the broker keeps what waits.")
    ] = 30.0,
    keep_days: Annotated[
        float, typer.Option("--keep-days", min=0, help="Delete windows that ended longer ago; 0 keeps all.")
    ] = 0.0,
    lake: Annotated[
        Path | None, typer.Option("--lake", help="Export to this Parquet lake each hour, and at the end.")
    ] = None,
    metrics_port: Annotated[
        int, typer.Option("--metrics-port", min=0, max=65535, help="Prometheus metrics on 127.0.0.1; 0: none.")
    ] = 0,
) -> None:
    """Stores every window that the broker has, each exactly once, until it is stopped with SIGTERM or Ctrl-C.

    A window is acknowledged when it is on the disk: kill this process when you like. What does not fit the contract is
    set aside with its reason. The first run makes a session at the broker; what comes from then on is kept there
    while no collector runs.

    Example: python -m analytics collect --broker broker.example:8883 --tls --username analyst
    --password-file secret --store windows.duckdb
    """
    import logging

    from analytics.broker import Broker
    from analytics.collector import Collector
    from analytics.store import Store

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    login = {
        "tls": tls, "ca_file": ca_file, "username": username, "password_file": password_file,
        "cert_file": cert_file, "key_file": key_file,
    }  # fmt: skip
    nodes = [Broker.at(place.strip(), **login) for place in broker.split(",")]
    with Store(store) as kept:
        name = client_id or "affect-collector"
        collector = Collector(nodes, kept, name=name, share=share, session_s=round(session_days * 86_400))
        collector.run(keep_days=keep_days, lake=lake, metrics_port=metrics_port)
