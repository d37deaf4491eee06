"""The command line: one file a verb, and only the file of the verb that is asked for is imported.

A verb's module is `edge.cli.<verb>`, and registers itself on `app`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edge.errors import EdgeError
from edge.release import VERSION, commit

EXIT_CODES = """Exit codes: 0 done, 1 output or demo broker, 2 usage or configuration, 3 detector file,
4 model bundle, 5 inference runtime, 6 camera or video, 7 broker settings or outbox,
8 camera stuck, 130 interrupted."""

# In the order in which the help lists them.
VERBS = ("bench", "info", "demo", "doctor", "fetch", "init", "replay", "run", "watch", "bundle")


class LazyVerbs(TyperGroup):
    """Imports a verb's module when the verb is asked for; all of them for a list, and to suggest another spelling.

    A camera that starts `run` has no use for the tables of `bench`; most of a command's time is its imports.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 — typer's signature
        """All verbs, every one of them imported."""
        self._import(VERBS)
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb's command; None where there is no such verb."""
        self._import([cmd_name] if cmd_name in VERBS else VERBS)
        return super().get_command(ctx, cmd_name)

    def _import(self, verbs: Sequence[str]) -> None:
        if missing := [verb for verb in verbs if verb not in self.commands]:
            for verb in missing:
                import_module(f"{__name__}.{verb}")
            self.commands = typer.main.get_group(app).commands


app = typer.Typer(
    name="affect-edge",
    cls=LazyVerbs,
    help="Valence and arousal from faces, computed on the camera. Pictures never leave the process; only counts and "
    "averages of several people do. An expression is not a feeling.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # joins lines of a paragraph, and leaves [sections] alone
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"affect-edge {VERSION} ({commit()})")
        raise typer.Exit


@app.callback()
def _root(
    _asked: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more than changes and failures.")] = False,
) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )


def main() -> None:
    """Runs the command line; a user's mistake ends in one line on stderr and a documented exit code."""
    try:
        app()
    except EdgeError as error:
        typer.echo(f"affect-edge: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
