"""docs/updates.md is true: its commands exist, its states and limits are those of the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest
import typer.main

from edge.cli import bundle
from edge.config import Config
from edge.model.store import probation, store
from edge.model.store.state import MAX_STARTS
from edge.publish.machine import BundleState

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
    assert len(lines) >= 4
    for verb, rest in lines:
        options = {option for parameter in verbs[verb].params for option in parameter.opts}
        assert {word for word in rest.split() if word.startswith("--")} <= options
    assert {name.split()[0] for name in first_column("command")} == set(verbs)


def test_every_state_is_explained() -> None:
    assert set(first_column("`bundle_state`")) == set(get_args(BundleState))
    source = inspect.getsource(bundle._state_of)
    assert set(first_column("state")) == set(re.findall(r'"([a-z]+)"', source))


@pytest.mark.parametrize(
    "said",
    [
        f"({Config().model.probation_s:g} s)",
        f"{probation.MIN_SCORED} face-steps were scored",
        f"{probation.MIN_FAILED} frames failed, and they are more than {probation.MAX_FAILED_SHARE:.0%} of",
        f"{MAX_STARTS} runs ended without order",
        f"more than {probation.MAX_SLOWDOWN:g} times as long",
        f"{store._KEPT} bundles stay",
    ],
)
def test_every_limit_is_the_code_s(said: str) -> None:
    assert said in FLAT
