"""Questions to the person at the terminal; where there is none, what is missing is named instead, all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from edge.errors import ConfigError


class Questions:
    """Asks what no option says. `interactive`: someone is there to answer."""

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
        choices: Mapping[str, str] | None = None,
        check: Callable[[str], object] = str,
    ) -> str:
        """The option's value, or the answer to the question, which is asked again after an invalid answer.

        Args:
            option: its name, without dashes.
            given: its value; None asks.
            question: what is asked.
            default: taken on an empty answer, and when nobody is there.
            choices: what may be answered, each with the words that show it, as a numbered list; a single one is taken
                without a question.
            check: raises ConfigError for a value that is impossible.

        Raises:
            ConfigError: the option's value is impossible, or not among the choices.
        """
        choices = choices or {}
        numbered = {str(number): choice for number, choice in enumerate(choices, 1)}

        def parse(answer: str) -> str:
            value = numbered.get(answer.strip(), answer.strip())
            if choices and value not in choices:
                raise ConfigError(f"--{option}: {value!r} is none of {', '.join(choices)}")
            check(value)
            return value

        if given is not None:
            return parse(given)
        if not self._interactive:
            self._missing += [f"--{option}"] if default is None else []
            return default or ""
        if default is not None and list(choices) == [default]:
            typer.echo(f"{question}: {choices[default]}")
            return default
        for number, choice in numbered.items():
            typer.echo(f"  {number}  {choices[choice]}")
        if choices:
            question = f"{question}, 1-{len(choices)}"
            default = next((number for number, choice in numbered.items() if choice == default), None)
        while True:
            answer = typer.prompt(question, default=default, show_default=bool(default))
            try:
                return parse(answer)
            except ConfigError as error:
                typer.echo(f"Error: {error}")

    def complain(self) -> None:
        """Raises ConfigError where nobody was there to answer; names the options."""
        if self._missing:
            raise ConfigError(f"not given, and nobody is at a terminal to ask: {', '.join(self._missing)}")
