"""`affect-edge policy`: what the policy is made of, and its hash, as it stands on the notice and in every window."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from edge.cli import app, echo_json
from edge.cli.run import CONFIG
from edge.config import load_config
from edge.model.store import Store
from edge.policy import check_notice, parts_of, policy_of


@app.command(epilog="Example: affect-edge policy --config /etc/affect-edge/config.toml")
def policy(
    config: Annotated[Path, typer.Option(help="The device's configuration, TOML.")] = CONFIG,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Show the policy and its hash; exit code 9 if the notice that the configuration names is of another.

    The policy is what visitors are told of: zones, opening hours, window, floor, privacy mode, purpose and model. After
    a change print new notices, hang them up, and write the hash into `deployment.notice_policy`.
    """
    chosen = load_config(config)
    sha256, _ = Store(chosen.model).first(lambda bundle: bundle.sha256)
    parts, digest = parts_of(chosen, sha256), policy_of(chosen, sha256)
    if json:
        echo_json({"policy": digest, "notice_policy": chosen.deployment.notice_policy or None, **parts})
    else:
        for key, value in parts.items():
            typer.echo(f"{key:<16} {value if isinstance(value, str) else msgspec.json.encode(value).decode()}")
        typer.echo(f"{'policy':<16} {digest}")
    check_notice(chosen, digest)
