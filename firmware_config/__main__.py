"""`python -m firmware_config`: from a checkout to a board, and to many of them."""

from __future__ import annotations

import typer

from convert.command_line import run_verbs
from firmware_config.arm64.command import arm64_check
from firmware_config.check.command import check
from firmware_config.debian.command import deb
from firmware_config.debian.lock import lock
from firmware_config.fleet.command import enrol
from firmware_config.gateway.command import gateway
from firmware_config.papers.command import papers
from firmware_config.release.command import release

app = typer.Typer(
    help="From a checkout to a board, and to many of them: deb builds the package, lock lists the wheels that it may "
    "hold, release builds everything that is published, check looks at this folder's files, "
    "arm64-check runs the package under emulation, "
    "enrol prepares a fleet, gateway a store's own broker, papers what visitors and authorities read.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph
)


@app.callback()
def root() -> None:
    """From a checkout to a board, and to many of them."""


for verb in (deb, lock, release, check, arm64_check, enrol, gateway, papers):
    app.command()(verb)


def main() -> None:
    """Runs the verb; see `run_verbs`."""
    run_verbs(app, "firmware_config")


if __name__ == "__main__":
    main()
