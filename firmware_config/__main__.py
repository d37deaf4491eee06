"""`python -m firmware_config`: from a checkout to a board."""

from __future__ import annotations

import typer

from convert.command_line import run_verbs
from firmware_config.check.command import check
from firmware_config.debian.command import deb

app = typer.Typer(
    help="From a checkout to a board: deb builds the package, check looks at its files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """From a checkout to a board."""


app.command()(deb)
app.command()(check)


def main() -> None:
    """Runs the verb; see `run_verbs`."""
    run_verbs(app, "firmware_config")


if __name__ == "__main__":
    main()
