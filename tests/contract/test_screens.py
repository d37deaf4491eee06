"""The screens in docs/installing.md are those of the program as it is."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from edge.cli.watch import Screen
from edge.config import FaceConfig
from scripts.screens import ANSWERS, PAGE, put

INIT = (Path(__file__).resolve().parents[2] / "edge/cli/init/__init__.py").read_text(encoding="utf-8")
TEXT = PAGE.read_text(encoding="utf-8")


def block(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```text\n(.*?)\n```\n<!-- end -->", TEXT, re.DOTALL)
    assert found, f"run `make docs-screens`: {name} is empty"
    return found[1]


def questions() -> list[str]:
    return re.findall(r'(?:ask|why)\(\s*"[a-z_-]+", [a-z_]+, "([^"]+)"', INIT)


def test_every_question_that_is_asked_is_in_the_page() -> None:
    assert len(questions()) >= 14
    assert [words for words in questions() if f"\n{words}" not in block("init")] == []


def test_every_answer_was_typed_and_nothing_went_wrong_at_the_end() -> None:
    shown = block("init")
    assert all(answer in shown for _, answer in ANSWERS)
    assert "written  /mnt/etc/affect-edge/config.toml" in shown
    assert "Traceback" not in shown


def test_head_and_legend_of_watch_are_those_in_the_page() -> None:
    drawn = io.StringIO()
    Console(file=drawn, width=80, highlight=False, color_system=None).print(Screen(FaceConfig(), "scene").draw())
    lines = [line.rstrip() for line in drawn.getvalue().splitlines()]
    shown = block("watch").splitlines()
    assert shown[0] == lines[0]
    assert shown[-1] == lines[-1]
    assert [line for line in shown if line.startswith("face")] == [line for line in lines if line.startswith("face")]


def test_a_page_without_its_place_for_a_screen_is_refused() -> None:
    assert put("<!-- a -->\n<!-- end -->", "a", "x\n") == "<!-- a -->\n```text\nx\n```\n<!-- end -->"
    with pytest.raises(ValueError, match="needs one"):
        put("nothing", "a", "x")
