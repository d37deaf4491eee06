"""What a user of the workstation tools can cause or cure, besides what `edge.errors` names already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from edge.errors import EdgeError

Named = TypeVar("Named")


class DataError(EdgeError, ValueError):
    """A data folder, a label file or a picture is missing or malformed; the message names file and line."""

    exit_code = 2


class TrainingError(EdgeError, RuntimeError):
    """A stage lacks what an earlier stage makes, or its result is not what the device needs."""

    exit_code = 1


class CompilerError(EdgeError, RuntimeError):
    """The Edge TPU's compiler is not here, or gave up; the message says what it said."""

    exit_code = 5


class GateError(EdgeError, RuntimeError):
    """A conversion cost more agreement than its recipe allows; the message names the step and by how much."""

    exit_code = 9


class RefusedError(EdgeError, RuntimeError):
    """A candidate may not take a bundle's place; the message says what speaks against it."""

    exit_code = 10


def find_named(known: Mapping[str, Named], name: str, kind: str) -> Named:
    """What has that name.

    Raises:
        DataError: nothing has it; says what there is of the kind.
    """
    if name not in known:
        raise DataError(f"{name}: no such {kind}; there are {', '.join(sorted(known))}")
    return known[name]
