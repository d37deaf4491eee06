"""`import edge` is free, and nothing on the device loads what belongs to the workstation."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Succeed = Callable[..., str]

# What only some commands need; `import edge` has to leave all of it alone.
RUNTIME = {"ai_edge_litert", "amqtt", "cv2", "msgspec", "numpy", "onnxruntime", "paho", "rich", "typer"}
TRAINING = {"keras", "matplotlib", "scipy", "sklearn", "tensorflow", "tensorflow_model_optimization", "tf_keras"}


@pytest.fixture
def loaded(succeed: Succeed, repo: Path) -> Callable[[str], set[str]]:
    """The top-level modules that a fresh interpreter holds after running some code."""

    def after(code: str) -> set[str]:
        report = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
        return set(json.loads(succeed([sys.executable, "-c", f"{code}\n{report}"], cwd=repo).splitlines()[-1]))

    return after


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
