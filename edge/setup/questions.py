"""Questions to the person at the terminal; where there is none, what is missing is named instead, all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import typer

from edge.errors import ConfigError


class Questions:
    """Asks what no option says.

    Args:
        interactive: someone is there to answer.
    """

    def __init__(self, interactive: bool) -> None:
        self._interactive = interactive
        self._missing: list[str] = []

    def ask(
        self,
        option: str,
        given: str | None,
        question: str,
        *,
        default: str | None = None,
        choices: Sequence[str] = (),
        told: Callable[[str], str] = str,
    ) -> str:
        """The option's value, or the answer to the question.

        Args:
            option: its name, without dashes.
            given: its value; None asks.
            question: what is asked.
            default: taken on an empty answer, and when nobody is there.
            choices: what may be answered; shown as a numbered list.
            told: how a choice is shown.

        Raises:
            ConfigError: the option's value is not among the choices.
        """
        if given is None and not self._interactive:
            if default is None:
                self._missing.append(f"--{option}")
            return default or ""
        if given is None:
            given = (
                self._choose(question, choices, default, told) if choices else typer.prompt(question, default=default)
            )
        if choices and given not in choices:
            raise ConfigError(f"--{option}: {given!r} is none of {', '.join(choices)}")
        return given.strip()

    def complain(self) -> None:
        """Ends the questions.

        Raises:
            ConfigError: nobody was there to answer some; names their options.
        """
        if self._missing:
            raise ConfigError(f"not given, and nobody is at a terminal to ask: {', '.join(self._missing)}")

    def _choose(self, question: str, choices: Sequence[str], default: str | None, told: Callable[[str], str]) -> str:
        for number, choice in enumerate(choices, 1):
            typer.echo(f"  {number}  {told(choice)}")
        shown = str(choices.index(default) + 1) if default in choices else None
        while True:
            answer = typer.prompt(f"{question}, 1-{len(choices)}", default=shown).strip()
            if answer in choices:
                return str(answer)
            if answer.isdigit() and 1 <= int(answer) <= len(choices):
                return choices[int(answer) - 1]
            typer.echo(f"  {answer!r} is none of these")
