"""`import edge` is free, a verb loads itself alone, and nothing on the device loads what belongs to the workstation."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.cli import VERBS

Succeed = Callable[..., str]

# What only some commands need; `import edge` has to leave all of it alone.
RUNTIME = {"ai_edge_litert", "amqtt", "cv2", "msgspec", "numpy", "onnxruntime", "paho", "rich", "typer"}
TRAINING = {"keras", "matplotlib", "scipy", "sklearn", "tensorflow", "tensorflow_model_optimization", "tf_keras"}


@pytest.fixture
def loaded(succeed: Succeed, repo: Path) -> Callable[[str], set[str]]:
    """The modules that a fresh interpreter holds after running some code; of packages other than ours, their names."""

    def after(code: str) -> set[str]:
        report = "import json, sys; print(); print(json.dumps(sorted(sys.modules)))"
        names = json.loads(succeed([sys.executable, "-c", f"{code}\n{report}"], cwd=repo).splitlines()[-1])
        return {name if name.startswith("edge.") else name.partition(".")[0] for name in names}

    return after


def asked(*arguments: str) -> str:
    """Code that runs `affect-edge` with arguments that make it say something and leave."""
    return (
        f"import contextlib, sys; sys.argv = {['affect-edge', *arguments]}\n"
        "from edge.cli import main\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main()"
    )


def test_import_of_edge_loads_no_dependency(loaded: Callable[[str], set[str]]) -> None:
    assert loaded("import edge") & (RUNTIME | TRAINING) == set()


def test_import_of_the_whole_device_loads_no_training_framework(loaded: Callable[[str], set[str]]) -> None:
    walk = (
        "import importlib, pkgutil, edge\n"
        "for module in pkgutil.walk_packages(edge.__path__, 'edge.'):\n"
        "    if module.name != 'edge.__main__':\n"
        "        importlib.import_module(module.name)"
    )
    assert loaded(walk) & TRAINING == set()


def test_the_proof_sees_a_planted_import(loaded: Callable[[str], set[str]]) -> None:
    assert "numpy" in loaded("import edge, numpy") & RUNTIME


def test_version_is_told_without_any_of_the_work(loaded: Callable[[str], set[str]]) -> None:
    modules = loaded(asked("--version"))
    assert modules & (RUNTIME - {"typer"} | TRAINING) == set()
    assert {name for name in modules if name.startswith("edge.")} == {"edge.cli", "edge.errors", "edge.version"}


def test_a_verb_loads_itself_alone(loaded: Callable[[str], set[str]]) -> None:
    modules = loaded(asked("init", "--help"))
    assert {name.split(".")[2] for name in modules if name.startswith("edge.cli.")} == {"init"}
    assert modules & {"ai_edge_litert", "cv2", "numpy", "paho"} == set()


def test_help_needs_every_verb_and_the_proof_sees_them(loaded: Callable[[str], set[str]]) -> None:
    modules = loaded(asked("--help"))
    assert {f"edge.cli.{verb}" for verb in VERBS} <= modules
    assert "cv2" in modules


def test_every_file_of_the_commands_is_a_verb(repo: Path) -> None:
    files = {
        path.stem
        for path in (repo / "edge" / "cli").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert files - {"__init__"} == set(VERBS)


@pytest.mark.parametrize("package", ["analytics", "convert", "benchmarks", "firmware_config"])
def test_help_of_a_tool_does_not_wait_for_tensorflow(package: str, loaded: Callable[[str], set[str]]) -> None:
    assert loaded(f"import {package}.__main__") & (TRAINING - {"scipy"}) == set()  # numba brings scipy
