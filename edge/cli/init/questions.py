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

    def say(self, text: str) -> None:
        """Tells the person at the terminal something between two questions; nobody else."""
        if self._interactive:
            typer.echo(text)

    def ask(
        self,
        option: str,
        given: str | None,
        question: str,
        *,
        default: str | None = None,
        choices: Sequence[str] = (),
        told: Callable[[str], str] = str,
        check: Callable[[str], object] = str,
    ) -> str:
        """The option's value, or the answer to the question; a person who answers wrongly is told and asked again.

        Args:
            option: its name, without dashes.
            given: its value; None asks.
            question: what is asked.
            default: taken on an empty answer, and when nobody is there.
            choices: what may be answered; shown as a numbered list.
            told: how a choice is shown.
            check: raises ConfigError for a value that is impossible.

        Raises:
            ConfigError: the option's value is impossible, or not among the choices.
        """
        if given is None and not self._interactive:
            if default is None:
                self._missing.append(f"--{option}")
            return default or ""
        if given is None:
            return self._answer(question, default, choices, told, check)
        if choices and given not in choices:
            raise ConfigError(f"--{option}: {given!r} is none of {', '.join(choices)}")
        check(given.strip())
        return given.strip()

    def complain(self) -> None:
        """Ends the questions.

        Raises:
            ConfigError: nobody was there to answer some; names their options.
        """
        if self._missing:
            raise ConfigError(f"not given, and nobody is at a terminal to ask: {', '.join(self._missing)}")

    def _answer(
        self,
        question: str,
        default: str | None,
        choices: Sequence[str],
        told: Callable[[str], str],
        check: Callable[[str], object],
    ) -> str:
        while True:
            if choices:
                answer = self._choose(question, choices, default, told)
            else:
                answer = typer.prompt(question, default=default, show_default=bool(default)).strip()
            try:
                check(answer)
            except ConfigError as error:
                typer.echo(f"  {error}")
            else:
                return answer

    def _choose(self, question: str, choices: Sequence[str], default: str | None, told: Callable[[str], str]) -> str:
        if list(choices) == [default]:
            typer.echo(f"{question}: {told(choices[0])}")
            return choices[0]
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
