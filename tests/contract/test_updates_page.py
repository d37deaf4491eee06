"""docs/updates.md is true: its commands exist, its states and limits are those of the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest
import typer.main

from edge.cli import bundle
from edge.contract import ModelState
from edge.model import store

PAGE = (Path(__file__).parents[2] / "docs" / "updates.md").read_text(encoding="utf-8")
FLAT = " ".join(PAGE.split())


def first_column(head: str) -> list[str]:
    table = PAGE.split(f"| {head} |", 1)[1].split("\n\n", 1)[0]
    return [re.findall(r"`([^`]+)`", row)[0] for row in table.splitlines()[2:]]


def test_every_command_exists_with_its_options() -> None:
    verbs = typer.main.get_command(bundle.verbs).commands  # type: ignore[attr-defined]
    lines = re.findall(
        r"affect-edge bundle (\w+) ([^`\n]*)", "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    )
    assert len(lines) >= 3
    for verb, rest in lines:
        options = {option for parameter in verbs[verb].params for option in parameter.opts}
        assert {word for word in rest.split() if word.startswith("--")} <= options
    assert {name.split()[0] for name in first_column("command")} == set(verbs)


def test_every_state_is_explained() -> None:
    assert set(first_column("`model_state`")) == set(get_args(ModelState))
    source = inspect.getsource(bundle._row)
    assert set(first_column("state")) == set(re.findall(r'(?:: |if |else )?"(active|previous|[a-z]+ed)"', source))


@pytest.mark.parametrize(
    "said",
    [
        f"lasted {store.GOOD_S:g} s",
        f"After {store.MAX_STARTS} failed starts in a row",
        f"previous bundle {store.KEPT} stay",
        "`allow_unsigned = true` stands under `[model]`",
    ],
)
def test_every_limit_is_the_code_s(said: str) -> None:
    assert said in FLAT
