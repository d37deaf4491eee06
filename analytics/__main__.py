"""`python -m analytics`: from windows at a broker to an answer."""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules

import typer

from analytics import commands
from edge.errors import EdgeError

app = typer.Typer(
    help="From windows at a broker to an answer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """From windows at a broker to an answer."""


for found in iter_modules(commands.__path__):
    app.command()(getattr(import_module(f"{commands.__name__}.{found.name}"), found.name))


def main() -> None:
    """Runs the verb; an error of the user's making is one line on standard error and its exit code."""
    try:
        app()
    except EdgeError as error:
        print(f"analytics: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
