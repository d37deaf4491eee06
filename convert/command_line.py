"""How the workstation's programs run their verbs."""

from __future__ import annotations

import sys

import typer

from edge.errors import EdgeError


def run_verbs(app: typer.Typer, program: str) -> None:
    """Runs the verb; an error of the user's making is one line on standard error and its exit code."""
    try:
        app()
    except EdgeError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
