"""The command line: one module a verb, `edge.cli.<verb>`, which registers itself on `app` when it is imported."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from edge.errors import EdgeError
from edge.version import VERSION, commit

EXIT_CODES = """Exit codes: 0 done, 1 output or demo broker, 2 usage or configuration, 3 detector file,
4 model bundle, 5 inference runtime, 6 camera or video, 7 broker settings or outbox,
8 camera stuck, 9 notice of another policy, 12 audit log, 130 interrupted."""

# In the order in which the help lists them.
VERBS = ("bench", "info", "demo", "doctor", "init", "replay", "run", "setup", "watch", "bundle", "policy", "audit")

app = typer.Typer(
    name="affect-edge",
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


def load_verbs(words: Sequence[str]) -> None:
    """Imports the verb that a command line asks for; all of them where it asks for none, or for one there is not.

    A camera that starts `run` has no use for the tables of `bench`, and most of a command's time is its imports.
    """
    asked = next((word for word in words if not word.startswith("-")), "")
    for verb in [asked] if asked in VERBS else VERBS:
        import_module(f"{__name__}.{verb}")


def echo_json(value: object) -> None:
    """Prints a value as JSON that people can read too."""
    import msgspec  # not for `--version`

    typer.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())


def main() -> None:
    """Runs the command line; a user's mistake ends in one line on stderr and a documented exit code."""
    try:
        if "--version" not in sys.argv[1:2]:
            load_verbs(sys.argv[1:])
        app()
    except EdgeError as error:
        typer.echo(f"affect-edge: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
