"""What a user of the workstation tools can cause or cure, besides what `edge.errors` names already."""

from __future__ import annotations

from edge.errors import EdgeError


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
