"""Child processes run nothing of the current directory, where Python would take a `json.py` or `pip.py` from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def interpreters(repo: Path) -> Iterator[tuple[str, ast.List]]:
    for part in ("edge", "firmware_config"):
        for path in (repo / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.List) and node.elts and ast.unparse(node.elts[0]) == "sys.executable":
                    yield str(path.relative_to(repo)), node


def test_every_interpreter_that_is_started_is_isolated(repo: Path) -> None:
    found = list(interpreters(repo))
    assert len(found) >= 4
    for path, command in found:
        assert ast.unparse(command.elts[1]) == "'-I'", f"{path}:{command.lineno}"


STARTS = ("subprocess.", "os.exec", "os.spawn", "os.system")


def test_every_process_of_the_device_starts_from_the_root_folder(repo: Path) -> None:
    calls = [
        (path, node)
        for path in (repo / "edge").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(STARTS)
    ]
    assert len(calls) == 3
    for path, call in calls:
        assert {word.arg: ast.unparse(word.value) for word in call.keywords}["cwd"] == "'/'", f"{path}:{call.lineno}"
