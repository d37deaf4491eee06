"""How hard the property tests try: a few seconds in the default run, minutes a target with AFFECT_EDGE_FUZZ=deep.

    AFFECT_EDGE_FUZZ=deep python -m pytest tests/fuzz -k bundle

The promise they test: what comes from outside (a file, a frame, a broker's bytes) ends in a value or in one line of a
leaf of `EdgeError`. Nothing else is raised, nothing hangs, and memory stays bounded.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from edge.errors import EdgeError

DEEP = os.environ.get("AFFECT_EDGE_FUZZ") == "deep"
# Fixtures here only hold what no example changes.
settings.register_profile(
    "fuzz",
    max_examples=600 if DEEP else 20,
    deadline=None,
    derandomize=not DEEP,  # the default run is the same everywhere; the deep one looks where nobody has looked
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
_BOUNDED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
"""


@contextmanager
def _typed(*leaves: type[EdgeError]) -> Iterator[None]:
    try:
        yield
    except EdgeError as error:
        _check(error, leaves)


def _check(error: EdgeError, leaves: tuple[type[EdgeError], ...]) -> None:
    assert type(error) is not EdgeError, "the root says nothing about what to mend"
    assert not leaves or isinstance(error, leaves), f"{type(error).__name__} is none of {leaves}"
    message = str(error)
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f]{5,1200}", message), f"not one clear line: {message!r}"


@pytest.fixture(scope="session")
def typed() -> Callable[..., AbstractContextManager[None]]:
    """Lets a block succeed, or fail with one line of one of the given leaves of `EdgeError`; nothing else."""
    return _typed


@pytest.fixture(scope="session")
def bounded(repo: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs code in a process of its own with little memory and time; arguments come from `sys.argv[2]` on."""

    def run(code: str, *arguments: object, memory_mb: int, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _BOUNDED + code, str(memory_mb << 20), *map(str, arguments)],
            cwd=repo,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )

    return run
